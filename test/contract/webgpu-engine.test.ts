/**
 * The contract suite on ONNX Runtime's WebGPU provider, greedy parity with the CPU, and what crosses between host and
 * device for a token.
 */
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { createOnnxRuntimeEngine } from '../../src/engine/onnxruntime/onnxruntime-engine.js';
import { ExportedFolders, ModelRunner } from '../golden/model-runner.js';
import { GoldenVectors, TINY_MODELS, tinyModelFolder } from '../golden/vectors.js';
import { describeWithWebgpu } from '../webgpu.js';
import { describeEngineContract } from './engine-contract.js';

describeWithWebgpu('WebGPU', () => {
  let folders: ExportedFolders;
  beforeAll(async () => {
    folders = await ExportedFolders.create();
  });
  afterAll(() => folders[Symbol.asyncDispose]());

  const engineOn = (model: string, weights: Parameters<ExportedFolders['of']>[1]) => async (): Promise<Engine> =>
    createOnnxRuntimeEngine(await folders.of(path.join('test', 'golden', 'models', model), weights), {
      provider: 'webgpu',
      contextTokens: 160, // a software device is slow
      prefillChunkTokens: 24,
      maxSlots: 3,
    });
  // fp32 sums in another order than another length of the same prompt; the logits are around 5.
  describeEngineContract('WebGPU, phi3-gqa, fp32', engineOn('phi3-gqa', { weightFormat: 'fp32' }), { tolerance: 1e-3 });
  describeEngineContract(
    'WebGPU, llama-tiny, int4',
    engineOn('llama-tiny', { weightFormat: 'int4', accuracyLevel: 0 }),
    {
      tolerance: 1e-3,
    },
  );

  it.each(TINY_MODELS)("%s: the CPU engine's greedy tokens, which are those of transformers", async (model) => {
    const folder = await folders.of(tinyModelFolder(model), { weightFormat: 'fp32' });
    await using runner = await ModelRunner.open(folder, { provider: 'webgpu', contextTokens: 256 });
    expect(runner.engine.info).toMatchObject({ provider: 'webgpu', device: 'gpu' });
    for (const prompt of new GoldenVectors(model).file.prompts.slice(0, 4)) {
      expect(await runner.greedy(prompt.tokenIds, 24)).toEqual(prompt.greedyTokenIds.slice(0, 24));
    }
  });

  it('moves token ids, mask and logits between host and device, and nothing of the KV cache', async () => {
    const folder = await folders.of(tinyModelFolder('phi3-deep'), { weightFormat: 'fp32' });
    await using engine = await createOnnxRuntimeEngine(folder, { provider: 'webgpu', contextTokens: 128 });
    const { vocabularySize } = engine.info;
    const slot = await engine.openSlot({ capacityTokens: 128 });
    await engine.forward([{ slot, tokens: new Int32Array(40).fill(7), logits: 'none', finalLength: 40 }]);
    for (let length = 41; length < 49; length += 1) {
      const before = engine.transfers ?? { runs: 0, toDeviceBytes: 0, toHostBytes: 0 };
      await engine.forward([{ slot, tokens: Int32Array.of(length), logits: 'last', finalLength: length }]);
      expect(engine.transfers).toEqual({
        runs: before.runs + 1,
        toDeviceBytes: before.toDeviceBytes + 8 * (1 + length + 1), // token, mask, first row of logits
        toHostBytes: before.toHostBytes + 4 * vocabularySize,
      });
    }
  });
});
