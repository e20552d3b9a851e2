/**
 * The exported graph on OpenVINO's CPU plug-in: fused as its makers meant, and right where no golden model reaches.
 * Logits and tokens against transformers are openvino.test.ts's.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exportOnnx } from '../../src/convert/onnx/export-onnx.js';
import { exportOpenvino, type ExportOpenvinoOptions } from '../../src/convert/openvino/export-openvino.js';
import { memorySource, TINY_CONFIG } from '../../src/convert/testing/memory-source.js';
import { ExportedGraph } from '../../src/convert/testing/run-graph.js';
import { describeWithOpenvino } from '../openvino.js';
import { runOpenvinoPrompt } from '../openvino-run.js';
import { maxAbsoluteDifference, tinyModelFolder } from './vectors.js';

/** Of the sizes of tokens and mask, once for all layers. */
const SHAPE_GATHERS = 3;

let parent: string;
beforeAll(() => {
  parent = mkdtempSync(path.join(tmpdir(), 'aipc-openvino-graph-'));
});
afterAll(() => rmSync(parent, { recursive: true, force: true }));

async function exported(name: string, options: Omit<ExportOpenvinoOptions, 'outputFolder'>): Promise<string> {
  const outputFolder = path.join(parent, name);
  await exportOpenvino({ ...options, outputFolder });
  return outputFolder;
}

describeWithOpenvino('an exported graph on the CPU plug-in', () => {
  it.each([
    ['Phi-3, window', 'phi3-window', 2, 9, {}],
    ['Phi-3, shared KV heads', 'phi3-gqa', 2, 9, {}],
    ['Llama, tied embedding', 'llama-tiny', 2, 15, {}],
    ['Phi-3, int4', 'phi3-gqa', 2, 9, { weightFormat: 'int4', symmetric: true }],
    ['Phi-3, int4 and int8 with zero points', 'phi3-gqa', 2, 9, { weightFormat: 'int4', groupSize: 64, ratio: 0.5 }],
  ] as const)(
    'runs norms, rotations, cached attention and matrices as one each (%s)',
    async (_, model, layers, matrices, options) => {
      const folder = await exported(`${model}-${Object.values(options).join('-')}`, {
        source: tinyModelFolder(model),
        ...options,
      });
      for (const firstRow of [undefined, 2]) {
        const { operations } = await runOpenvinoPrompt(folder, [5, 6, 7], firstRow);
        expect(operations).toMatchObject({
          RMS: 2 * layers + 1,
          RoPE: 2 * layers,
          ScaledDotProductAttentionWithKVCache: layers,
          // Compressed weights go into the matrix product as they are.
          ...('weightFormat' in options
            ? { FullyConnectedCompressed: matrices, GatherCompressed: 1, Gather: SHAPE_GATHERS }
            : { FullyConnected: matrices, Gather: 1 + SHAPE_GATHERS }),
          // Those of the angles' frequencies, and of the cache's empty shape and the angles: nothing by layer.
          MatMul: 1,
          Concat: 2,
        });
        expect(Object.keys(operations)).not.toContain('Softmax');
        expect(operations['Slice'] ?? 0).toBe(firstRow === undefined ? 0 : 1);
      }
    },
  );

  it('rotates a part of each head as ONNX Runtime does', async () => {
    const source = memorySource({ ...TINY_CONFIG, hiddenSize: 64, headCount: 2, headSize: 32, rotarySize: 16 });
    const tokens = [3, 14, 15, 9, 26, 5];
    const folder = await exported('partial-rotary', { source, weightFormat: 'fp32' });
    const { logits, operations } = await runOpenvinoPrompt(folder, tokens);
    const onnxFolder = path.join(parent, 'partial-rotary-onnx');
    await exportOnnx({ source, outputFolder: onnxFolder, weightFormat: 'fp32' });
    const graph = await ExportedGraph.open(onnxFolder);
    expect(maxAbsoluteDifference(logits, (await graph.run(tokens)).logits)).toBeLessThan(1e-4);
    expect(operations).toMatchObject({ RoPE: 4, ScaledDotProductAttentionWithKVCache: 2 });
  });
});
