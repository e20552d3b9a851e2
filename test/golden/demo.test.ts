/**
 * The built-in model answers as transformers does (models/demo/reference.json, made by make_demo_reference.py), in fp32
 * and in int4: it is trained so that quantising does not change what it says.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import type { WeightOptions } from '../../src/convert/recipe.js';
import { ExportedFolders, ModelRunner } from './model-runner.js';
import { DEMO_FOLDER } from './vectors.js';

const reference = JSON.parse(readFileSync(path.join(DEMO_FOLDER, 'reference.json'), 'utf8')) as {
  readonly inputTokenIds: readonly number[];
  readonly outputTokenIds: readonly number[];
};

it.each<WeightOptions>([
  { weightFormat: 'fp32' },
  { weightFormat: 'int8' },
  { weightFormat: 'int4', blockSize: 32 },
  { weightFormat: 'int4', blockSize: 128, symmetric: false },
])('the demo model introduces itself in the reference’s words with %o', async (weights) => {
  await using folders = await ExportedFolders.create();
  await using runner = await ModelRunner.open(await folders.of(DEMO_FOLDER, weights, 2), { contextTokens: 256 });
  const { inputTokenIds, outputTokenIds } = reference;
  expect(outputTokenIds.length).toBeGreaterThanOrEqual(32);
  expect(await runner.greedy(inputTokenIds, outputTokenIds.length)).toEqual(outputTokenIds);
});
