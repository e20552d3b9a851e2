/** The contract suite on ONNX Runtime's CPU provider: folders of aipc's exporter and of onnxruntime-genai's builder. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { exportOnnx } from '../../src/convert/onnx/export-onnx.js';
import type { WeightOptions } from '../../src/convert/recipe.js';
import type { Engine } from '../../src/engine/engine.js';
import { createOnnxRuntimeEngine } from '../../src/engine/onnxruntime/onnxruntime-engine.js';
import { describeEngineContract } from './engine-contract.js';
import { describeRopeContract } from './rope-contract.js';

// fp32 sums in another order (fp16 below: a few units in the last place); the logits are around 5.
const TOLERANCE = 1e-4;
// Short chunks, so that prompts of a few dozen tokens need several.
const options = { prefillChunkTokens: 24, threads: 2 };

describe('on models exported by aipc', () => {
  // Not at accuracy level 4: where activations are rounded to int8, two ways to the same logits differ by a rounding
  // that fell to the other side, and that shows as much as a mistake.
  const exported = [
    { name: 'phi3-gqa, fp32', model: 'phi3-gqa', weights: { weightFormat: 'fp32' } },
    { name: 'phi3-window, fp32', model: 'phi3-window', weights: { weightFormat: 'fp32' } },
    { name: 'llama-tiny, int4', model: 'llama-tiny', weights: { weightFormat: 'int4', accuracyLevel: 0 } },
  ] as const satisfies readonly { name: string; model: string; weights: WeightOptions }[];
  const longrope = [
    { name: 'phi3-longrope, fp32', model: 'phi3-longrope', weights: { weightFormat: 'fp32' } },
    { name: 'phi4-mini, int4', model: 'phi4-mini', weights: { weightFormat: 'int4', accuracyLevel: 0 } },
  ] as const satisfies readonly { name: string; model: string; weights: WeightOptions }[];
  let folder: string;
  const folderOf = (name: string): string => path.join(folder, name.replaceAll(/\W+/g, '-'));

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-contract-'));
    for (const { name, model, weights } of [...exported, ...longrope]) {
      const source = path.join('test', 'golden', 'models', model);
      await exportOnnx({ source, outputFolder: folderOf(name), workers: 0, ...weights });
    }
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  for (const { name } of exported) {
    describeEngineContract(`ONNX Runtime, ${name}`, () => createOnnxRuntimeEngine(folderOf(name), options), {
      tolerance: TOLERANCE,
    });
  }
  for (const { name } of longrope) {
    const make = (): Promise<Engine> => createOnnxRuntimeEngine(folderOf(name), { ...options, maxSlots: 5 });
    describeRopeContract(`ONNX Runtime, ${name}`, make, { tolerance: TOLERANCE });
  }
});

describe("on models of onnxruntime-genai's builder", () => {
  const models = path.join('test', 'contract', 'models');
  describeEngineContract(
    'ONNX Runtime, int4 without logits_first_row',
    () => createOnnxRuntimeEngine(path.join(models, 'builder-cpu-int4'), options),
    { tolerance: TOLERANCE },
  );
  describeEngineContract(
    'ONNX Runtime, fp16 with position_ids',
    () => createOnnxRuntimeEngine(path.join(models, 'builder-dml-fp16'), options),
    { tolerance: 0.02 },
  );
});
