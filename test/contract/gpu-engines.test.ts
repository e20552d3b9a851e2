/**
 * ONNX Runtime's GPU providers, each where it starts: the contract suite, the CPU engine's tokens, and what crosses
 * between host and device for a token.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { WeightOptions } from '../../src/convert/recipe.js';
import type { Engine } from '../../src/engine/engine.js';
import { createOnnxRuntimeEngine } from '../../src/engine/onnxruntime/onnxruntime-engine.js';
import type { GpuProvider } from '../../src/model/target.js';
import { expectSameTokens } from '../golden/compare-tokens.js';
import { ExportedFolders, ModelRunner } from '../golden/model-runner.js';
import { GoldenVectors, TINY_MODELS, tinyModelFolder, type TinyModel } from '../golden/vectors.js';
import { describeWithProvider } from '../gpu-providers.js';
import { describeEngineContract } from './engine-contract.js';

interface Suite {
  /** Whether the float weights give exactly the greedy tokens of transformers. */
  readonly exact: boolean;
  readonly float: WeightOptions;
  readonly int4: WeightOptions;
  /** Of the contract; the logits are around 5. */
  readonly tolerance: number;
  readonly logitTolerance: number;
  readonly tie: number;
}

const FP16 = { exact: false, tolerance: 0.08, logitTolerance: 0.02, tie: 0.1 } as const;

const SUITES: Readonly<Record<GpuProvider, Suite>> = {
  // fp32: a software device has no f16.
  webgpu: {
    exact: true,
    float: { weightFormat: 'fp32' },
    int4: { target: 'webgpu', activations: 'fp32', accuracyLevel: 0 },
    tolerance: 1e-3,
    logitTolerance: 1e-3,
    tie: 1e-3,
  },
  cuda: { ...FP16, float: { target: 'cuda', weightFormat: 'fp16' }, int4: { target: 'cuda' } },
  dml: { ...FP16, float: { target: 'dml', weightFormat: 'fp16' }, int4: { target: 'dml' } },
};

for (const [provider, suite] of Object.entries(SUITES) as [GpuProvider, Suite][]) {
  describeWithProvider(provider, `ONNX Runtime's provider ${provider}`, () => {
    let folders: ExportedFolders;
    beforeAll(async () => {
      folders = await ExportedFolders.create();
    });
    afterAll(() => folders[Symbol.asyncDispose]());

    const engineOn = (model: TinyModel, weights: WeightOptions) => async (): Promise<Engine> =>
      createOnnxRuntimeEngine(await folders.of(tinyModelFolder(model), weights), {
        provider,
        contextTokens: 160, // software devices are slow
        prefillChunkTokens: 24,
        maxSlots: 3,
      });
    const { tolerance } = suite;
    describeEngineContract(`${provider}, phi3-gqa`, engineOn('phi3-gqa', suite.float), { tolerance });
    describeEngineContract(`${provider}, llama-tiny, int4`, engineOn('llama-tiny', suite.int4), { tolerance });

    it.each(TINY_MODELS)("%s: the CPU engine's greedy tokens", async (model) => {
      const { prompts } = new GoldenVectors(model).file;
      for (const weights of [suite.float, suite.int4]) {
        const folder = await folders.of(tinyModelFolder(model), weights);
        await using cpu = await ModelRunner.open(folder);
        await using runner = await ModelRunner.open(folder, { provider, contextTokens: 256 });
        expect(runner.engine.info).toMatchObject({ provider, device: 'gpu' });
        await expectSameTokens(runner, cpu, prompts.slice(0, 4), 24, suite);
        if (!suite.exact || weights !== suite.float) continue;
        for (const prompt of prompts.slice(0, 4)) {
          expect(await runner.greedy(prompt.tokenIds, 24)).toEqual(prompt.greedyTokenIds.slice(0, 24));
        }
      }
    });

    it('moves token ids, mask and logits between host and device, and nothing of the KV cache', async () => {
      const folder = await folders.of(tinyModelFolder('phi3-deep'), suite.float);
      await using engine = await createOnnxRuntimeEngine(folder, { provider, contextTokens: 128 });
      const { vocabularySize, kvDtype } = engine.info;
      const inputs = provider === 'dml' ? 3 : 2; // token, first row of logits, and DirectML's position
      const slot = await engine.openSlot({ capacityTokens: 128 });
      await engine.forward([{ slot, tokens: new Int32Array(40).fill(7), logits: 'none', finalLength: 40 }]);
      for (let length = 41; length < 49; length += 1) {
        const before = engine.transfers ?? { runs: 0, toDeviceBytes: 0, toHostBytes: 0 };
        await engine.forward([{ slot, tokens: Int32Array.of(length), logits: 'last', finalLength: length }]);
        expect(engine.transfers).toEqual({
          runs: before.runs + 1,
          toDeviceBytes: before.toDeviceBytes + 8 * (inputs + length),
          toHostBytes: before.toHostBytes + (kvDtype === 'f16' ? 2 : 4) * vocabularySize,
        });
      }
    });
  });
}
