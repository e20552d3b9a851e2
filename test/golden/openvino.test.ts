/**
 * aipc's OpenVINO exports equal Hugging Face transformers, on the tiny random models: the same golden vectors as
 * fp32.test.ts, through the other exporter and the other engine.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithOpenvino } from '../openvino.js';
import { concatenate, ExportedFolders, ModelRunner } from './model-runner.js';
import { GoldenVectors, LLAMA_TINY_GGUF, maxAbsoluteDifference, TINY_MODELS, tinyModelFolder } from './vectors.js';

const LOGIT_TOLERANCE = 1e-3;

const cases = [
  ...TINY_MODELS.map((model) => ({ model, weightFormat: 'fp32', source: tinyModelFolder(model) }) as const),
  // Weights that fp16 holds exactly.
  ...(['phi3-gqa', 'llama-tiny'] as const).map(
    (model) => ({ model, weightFormat: 'fp16', source: tinyModelFolder(model) }) as const,
  ),
  { model: 'llama-tiny', weightFormat: 'fp16', source: LLAMA_TINY_GGUF },
] as const;

describeWithOpenvino('OpenVINO exports, against transformers', () => {
  describe.each(cases)('$source in $weightFormat', ({ model, weightFormat, source }) => {
    const golden = new GoldenVectors(model);
    const { prompts } = golden.file;
    let folders: ExportedFolders;
    let folder: string;
    let runner: ModelRunner;

    beforeAll(async () => {
      folders = await ExportedFolders.create();
      folder = await folders.openvino(source, { weightFormat });
      runner = await ModelRunner.openExactOpenvino(folder);
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
      await using chunked = await ModelRunner.openExactOpenvino(folder, { prefillChunkTokens: 7 });
      expect(maxAbsoluteDifference(await chunked.logits(prompt.tokenIds, 'all'), rows)).toBeLessThan(LOGIT_TOLERANCE);
    });

    it('gives the same 64 greedy tokens, one answer after the other and all at once', async () => {
      const expected = prompts.map((prompt) => prompt.greedyTokenIds);
      const oneByOne = [];
      for (const prompt of prompts) oneByOne.push(await runner.greedy(prompt.tokenIds, 64));
      expect(oneByOne).toEqual(expected);
      expect(await Promise.all(prompts.map((prompt) => runner.greedy(prompt.tokenIds, 64)))).toEqual(expected);
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
      expect(Math.abs((await runner.perplexity(tokenIds)) / perplexity - 1)).toBeLessThan(5e-4);
    });
  });
});
