import { describe, expect, it } from 'vitest';
import { activationGroupSize, exportRecipeFor, NPU_GENERATIONS, OLDEST_NPU_DRIVERS } from './device-profiles.js';
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

describe('activationGroupSize', () => {
  const layers = (...groupSizes: readonly (number | undefined)[]) => ({
    layers: groupSizes.map((groupSize) => ({
      ...{ elementType: 'i4', groupSize, scheme: 'symmetric' as const },
      ...{ matrices: 1, parameters: 1 },
    })),
  });

  it.each([
    [layers(128), 128],
    [layers(128, -1), 128],
    [layers(128, 64), 64],
    [layers(1024), 128],
  ])('is the smallest group of the weights, 128 at most: %j', (weights, expected) => {
    expect(activationGroupSize(weights)).toBe(expected);
  });

  it.each([[layers()], [layers(undefined)], [layers(-1)], [layers(32, 128)], [layers(16)], [layers(96)]])(
    "is the runtime's own where the weights have no groups, or small or odd ones: %j",
    (weights) => {
      expect(activationGroupSize(weights)).toBeUndefined();
    },
  );
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
