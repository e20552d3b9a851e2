/** The contract suite on OpenVINO's CPU plug-in, on ready-made folders of optimum-cli. */
import { afterAll, beforeAll } from 'vitest';
import { createOpenvinoEngine } from '../../src/engine/openvino/openvino-engine.js';
import { describeWithOpenvino } from '../openvino.js';
import { describeEngineContract } from './engine-contract.js';
import { OptimumFolder, type OptimumModel } from './optimum-models.js';

// Rounded activations or caches would show a rounding that fell to the other side as much as a mistake.
const ovConfig = {
  INFERENCE_PRECISION_HINT: 'f32',
  KV_CACHE_PRECISION: 'f32',
  DYNAMIC_QUANTIZATION_GROUP_SIZE: '0',
};
// Short chunks, so that prompts of a few dozen tokens need several.
const options = { device: 'cpu', prefillChunkTokens: 24, threads: 2, ovConfig } as const;
// f32 sums in another order; the logits are around 5.
const TOLERANCE = 1e-4;

describeWithOpenvino('on models of optimum-cli', () => {
  // One rewinds by hiding tokens; one has a sliding window and cannot.
  for (const model of ['optimum-int8', 'optimum-fp16', 'optimum-int4-sym-gs16'] satisfies OptimumModel[]) {
    let folder: OptimumFolder;
    beforeAll(async () => {
      folder = await OptimumFolder.unpack(model);
    });
    afterAll(() => folder[Symbol.asyncDispose]());

    describeEngineContract(`OpenVINO, ${model}`, () => createOpenvinoEngine(folder.path, options), {
      tolerance: TOLERANCE,
    });
  }
});
