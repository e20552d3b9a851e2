/**
 * GGUF files of each member of the Phi family: written from the tiny models with every value exact, they give the tokens
 * of the safetensors; quantised by the gguf package, those of transformers on the dequantised weights.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.js';
import { tokenizerJsonFromGguf } from '../../src/tokenizer/gguf-vocabulary.js';
import { readGgufTokenizer } from '../../src/weights/gguf-tokenizer.js';
import { openWeights } from '../../src/weights/open-weights.js';
import { ExportedFolders, ModelRunner } from './model-runner.js';
import { GOLDEN_FOLDER, GoldenVectors, TINY_MODELS, tinyModelFolder } from './vectors.js';

let folders: ExportedFolders;
let scratch: string;
beforeAll(async () => {
  folders = await ExportedFolders.create();
  scratch = await mkdtemp(path.join(tmpdir(), 'aipc-gguf-'));
});
afterAll(async () => {
  await folders[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true, force: true });
});

const PHI_MODELS = TINY_MODELS.filter((model) => model.startsWith('phi'));

describe.each(PHI_MODELS)('%s as a GGUF file', (model) => {
  let file: string;
  beforeAll(() => {
    file = path.join(scratch, `${model}.gguf`);
    execFileSync(process.execPath, ['bench/phi3-gguf.mjs', tinyModelFolder(model), file, 'F32']);
  });

  it('has the configuration of the folder', async () => {
    await using original = await openWeights(tinyModelFolder(model));
    await using written = await openWeights(file);
    const { rmsNormEpsilon, longRope, ...config } = written.config;
    expect(config).toEqual({ ...original.config, rmsNormEpsilon: undefined, longRope: undefined });
    expect(rmsNormEpsilon).toBeCloseTo(original.config.rmsNormEpsilon, 10);
    const inF32 = (factors: readonly number[] | undefined) => factors?.map(Math.fround);
    expect(longRope?.longFactors).toEqual(inF32(original.config.longRope?.longFactors));
    expect(longRope?.shortFactors).toEqual(inF32(original.config.longRope?.shortFactors));
    expect(longRope?.attentionFactor).toBe(original.config.longRope?.attentionFactor);
    expect(longRope?.originalContextTokens).toBe(original.config.longRope?.originalContextTokens);
  });

  it('gives the 64 greedy tokens of the safetensors', async () => {
    const { prompts } = new GoldenVectors(model).file;
    await using runner = await ModelRunner.open(await folders.of(file, { weightFormat: 'fp32' }));
    for (const prompt of prompts) expect(await runner.greedy(prompt.tokenIds, 64)).toEqual(prompt.greedyTokenIds);
  });
});

interface QuantisedGolden {
  readonly prompts: readonly { readonly tokenIds: readonly number[]; readonly greedyTokenIds: readonly number[] }[];
  readonly texts: readonly (readonly [text: string, ids: readonly number[]])[];
}

describe.each(['phi4-mini.mixed'])('%s.gguf, in the quantised types of the gguf package', (name) => {
  const file = path.join(GOLDEN_FOLDER, 'models', `${name}.gguf`);
  const golden = JSON.parse(
    readFileSync(path.join(GOLDEN_FOLDER, 'vectors', `${name}.gguf.json`), 'utf8'),
  ) as QuantisedGolden;

  it('gives the greedy tokens of transformers on the dequantised weights', async () => {
    await using runner = await ModelRunner.open(await folders.of(file, { weightFormat: 'fp32' }));
    expect(golden.prompts.length).toBeGreaterThanOrEqual(8);
    for (const prompt of golden.prompts) {
      expect(await runner.greedy(prompt.tokenIds, prompt.greedyTokenIds.length)).toEqual(prompt.greedyTokenIds);
    }
  });

  it('has the tokenizer of the folder inside', async () => {
    const tokenizer = createTokenizer(tokenizerJsonFromGguf(await readGgufTokenizer(file)));
    for (const [text, ids] of golden.texts) {
      expect(Array.from(tokenizer.encode(text, { specialTokens: 'parse' })), text).toEqual(ids);
    }
  });
});
