import { describe, expect, it } from 'vitest';
import { exportRecipeFor, NPU_GENERATIONS, OLDEST_NPU_DRIVERS } from './device-profiles.js';
import { driverVersionName } from './npu-driver.js';

const PHI_3_MINI = { parameters: 3.8e9, rowChannels: [3072, 8192] };

describe('exportRecipeFor', () => {
  it('chooses what Intel asks for on the NPU: symmetric int4 everywhere, groups of 128', () => {
    expect(exportRecipeFor('npu', PHI_3_MINI)).toEqual({
      weightFormat: 'int4',
      symmetric: true,
      groupSize: 128,
      ratio: 1,
    });
  });

  it('chooses whole rows on the NPU for large models, and where 128 does not divide a row', () => {
    expect(exportRecipeFor('npu', { ...PHI_3_MINI, parameters: 14e9 }).groupSize).toBe(-1);
    expect(exportRecipeFor('npu', { parameters: 1e6, rowChannels: [128, 64] }).groupSize).toBe(-1);
  });

  it('chooses zero points on CPU and GPU, and smaller groups where a row needs them', () => {
    for (const device of ['cpu', 'gpu'] as const) {
      expect(exportRecipeFor(device, { parameters: 14e9, rowChannels: [100] })).toMatchObject({
        symmetric: false,
        groupSize: 128,
        groupSizeFallback: 'adjust',
      });
    }
  });
});

describe('the data about NPUs', () => {
  it('names each oldest driver as its number reads', () => {
    expect(driverVersionName('win32', OLDEST_NPU_DRIVERS.win32.number)).toBe(OLDEST_NPU_DRIVERS.win32.version);
    expect(driverVersionName('linux', OLDEST_NPU_DRIVERS.linux.number)).toBe('of 2025-01-31');
  });

  it('has PCI ids as sysfs writes them, each once', () => {
    const ids = NPU_GENERATIONS.map(({ pciDeviceId }) => pciDeviceId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{4}$/);
  });
});
