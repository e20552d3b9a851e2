/** The contract suite on OpenVINO's CPU plug-in: folders of aipc's exporter and of optimum-cli. */
import { afterAll, beforeAll } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { createOpenvinoEngine } from '../../src/engine/openvino/openvino-engine.js';
import { ExportedFolders } from '../golden/model-runner.js';
import { tinyModelFolder } from '../golden/vectors.js';
import { describeWithOpenvino } from '../openvino.js';
import { describeEngineContract } from './engine-contract.js';
import { describeRopeContract } from './rope-contract.js';
import { OptimumFolder, type OptimumModel } from './optimum-models.js';

// Where activations or the cache are rounded, two ways to the same logits differ by a rounding that fell to the other
// side, and that shows as much as a mistake.
const ovConfig = {
  INFERENCE_PRECISION_HINT: 'f32',
  KV_CACHE_PRECISION: 'f32',
  DYNAMIC_QUANTIZATION_GROUP_SIZE: '0',
};
// Short chunks, so that prompts of a few dozen tokens need several.
const options = { device: 'cpu', prefillChunkTokens: 24, threads: 2, ovConfig } as const;
// f32 sums in another order; the logits are around 5.
const TOLERANCE = 1e-4;

describeWithOpenvino('on models exported by aipc to OpenVINO', () => {
  const exported = [
    { name: 'phi3-gqa, fp32', model: 'phi3-gqa', weights: { weightFormat: 'fp32' } },
    { name: 'phi3-window, int8', model: 'phi3-window', weights: { weightFormat: 'int8' } },
    { name: 'llama-tiny, int4', model: 'llama-tiny', weights: { weightFormat: 'int4', groupSize: 32 } },
  ] as const;
  let folders: ExportedFolders;
  beforeAll(async () => {
    folders = await ExportedFolders.create();
  });
  afterAll(() => folders[Symbol.asyncDispose]());

  for (const { name, model, weights } of exported) {
    const make = async (): Promise<Engine> =>
      createOpenvinoEngine(await folders.openvino(tinyModelFolder(model), weights), options);
    describeEngineContract(`OpenVINO, ${name}`, make, { tolerance: TOLERANCE });
  }
  // As users have it: a prompt is one run, which an abort cancels.
  const whole = { device: 'cpu', threads: 2, ovConfig } as const;
  describeEngineContract(
    'OpenVINO, phi3-gqa, int4, whole prompts',
    async () =>
      createOpenvinoEngine(
        await folders.openvino(tinyModelFolder('phi3-gqa'), { weightFormat: 'int4', groupSize: 32 }),
        whole,
      ),
    { tolerance: TOLERANCE },
  );
  for (const model of ['phi3-longrope', 'phi4-mini'] as const) {
    const make = async (): Promise<Engine> => {
      const folder = await folders.openvino(tinyModelFolder(model), { weightFormat: 'fp32' });
      return createOpenvinoEngine(folder, { ...options, maxSlots: 5 });
    };
    describeRopeContract(`OpenVINO, ${model}, fp32`, make, { tolerance: TOLERANCE });
  }
});

describeWithOpenvino('on models of optimum-cli', () => {
  // One rewinds by hiding tokens; one has a sliding window and cannot.
  for (const model of ['optimum-int8', 'optimum-fp16'] satisfies OptimumModel[]) {
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
