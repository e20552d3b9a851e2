/**
 * What a user does with a model: look at it, open it, read, tokenise, render, compute a step. Each use resolves when
 * that works and rejects with whatever aipc says; results are checked for what must hold whatever the file's content.
 */
import { access } from 'node:fs/promises';
import path from 'node:path';
import { loadChatTemplate } from '../../src/chat/load-template.js';
import { exportOnnx } from '../../src/convert/onnx/export-onnx.js';
import { exportOpenvino } from '../../src/convert/openvino/export-openvino.js';
import type { Engine } from '../../src/engine/engine.js';
import { createOnnxRuntimeEngine } from '../../src/engine/onnxruntime/onnxruntime-engine.js';
import { openModelFolder } from '../../src/engine/openvino/model-folder.js';
import { createOpenvinoEngine } from '../../src/engine/openvino/openvino-engine.js';
import { describeModel } from '../../src/model/describe-model.js';
import { collectSidecars } from '../../src/models/sidecars.js';
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.js';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.js';
import { tokenizerJsonFromGguf } from '../../src/tokenizer/gguf-vocabulary.js';
import type { Tokenizer } from '../../src/tokenizer/tokenizer.js';
import { readGgufTokenizer } from '../../src/weights/gguf-tokenizer.js';
import { openWeights } from '../../src/weights/open-weights.js';
import type { Use } from './cases.js';

export interface UseRequest {
  /** Path of the folder or file. */
  readonly model: string;
  /** A folder to export to; does not exist yet. */
  readonly outputFolder: string;
  /** Differs from case to case: what is not done each time is done by it. */
  readonly number: number;
  /** Whether OpenVINO's library is there. */
  readonly hasOpenvino: boolean;
}

/** Rows read of each tensor: the first and the last ones. */
const ROWS_READ = 16;
const TEXTS = [
  'Hello, world! 123',
  '<|user|>\nHi<|end|>',
  ' \u{1F600}e\u0301\u0000\uD800 日本語',
  'a'.repeat(2000),
  '',
];
const MESSAGES = [
  [{ role: 'user', content: 'Who are you?' }],
  [
    { role: 'system', content: 'Be short. <|end|>' },
    { role: 'user', content: '{{ 1 }}' },
    { role: 'assistant', content: '' },
    { role: 'user', content: '</s>' },
  ],
] as const;

/** A result that no file may lead to. */
export class WrongResult extends Error {}

export const USES: Readonly<Record<Use, (request: UseRequest) => Promise<void>>> = {
  weights: useWeights,
  tokenizer: useTokenizer,
  template: useTemplate,
  onnx: useOnnx,
  openvino: useOpenvino,
};

async function useWeights({ model, outputFolder, number }: UseRequest): Promise<void> {
  await describeModel(model);
  {
    await using weights = await openWeights(model);
    for (const { name, shape } of weights.tensors.values()) {
      const [rows = 0, columns = 1] = shape;
      const count = Math.min(rows, ROWS_READ);
      for (const first of [0, rows - count]) {
        const values = await weights.readRows(name, first, count);
        check(values.length === count * columns, `${values.length} values of ${name}`);
      }
    }
  }
  if (number % 4 !== 0) return;
  const options = { source: model, outputFolder, workers: 0 };
  try {
    if (number % 8 === 0) await exportOnnx({ ...options, weightFormat: 'int4', blockSize: 32 });
    else await exportOpenvino({ ...options, weightFormat: 'int8' });
  } catch (error) {
    check(!(await exists(outputFolder)), 'a failed export left its folder');
    throw error;
  }
}

async function useTokenizer({ model }: UseRequest): Promise<void> {
  const tokenizer = model.endsWith('.gguf')
    ? createTokenizer(tokenizerJsonFromGguf(await readGgufTokenizer(model)))
    : await loadTokenizer(model);
  if (!model.endsWith('.gguf')) await collectSidecars(model);
  tryTokenizer(tokenizer);
}

function tryTokenizer(tokenizer: Tokenizer): void {
  const decoded = [...Array(300).keys()];
  for (const text of TEXTS) {
    for (const specialTokens of ['parse', 'text'] as const) {
      const ids = tokenizer.encode(text, { specialTokens });
      check(
        [...ids].every((id) => Number.isInteger(id) && id >= 0),
        'a token id that is none',
      );
      decoded.push(...ids);
    }
  }
  tokenizer.encodePieces(TEXTS.map((text, i) => ({ text, specialTokens: i % 2 === 0 ? 'text' : 'parse' })));
  const decoder = tokenizer.createDecoder();
  const pieces = decoded.map((id) => decoder.push(id)).join('') + decoder.flush();
  check(pieces === tokenizer.decode(decoded), 'pieces that differ from the whole text');
  tokenizer.decode([-1, 2 ** 31, NaN, 0.5]);
}

async function useTemplate({ model }: UseRequest): Promise<void> {
  await using template = await loadChatTemplate(model, { controlTokens: ['<|user|>', '<|end|>', '</s>'] });
  for (const messages of MESSAGES) {
    const pieces = await template.render(messages, { addGenerationPrompt: true });
    check(
      pieces.every(({ text }) => typeof text === 'string'),
      'a piece that is no text',
    );
  }
}

async function useOnnx({ model }: UseRequest): Promise<void> {
  await describeModel(model);
  await step(await createOnnxRuntimeEngine(model, { threads: 1, maxSlots: 1 }));
}

async function useOpenvino({ model, hasOpenvino }: UseRequest): Promise<void> {
  await describeModel(model);
  if (hasOpenvino) return step(await createOpenvinoEngine(model, { device: 'cpu', threads: 1, maxSlots: 1 }));
  const folder = await openModelFolder(model, 'CPU');
  await folder[Symbol.asyncDispose]();
}

/** A prompt of three tokens and one more. */
async function step(engine: Engine): Promise<void> {
  try {
    const slot = await engine.openSlot({ capacityTokens: Math.min(16, engine.limits.contextTokens) });
    for (const tokens of [Int32Array.of(1, 2, 3), Int32Array.of(4)]) {
      const [logits] = await engine.forward([{ slot, tokens, finalLength: 4, logits: 'last' }]);
      check(logits?.data.length === engine.info.vocabularySize, `${logits?.data.length ?? 0} logits`);
    }
    await slot[Symbol.asyncDispose]();
  } finally {
    await engine[Symbol.asyncDispose]();
  }
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new WrongResult(what);
}

async function exists(file: string): Promise<boolean> {
  return access(path.resolve(file)).then(
    () => true,
    () => false,
  );
}
