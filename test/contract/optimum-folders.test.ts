/**
 * Ready-made IR folders: aipc runs what optimum-cli exported as it is, and gives the tokens and logits that the
 * runtime itself, openvino-genai and optimum-intel agree on.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOpenvinoEngine } from '../../src/engine/openvino/openvino-engine.js';
import { ModelRunner } from '../golden/model-runner.js';
import { maxAbsoluteDifference } from '../golden/vectors.js';
import { describeWithOpenvino } from '../openvino.js';
import { OPTIMUM_MODELS, optimumAnswers, OptimumFolder } from './optimum-models.js';

/** f32 sums in another order; the logits have a standard deviation of 3 to 5. */
const LOGIT_TOLERANCE = 1e-3;

describeWithOpenvino('ready-made folders of optimum-cli on OpenVINO', () => {
  describe.each(OPTIMUM_MODELS)('%s', (model) => {
    const { properties, prompts } = optimumAnswers(model);
    let folder: OptimumFolder;
    let runner: ModelRunner;

    beforeAll(async () => {
      folder = await OptimumFolder.unpack(model);
      runner = new ModelRunner(await createOpenvinoEngine(folder.path, { device: 'cpu', ovConfig: properties }));
    });
    afterAll(async () => {
      await runner[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    });

    it("gives the peers' logits after each prompt", async () => {
      for (const { tokenIds, firstLogits } of prompts) {
        const found = await runner.logits(tokenIds, 'last');
        expect(maxAbsoluteDifference(found, Float32Array.from(firstLogits))).toBeLessThan(LOGIT_TOLERANCE);
      }
    });

    it("gives the peers' greedy tokens, one answer after the other", async () => {
      expect(prompts).toHaveLength(5);
      for (const { tokenIds, greedyTokenIds } of prompts) {
        expect(await runner.greedy(tokenIds, greedyTokenIds.length)).toEqual(greedyTokenIds);
      }
    });

    it("gives the peers' greedy tokens to all prompts at once, prefilled in chunks of 16", async () => {
      const ovConfig = properties;
      await using chunked = new ModelRunner(
        await createOpenvinoEngine(folder.path, { device: 'cpu', ovConfig, prefillChunkTokens: 16 }),
      );
      const found = await Promise.all(prompts.map((prompt) => chunked.greedy(prompt.tokenIds, 40)));
      expect(found).toEqual(prompts.map((prompt) => prompt.greedyTokenIds));
    });
  });
});
