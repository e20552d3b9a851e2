import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelConfig } from '../../weights/weights.js';
import { describeDecoder } from '../decoder.js';
import { resolveWeightRecipe, type WeightOptions } from '../recipe.js';
import { memorySource, TINY_CONFIG } from '../testing/memory-source.js';
import { ExportedGraph, largestDifference, relativeRms, type GraphOutput } from '../testing/run-graph.js';
import { buildDecoderGraph } from './decoder-graph.js';
import { DATA_FILE, exportOnnx, MODEL_FILE } from './export-onnx.js';
import { encodeModel } from './onnx-proto.js';

let parent: string;
let exported = 0;
beforeAll(() => {
  parent = mkdtempSync(path.join(tmpdir(), 'aipc-graph-'));
});
afterAll(async () => {
  await ExportedGraph.releaseAll();
  rmSync(parent, { recursive: true, force: true });
});

async function openTiny(changes: Partial<ModelConfig> = {}, weights: WeightOptions = {}): Promise<ExportedGraph> {
  const outputFolder = path.join(parent, String(exported++));
  const source = memorySource({ ...TINY_CONFIG, ...changes });
  await exportOnnx({ source, outputFolder, weightFormat: 'fp32', ...weights });
  return ExportedGraph.open(outputFolder);
}

const TOKENS = Array.from({ length: 40 }, (_, i) => (i * 29 + 3) % TINY_CONFIG.vocabularySize);

function lastRow({ logits, vocabularySize }: GraphOutput): Float32Array {
  return logits.subarray(logits.length - vocabularySize);
}

