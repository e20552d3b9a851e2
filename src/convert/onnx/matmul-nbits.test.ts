import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLOCK_SIZES, dequantiseRows, quantiseRows } from '../quantise.js';
import { ACCURACY_LEVELS, resolveWeightRecipe, type WeightOptions, type WeightRecipe } from '../recipe.js';
import { runSlice } from '../tensor-task.js';
import { memorySource, randomVector, TINY_CONFIG } from '../testing/memory-source.js';
import { relativeRms } from '../testing/run-graph.js';
import { GraphWriter } from './graph-writer.js';
import { encodeModel } from './onnx-proto.js';

const TENSOR = 'model.layers.0.mlp.down_proj.weight';
const ROWS = 40;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'aipc-nbits-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * A graph of one linear [ROWS, columns], written by the exporter's own parts and run by ONNX Runtime on a few rows of
 * activations. Returns the relative RMS of the result against exact arithmetic on the dequantised weights.
 */
async function errorOfLinear(recipe: WeightRecipe, columns: number): Promise<number> {
  const source = memorySource(TINY_CONFIG, new Map([[TENSOR, [ROWS, columns]]]));
  const graph = new GraphWriter(recipe);
  graph.linear(
    '/x',
    'input',
    { inputSize: columns, outputSize: ROWS, parts: [{ tensor: TENSOR, rowCount: ROWS }] },
    'y',
  );
  const data = openSync(path.join(folder, 'x.data'), 'w');
  ftruncateSync(data, graph.dataFileBytes);
  for (const task of graph.tasks) {
    await runSlice({ task, firstRow: 0, rowCount: task.rowCount }, source, (bytes, offset) => {
      writeSync(data, bytes, 0, bytes.length, offset);
    });
  }
  closeSync(data);
  const model = encodeModel({
    producerVersion: 'test',
    dataFile: 'x.data',
    inputs: [{ name: 'input', dataType: 'float32', shape: ['rows', columns] }],
    outputs: [{ name: 'y', dataType: 'float32', shape: ['rows', ROWS] }],
    nodes: graph.nodes,
    externalTensors: graph.externalTensors,
    inlineTensors: graph.inlineTensors,
  });
  writeFileSync(path.join(folder, 'x.onnx'), model);

  const inputs = 3;
  const activations = randomVector(inputs * columns, 99, 2);
  const session = await InferenceSession.create(path.join(folder, 'x.onnx'), { intraOpNumThreads: 1 });
  const { y } = await session.run({ input: new Tensor('float32', activations, [inputs, columns]) });
  await session.release();

  const original = await source.readRows(TENSOR, 0, ROWS);
  const weights =
    'block' in recipe ? dequantiseRows(quantiseRows(original, columns, recipe.block), columns, recipe.block) : original;
  const exact = Array.from({ length: inputs * ROWS }, (_, i) => {
    const [input, row] = [Math.floor(i / ROWS), i % ROWS];
    let sum = 0;
    for (let k = 0; k < columns; k++) {
      sum += (activations[input * columns + k] ?? NaN) * (weights[row * columns + k] ?? NaN);
    }
    return sum;
  });
  return relativeRms((y?.data ?? []) as Float32Array, exact);
}

const blockFormats = (['int4', 'int8'] as const).flatMap((weightFormat) =>
  [true, false].flatMap((symmetric) => BLOCK_SIZES.map((blockSize) => ({ weightFormat, symmetric, blockSize }))),
);

describe('MatMulNBits on quantised weights', () => {
  it.each(blockFormats)(
    'is exact to 1e-5 at accuracy level 0 and to 1 % at level 4: $weightFormat, symmetric $symmetric, block $blockSize',
    async (options: WeightOptions) => {
      for (const columns of [512, 528]) {
        const recipe = (accuracyLevel: 0 | 4): WeightRecipe =>
          resolveWeightRecipe('test', { ...options, accuracyLevel });
        expect(await errorOfLinear(recipe(0), columns)).toBeLessThan(1e-5);
        expect(await errorOfLinear(recipe(4), columns)).toBeLessThan(0.01);
      }
    },
  );

  it.each(ACCURACY_LEVELS)('runs at accuracy level %i', async (accuracyLevel) => {
    for (const weightFormat of ['int4', 'int8'] as const) {
      const recipe = resolveWeightRecipe('test', { weightFormat, accuracyLevel });
      expect(await errorOfLinear(recipe, 256)).toBeLessThan(0.01);
    }
  });
});

describe('MatMul on unquantised weights', () => {
  it('is exact in fp32 and loses what fp16 cannot hold in fp16', async () => {
    expect(await errorOfLinear(resolveWeightRecipe('test', { weightFormat: 'fp32' }), 200)).toBeLessThan(1e-6);
    const fp16 = await errorOfLinear(resolveWeightRecipe('test', { weightFormat: 'fp16' }), 200);
    expect(fp16).toBeGreaterThan(1e-6);
    expect(fp16).toBeLessThan(1e-3);
  });
});
