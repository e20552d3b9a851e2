/**
 * aipc's int4 export equals transformers run on the dequantised weights of an independent NumPy quantiser (rtn.py).
 * At accuracy level 0 that leaves rounding in fp32; at level 4 ONNX Runtime also rounds activations to int8.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concatenate, ExportedFolders, ModelRunner } from './model-runner.js';
import { GoldenVectors, relativeRms, TINY_MODELS, tinyModelFolder } from './vectors.js';

/** Relative root mean square over the logits of all prompts, by accuracy level. */
const TOLERANCES = { 0: 1e-3, 4: 0.06 } as const;

let folders: ExportedFolders;
beforeAll(async () => {
  folders = await ExportedFolders.create();
});
afterAll(() => folders[Symbol.asyncDispose]());

describe.each(TINY_MODELS)('%s in int4, against transformers on the dequantised weights', (model) => {
  const golden = new GoldenVectors(model);
  const { prompts, int4 = [] } = golden.file;

  it.each(int4)('blocks of $blockSize, symmetric: $symmetric', async ({ blockSize, symmetric, lastRowsAt }) => {
    const expected = golden.rows(lastRowsAt, prompts.length);
    for (const accuracyLevel of [0, 4] as const) {
      const folder = await folders.of(tinyModelFolder(model), { blockSize, symmetric, accuracyLevel });
      await using runner = await ModelRunner.open(folder);
      const found = await Promise.all(prompts.map((prompt) => runner.logits(prompt.tokenIds, 'last')));
      expect(relativeRms(concatenate(found), expected)).toBeLessThan(TOLERANCES[accuracyLevel]);
      // Without quantisation the logits are far from these: the tolerance tells the two apart.
      expect(relativeRms(golden.lastRows, expected)).toBeGreaterThan(TOLERANCES[accuracyLevel]);
    }
  });
});
