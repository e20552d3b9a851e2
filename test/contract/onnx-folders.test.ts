/**
 * Ready-made ONNX folders: aipc runs what onnxruntime-genai's model builder, torch.onnx and the tools of onnx-community
 * write, and gives the tokens and logits of transformers with the weights that are in the files.
 */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import {
  createOnnxRuntimeEngine,
  type OnnxRuntimeEngineOptions,
} from '../../src/engine/onnxruntime/onnxruntime-engine.js';
import { ModelRunner } from '../golden/model-runner.js';
import { maxAbsoluteDifference } from '../golden/vectors.js';
import { describeWithProvider } from '../gpu-providers.js';
import { describeEngineContract } from './engine-contract.js';
import { ONNX_MODELS, onnxAnswers, onnxModelFolder, type OnnxAnswers } from './onnx-models.js';

/** fp32 sums in another order; in fp16 a few units in the last place of logits around 5. */
const tolerance = ({ half }: OnnxAnswers): number => (half ? 0.08 : 1e-3);

function describeAnswers(
  name: string,
  folder: string,
  answers: OnnxAnswers,
  options: OnnxRuntimeEngineOptions = {},
): void {
  describe(name, () => {
    const { prompts } = answers;
    const open = (more: OnnxRuntimeEngineOptions = {}): Promise<Engine> =>
      createOnnxRuntimeEngine(folder, { threads: 2, ...options, ...more });
    let runner: ModelRunner;
    beforeAll(async () => {
      runner = new ModelRunner(await open());
    });
    afterAll(() => runner[Symbol.asyncDispose]());

    it("gives transformers' logits after each prompt", async () => {
      for (const { tokenIds, firstLogits } of prompts) {
        const found = await runner.logits(tokenIds, 'last');
        expect(maxAbsoluteDifference(found, Float32Array.from(firstLogits))).toBeLessThan(tolerance(answers));
      }
    });

    it("gives transformers' greedy tokens, one answer after the other", async () => {
      expect(prompts.length).toBeGreaterThan(1);
      for (const { tokenIds, greedyTokenIds } of prompts) {
        expect(await runner.greedy(tokenIds, greedyTokenIds.length)).toEqual(greedyTokenIds);
      }
    });

    it('gives them to all prompts at once, prefilled in chunks of 16', async () => {
      await using chunked = new ModelRunner(await open({ prefillChunkTokens: 16, maxSlots: prompts.length }));
      const found = await Promise.all(
        prompts.map((prompt) => chunked.greedy(prompt.tokenIds, prompt.greedyTokenIds.length)),
      );
      expect(found).toEqual(prompts.map((prompt) => prompt.greedyTokenIds));
    });
  });
}

describe("folders of onnxruntime-genai's model builder", () => {
  for (const name of ONNX_MODELS) describeAnswers(name, onnxModelFolder(name), onnxAnswers(name));
});

describeWithProvider('webgpu', "the model builder's folder for WebGPU, on WebGPU", () => {
  // fp32: a software device has no f16.
  const name = 'builder-webgpu-int4-fp32';
  describeAnswers(name, onnxModelFolder(name), onnxAnswers(name), { provider: 'webgpu', contextTokens: 128 });
});

describe('graphs with plain attention, laid out as onnx-community does it', () => {
  const folder = path.join(onnxModelFolder('torch-plain-attention'));
  for (const name of ['model', 'model_fp16', 'model_q4']) {
    const file = path.join(folder, 'onnx', `${name}.onnx`);
    describeAnswers(name, file, onnxAnswers('torch-plain-attention', `greedy-${name}.json`));
  }
  describeEngineContract(
    'ONNX Runtime, plain attention',
    () => createOnnxRuntimeEngine(path.join(folder, 'onnx', 'model.onnx'), { prefillChunkTokens: 24, threads: 2 }),
    { tolerance: 1e-4 },
  );
});
