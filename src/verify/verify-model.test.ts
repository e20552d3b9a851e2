/** Devices of this machine against its CPU, by real answers of the demo model. */
import { describe, expect, it } from 'vitest';
import { describeWithOpenvino } from '../../test/openvino.js';
import { verifyModel } from './verify-model.js';

describe('verifyModel', () => {
  it('finds the CPU to agree with itself, to the last bit', async () => {
    const { agrees, answers, perplexity, device } = await verifyModel('demo', {
      device: 'cpu',
      provider: 'cpu',
      newTokens: 12,
      prompts: ['What is an NPU?'],
      logitTolerance: 0,
    });
    expect(answers).toMatchObject([{ verdict: 'same', sameTokens: 12, largestLogitDifference: 0, parting: null }]);
    expect(perplexity.differencePercent).toBe(0);
    expect(device.provider).toBe('cpu');
    expect(agrees).toBe(true);
  });

  it('refuses options that are none', async () => {
    await expect(verifyModel('demo', { tokens: 3 } as object)).rejects.toMatchObject({ code: 'OPTION_UNKNOWN' });
    await expect(verifyModel('demo', { newTokens: 0 })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it("ends with the signal's reason", async () => {
    const reason = new Error('enough');
    await expect(verifyModel('demo', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describeWithOpenvino('verifyModel on OpenVINO', () => {
  it('compares the emulated NPU with the same files on the CPU in f32', async () => {
    const options = { device: 'npu', ovConfig: { NPUW_DEVICES: 'CPU' }, newTokens: 12 };
    const { agrees, device, reference, answers, perplexity } = await verifyModel('demo', options);
    expect(device).toMatchObject({ requested: 'npu', emulated: true });
    expect(reference).toMatchObject({ device: 'cpu', provider: 'openvino', activationDtype: 'f32', kvDtype: 'f32' });
    expect(answers.map(({ verdict }) => verdict)).toEqual(['same', 'same']);
    expect(Math.abs(perplexity.differencePercent ?? Infinity)).toBeLessThan(2);
    expect(agrees).toBe(true);
  });

  it('does not agree where the weights are others, and tells by how much', async () => {
    const options = { device: 'cpu', provider: 'openvino', reference: 'cpu' as const, newTokens: 12 };
    const { agrees, answers } = await verifyModel('demo', { ...options, perplexityTolerancePercent: 0.001 });
    expect(agrees).toBe(false);
    expect(Math.max(...answers.map(({ largestLogitDifference }) => largestLogitDifference))).toBeGreaterThan(0.2);
  });
});
