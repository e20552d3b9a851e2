import { describe, expect, it } from 'vitest';
import type { MeanLoad } from '../load/load-meter.js';
import type { Execution, GenerateResult } from '../model/result.js';
import { formatStats } from './stats.js';

const execution: Execution = {
  requested: 'auto',
  device: 'gpu.0',
  deviceName: 'software Vulkan on a CPU',
  provider: 'webgpu',
  runtimeVersion: 'ONNX Runtime 1.30.0',
  activationDtype: 'f32',
  kvDtype: 'f32',
  emulated: true,
};
const result: GenerateResult = {
  text: 'Hello',
  tokenIds: [1],
  finishReason: 'stop',
  usage: { inputTokens: 8, cachedInputTokens: 0, outputTokens: 1 },
  timings: { loadMs: 1000, timeToFirstTokenMs: 10, prefillTokensPerSecond: 800, decodeTokensPerSecond: null },
  execution,
  model: { id: 'demo', revision: null, weightFormat: 'int4' },
  seed: null,
};
const load: MeanLoad = {
  durationMs: 10,
  cpuPercent: 50,
  ownCpuPercent: 40,
  accelerators: [],
  acceleratorsNotAvailable: null,
};
const ranOn = (changes: Partial<Execution>): string | undefined =>
  formatStats({ ...result, execution: { ...execution, ...changes } }, load)
    .split('\n')
    .find((line) => line.startsWith('ran on'));

describe('formatStats', () => {
  it('calls a software device that auto chose by its name, and says that it is software', () => {
    expect(ranOn({})).toMatch(/^ran on +gpu\.0 emulated in software: software Vulkan on a CPU, .*\(asked for auto\)/u);
  });

  it('names the NPU whose path runs elsewhere, on a GPU too, whatever was asked for', () => {
    const npu = { provider: 'openvino', deviceName: 'a CPU (emulating an NPU)' };
    expect(ranOn({ ...npu, device: 'cpu' })).toMatch(/^ran on +npu emulated on cpu: a CPU/u);
    expect(ranOn({ ...npu, device: 'gpu.0', requested: 'npu' })).toMatch(/^ran on +npu emulated on gpu\.0: /u);
  });

  it('says no more of a device that computes itself', () => {
    expect(ranOn({ device: 'cpu', provider: 'cpu', emulated: false })).toMatch(/^ran on +cpu: /u);
  });
});
