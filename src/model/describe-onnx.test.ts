import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeModel } from './describe-model.js';

const folder = (name: string): string => path.join('test', 'contract', 'models', name);

describe('describeModel, of a ready-made ONNX folder', () => {
  it("says of DirectML's folder what it was made for, and which providers run it", async () => {
    const { weights, graph, devices, sizeBytes } = await describeModel(folder('opset14-dml-int4'));
    expect(weights).toEqual([
      expect.stringMatching(/^\d+ % of the bytes quantised/u),
      expect.stringMatching(/^\d+ % of the bytes f16$/u),
    ]);
    expect(graph).toEqual([
      'made for DirectML',
      'GroupQueryAttention, KV cache in f16, past and present in one memory',
      'takes position_ids',
    ]);
    expect(sizeBytes).toBeGreaterThan(90_000); // the graph and three data files
    expect(devices).toMatchObject([
      { device: 'cpu', suits: true, notes: [expect.stringContaining('half precision')] },
      { device: 'gpu', suits: true, notes: [expect.stringContaining('--provider dml')] },
      { device: 'npu', suits: false },
    ]);
  });

  it('offers no provider that has no kernel for the graph', async () => {
    const { devices } = await describeModel(folder('builder-cpu-int4'));
    expect(devices[1]?.notes).toEqual([expect.stringMatching(/^With --provider webgpu\. DirectML and CUDA/u)]);
  });

  it('says of a graph with plain attention that it is for the CPU', async () => {
    const file = path.join(folder('torch-plain-attention'), 'onnx', 'model_q4.onnx');
    const { graph, devices, layers } = await describeModel(file);
    expect(layers).toBe(2);
    expect(graph?.[0]).toMatch(/^plain attention, KV cache in f32/u);
    expect(devices).toMatchObject([
      { device: 'cpu', suits: true, notes: [expect.stringContaining('copies')] },
      { device: 'gpu', suits: false, reasons: [expect.stringContaining('GroupQueryAttention')] },
      { device: 'npu', suits: false },
    ]);
  });
});
