/**
 * aipc's fp32 export equals Hugging Face transformers, on tiny random models that cover what the families differ in:
 * sliding window, grouped KV heads, depth, tied embeddings, partial rotary embedding, longrope, safetensors of each type
 * and in shards, GGUF.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concatenate, ExportedFolders, ModelRunner } from './model-runner.js';
import { GoldenVectors, LLAMA_TINY_GGUF, maxAbsoluteDifference, TINY_MODELS, tinyModelFolder } from './vectors.js';

const LOGIT_TOLERANCE = 1e-3;

const cases = [
  ...TINY_MODELS.map((model) => ({ name: model, model, source: tinyModelFolder(model) })),
  { name: 'llama-tiny from GGUF', model: 'llama-tiny', source: LLAMA_TINY_GGUF },
] as const;

describe.each(cases)('$name in fp32, against transformers', ({ model, source }) => {
  const golden = new GoldenVectors(model);
  const { prompts } = golden.file;
  let folders: ExportedFolders;
  let folder: string;
  let runner: ModelRunner;

  beforeAll(async () => {
    folders = await ExportedFolders.create();
    folder = await folders.of(source, { weightFormat: 'fp32' });
    runner = await ModelRunner.open(folder);
  });
  afterAll(async () => {
    await runner[Symbol.asyncDispose]();
    await folders[Symbol.asyncDispose]();
  });

  it('gives the last logits of every prompt', async () => {
    const found = await Promise.all(prompts.map((prompt) => runner.logits(prompt.tokenIds, 'last')));
    expect(prompts).toHaveLength(10);
    expect(maxAbsoluteDifference(concatenate(found), golden.lastRows)).toBeLessThan(LOGIT_TOLERANCE);
  });

  it('gives every row of a prompt, in one piece and in chunks of 7 tokens', async () => {
    const { prompt, rows } = golden.allRows;
    expect(maxAbsoluteDifference(await runner.logits(prompt.tokenIds, 'all'), rows)).toBeLessThan(LOGIT_TOLERANCE);
    await using chunked = await ModelRunner.open(folder, { prefillChunkTokens: 7 });
    expect(prompt.tokenIds.length).toBeGreaterThan(14);
    expect(maxAbsoluteDifference(await chunked.logits(prompt.tokenIds, 'all'), rows)).toBeLessThan(LOGIT_TOLERANCE);
  });

  it('gives the same 64 greedy tokens, one answer after the other', async () => {
    for (const prompt of prompts) {
      expect(await runner.greedy(prompt.tokenIds, 64)).toEqual(prompt.greedyTokenIds);
    }
  });

  it('gives the same 64 greedy tokens to all prompts at once, decoded in batches of different lengths', async () => {
    const found = await Promise.all(prompts.map((prompt) => runner.greedy(prompt.tokenIds, 64)));
    expect(runner.engine.limits.maxBatch).toBeGreaterThan(1);
    expect(found).toEqual(prompts.map((prompt) => prompt.greedyTokenIds));
  });

  const { turns } = golden.file;
  if (turns !== undefined) {
    it('gives the same answers in a conversation that crosses longrope', async () => {
      const found = await runner.converse(
        turns.map((turn) => turn.promptTokenIds),
        turns[0]?.greedyTokenIds.length ?? 0,
      );
      expect(found.map((answer) => answer.tokenIds)).toEqual(turns.map((turn) => turn.greedyTokenIds));
      // What was computed with the other factors is not used again.
      expect(found.map((answer) => answer.cachedInputTokens > 0)).toEqual([false, true, true, false]);
    });
  }

  it('gives the same perplexity to three digits', async () => {
    const { tokenIds, perplexity } = golden.file.perplexity;
    const found = await runner.perplexity(tokenIds);
    expect(Math.abs(found / perplexity - 1)).toBeLessThan(5e-4);
  });
});

describe('the golden prompts', () => {
  it.each(['phi3-window', 'phi3-deep'] as const)('cross the sliding window of %s in prefill and in decode', (model) => {
    const { prompts, slidingWindow } = new GoldenVectors(model).file;
    const window = slidingWindow ?? Infinity;
    const lengths = prompts.map((prompt) => prompt.tokenIds.length);
    expect(Math.max(...lengths)).toBeGreaterThan(window);
    expect(lengths.some((length) => length < window && length + 64 > window)).toBe(true);
  });

  it.each(['phi3-longrope', 'phi4-mini'] as const)(
    'cross the boundary of %s in prefill, in decode and between turns, and go back below it',
    (model) => {
      const { prompts, longropeBoundary, turns = [] } = new GoldenVectors(model).file;
      const boundary = longropeBoundary ?? Infinity;
      const lengths = prompts.map((prompt) => prompt.tokenIds.length);
      expect(Math.max(...lengths)).toBeGreaterThan(boundary);
      expect(lengths.some((length) => length <= boundary && length + 64 > boundary)).toBe(true);
      const spans = turns.map((turn) => [turn.promptTokenIds.length, turn.greedyTokenIds.length] as const);
      const sides = spans.map(([prompt, answer]) => [prompt > boundary, prompt + answer > boundary]);
      expect(sides).toEqual([
        [false, false],
        [false, true],
        [true, true],
        [false, false],
      ]);
    },
  );

  it.each(TINY_MODELS)('draw at least 24 distinct tokens from %s', (model) => {
    const { prompts } = new GoldenVectors(model).file;
    expect(Math.min(...prompts.map((prompt) => new Set(prompt.greedyTokenIds).size))).toBeGreaterThanOrEqual(24);
  });
});
