import { describe, expect, it } from 'vitest';
import type { DeviceSelection, Recommendation } from '../devices/recommend.js';
import { estimateTokens, formatSelection } from './device-choice.js';

const gpu: Recommendation = {
  deviceId: 'gpu.0',
  provider: 'openvino',
  providerDevice: 'GPU',
  basis: 'rule',
  reason: 'rule: leaves the CPU free',
  measurement: null,
};
const cpu: Recommendation = {
  ...gpu,
  deviceId: 'cpu',
  provider: 'cpu',
  providerDevice: 'CPU',
  reason: 'rule: runs everywhere',
};

describe('formatSelection', () => {
  it('says what was chosen, what comes after it and what cannot run, each with its reason', () => {
    const selection: DeviceSelection = {
      prefer: 'balanced',
      chosen: gpu,
      ranked: [gpu, cpu],
      rejected: [
        { deviceId: 'npu', provider: 'openvino', reason: 'this prompt is longer' },
        { deviceId: 'gpu.1', provider: null, reason: 'none drives it' },
      ],
    };
    expect(formatSelection(selection).split('\n')).toEqual([
      'device auto (balanced): gpu.0, provider openvino: rule: leaves the CPU free',
      '  after it cpu, provider cpu: rule: runs everywhere',
      '  not npu, provider openvino: this prompt is longer',
      '  not gpu.1: none drives it',
      '',
    ]);
  });

  it('is silent where there was nothing to choose', () => {
    expect(formatSelection({ prefer: 'balanced', chosen: cpu, ranked: [cpu], rejected: [] })).toBe('');
  });
});

describe('estimateTokens', () => {
  it('grows with the text and is at least one', () => {
    expect([estimateTokens(''), estimateTokens('Who are you?'), estimateTokens('x'.repeat(6000))]).toEqual([
      1, 4, 2000,
    ]);
  });
});
