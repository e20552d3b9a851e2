import { describe, expect, it } from 'vitest';
import type { Accelerator, FoundAccelerator } from '../devices/device.js';
import { compareVersions, judgeAccelerator } from './judge-drivers.js';

function npu(version: string, device = '7d1d'): FoundAccelerator & Pick<Accelerator, 'id'> {
  return {
    id: 'npu',
    kind: 'npu',
    name: 'an NPU',
    vendor: 'intel',
    generation: null,
    isIntegrated: true,
    pciIds: { vendor: '8086', device },
    pciAddress: null,
    luid: null,
    driver: { name: 'npu', version },
    dedicatedMemoryBytes: { notAvailable: 'a test' },
  };
}

describe('judgeAccelerator', () => {
  it.each<[NodeJS.Platform, string, string, string, boolean]>([
    ['win32', '7d1d', '32.0.100.2540', '32.0.100.3104', true],
    ['win32', '643e', '32.0.100.3104', '32.0.100.3104', false],
    ['linux', '643e', '1.12.9', '1.13.0', true],
    ['linux', '643e', '1.28.0', '1.13.0', false],
    ['linux', 'b03e', '1.23.0', '1.28.0', true],
    ['linux', 'fd3e', '1.35.0', '1.32.0', false],
  ])('on %s judges the NPU %s with driver %s by the oldest, %s', (platform, device, version, oldest, isTooOld) => {
    const judged = judgeAccelerator(npu(version, device), { platform }, '/nowhere');
    expect([judged.driver.oldest, judged.driver.isTooOld]).toEqual([oldest, isTooOld]);
    expect(judged.problems.some((problem) => problem.startsWith(`Its driver ${version} is older than ${oldest}`))).toBe(
      isTooOld,
    );
  });

  it.each<[NodeJS.Platform, string, boolean | null]>([
    ['linux', '580.159.04', false],
    ['linux', '470.82.01', true],
    ['win32', '32.0.15.6094', false], // 560.94
    ['win32', '30.0.14.7212', true], // 472.12
    ['darwin', '1', null],
  ])('on %s reads NVIDIA’s %s', (platform, version, isTooOld) => {
    const gpu = { ...npu(version), id: 'gpu.0', kind: 'gpu', vendor: 'nvidia' } as const;
    expect(judgeAccelerator(gpu, { platform }).driver.isTooOld).toBe(isTooOld);
  });

  it('does not judge what has no version, and says that there is no driver', () => {
    const none = { notAvailable: 'Windows has no driver for it' };
    const judged = judgeAccelerator({ ...npu(''), driver: { name: none, version: none } }, { platform: 'win32' });
    expect(judged.driver.isTooOld).toBeNull();
    expect(judged.problems).toEqual(['It has no driver: Windows has no driver for it.']);
  });
});

describe('compareVersions', () => {
  it('compares numbers, not texts', () => {
    expect([
      compareVersions('1.9', '1.10') < 0,
      compareVersions('1.10.0', '1.10'),
      compareVersions('2', '1.9') > 0,
    ]).toEqual([true, 0, true]);
  });
});