describe('the decoder graph', () => {
  it('takes and gives the names that onnxruntime-genai expects', async () => {
    const { session } = await openTiny({ layerCount: 1 });
    expect(session.inputNames).toEqual([
      'input_ids',
      'attention_mask',
      'past_key_values.0.key',
      'past_key_values.0.value',
    ]);
    expect(session.outputNames).toEqual(['logits', 'present.0.key', 'present.0.value']);
  });

  it('computes the same in pieces, over the cache, as in one run', async () => {
    const graph = await openTiny();
    const whole = await graph.run(TOKENS);
    const head = await graph.run(TOKENS.slice(0, 25));
    const chunk = await graph.run(TOKENS.slice(25, 39), head);
    const decoded = await graph.run(TOKENS.slice(39), chunk);
    expect(largestDifference(lastRow(decoded), lastRow(whole))).toBeLessThan(1e-4);
  });

  it('computes logits from logits_first_row on, which is an input that may be left out', async () => {
    const source = memorySource(TINY_CONFIG);
    const outputFolder = path.join(parent, String(exported++));
    await exportOnnx({ source, outputFolder, weightFormat: 'fp32' });
    const all = await (await ExportedGraph.open(outputFolder)).run(TOKENS);
    expect(all.rows).toBe(40);

    const decoder = describeDecoder(source.config, source.tensors, source.location);
    const { model } = buildDecoderGraph(decoder, resolveWeightRecipe('test', { weightFormat: 'fp32' }), {
      dataFile: DATA_FILE,
      producerVersion: '1',
    });
    expect(model.inputs.at(-1)).toEqual({ name: 'logits_first_row', dataType: 'int64', shape: [1] });
    // onnxruntime-node's API cannot override an initialiser, so here another default stands for it.
    for (const firstRow of [33, 39]) {
      const inlineTensors = model.inlineTensors.map((tensor) =>
        tensor.name === 'logits_first_row' ? { ...tensor, values: [BigInt(firstRow)] } : tensor,
      );
      writeFileSync(path.join(outputFolder, MODEL_FILE), encodeModel({ ...model, inlineTensors }));
      const some = await (await ExportedGraph.open(outputFolder)).run(TOKENS);
      expect(some.rows).toBe(40 - firstRow);
      expect(largestDifference(some.logits, all.logits.subarray(firstRow * all.vocabularySize))).toBeLessThan(1e-4);
    }
  });

  it.each([1, 5, 16])(
    'lets a token see exactly %i tokens, itself included, where there is a window of that size',
    async (n) => {
      // With one layer, nothing reaches the last token by way of others.
      const graph = await openTiny({ layerCount: 1, slidingWindow: n });
      const original = lastRow(await graph.run(TOKENS));
      const withOther = async (index: number): Promise<Float32Array> => {
        const changed = TOKENS.with(index, ((TOKENS[index] ?? 0) + 1) % TINY_CONFIG.vocabularySize);
        return lastRow(await graph.run(changed));
      };
      const last = TOKENS.length - 1;
      expect(largestDifference(await withOther(last - n), original)).toBe(0);
      expect(largestDifference(await withOther(last - n + 1), original)).toBeGreaterThan(1e-4);

      const decoded = await graph.run(TOKENS.slice(last), await graph.run(TOKENS.slice(0, last)));
      expect(largestDifference(lastRow(decoded), original)).toBeLessThan(1e-4);
    },
  );

  it('sees everything before it where there is no window', async () => {
    const graph = await openTiny({ layerCount: 1 });
    const original = lastRow(await graph.run(TOKENS));
    const changed = lastRow(await graph.run(TOKENS.with(0, 60)));
    expect(largestDifference(changed, original)).toBeGreaterThan(1e-5);
  });

  it('gives the same logits for tied embeddings as for a head that repeats them', async () => {
    const config = { ...TINY_CONFIG, layerCount: 1 };
    const source = memorySource(config);
    const repeated = {
      ...source,
      readRows: (name: string, first: number, count: number): Promise<Float32Array> =>
        source.readRows(name === 'lm_head.weight' ? 'model.embed_tokens.weight' : name, first, count),
    };
    const tensors = new Map([...source.tensors].filter(([name]) => name !== 'lm_head.weight'));
    const tied = { ...source, tensors, config: { ...config, tiedEmbeddings: true } };
    for (const weightFormat of ['fp32', 'int4'] as const) {
      const logits = [];
      for (const variant of [repeated, tied]) {
        const outputFolder = path.join(parent, String(exported++));
        await exportOnnx({ source: variant, outputFolder, weightFormat });
        logits.push((await (await ExportedGraph.open(outputFolder)).run(TOKENS)).logits);
      }
      const [a = new Float32Array(), b = new Float32Array()] = logits;
      expect(a).toHaveLength(40 * 64);
      expect(largestDifference(a, b)).toBe(0);
    }
  });

  it.each([
    [{ weightFormat: 'fp16' }, 1e-3],
    [{ weightFormat: 'int8' }, 0.05],
    [{ weightFormat: 'int4', blockSize: 16, symmetric: false }, 0.35],
  ] as const)('stays near fp32 with %o', async (weights, tolerance) => {
    const exact = await (await openTiny()).run(TOKENS);
    const rounded = await (await openTiny({}, weights)).run(TOKENS);
    const error = relativeRms(rounded.logits, exact.logits);
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(tolerance);
  });

  it('rotates only the first elements of a head where rotation is partial', async () => {
    const changes = { headSize: 32, rotarySize: 16, layerCount: 1 };
    const full = await (await openTiny({ ...changes, rotarySize: 32 })).run(TOKENS);
    const partial = await (await openTiny(changes)).run(TOKENS);
    const key = (output: GraphOutput): Float32Array => output.cache.get('past_key_values.0.key')?.data as Float32Array;
    // Keys of position 1: of a half-rotated head the upper half is as at position 0 of the same token's projection.
    const unrotated = await (await openTiny(changes)).run(TOKENS.slice(1));
    expect(largestDifference(key(partial).subarray(32 + 16, 64), key(unrotated).subarray(16, 32))).toBeLessThan(1e-6);
    expect(largestDifference(key(partial).subarray(32, 48), key(unrotated).subarray(0, 16))).toBeGreaterThan(1e-3);
    expect(largestDifference(key(full).subarray(32 + 16, 64), key(unrotated).subarray(16, 32))).toBeGreaterThan(1e-4);
  });

  it.each([
    { headSize: 24, rotarySize: 16 },
    { headSize: 32, rotarySize: 24 },
    { headCount: 3, kvHeadCount: 2 },
  ])("refuses %o, which ONNX Runtime's attention cannot run", (changes) => {
    const { config, tensors, location } = memorySource({ ...TINY_CONFIG, ...changes });
    const decoder = describeDecoder(config, tensors, location);
    expect(() =>
      buildDecoderGraph(decoder, resolveWeightRecipe('test', { weightFormat: 'fp32' }), {
        dataFile: 'd',
        producerVersion: '1',
      }),
    ).toThrow(expect.objectContaining({ code: 'MODEL_FEATURE_UNSUPPORTED' }));
  });

  it('begins every constant of the data file on a page, without overlap', () => {
    const { config, tensors, location } = memorySource(TINY_CONFIG);
    const { model, dataFileBytes } = buildDecoderGraph(
      describeDecoder(config, tensors, location),
      resolveWeightRecipe('test', { weightFormat: 'int4', symmetric: false }),
      { dataFile: 'd', producerVersion: '1' },
    );
    let end = 0;
    for (const { offsetBytes, lengthBytes } of model.externalTensors) {
      expect(offsetBytes % 4096).toBe(0);
      expect(offsetBytes).toBeGreaterThanOrEqual(end);
      end = offsetBytes + lengthBytes;
    }
    expect(dataFileBytes).toBe(end);
  });
});
