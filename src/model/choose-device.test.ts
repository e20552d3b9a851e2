import path from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceSelection } from '../devices/recommend.js';
import type { Accelerator, Machine } from '../devices/device.js';
import type { ProviderStatus } from '../devices/provider.js';
import { numbersOfGpu, recommendDevices, resolveDevice } from './choose-device.js';
import { loadModel } from './load-model.js';

/** Without OpenVINO and without measurements. */
let cache: string;
let before: string | undefined;
beforeAll(async () => {
  cache = await mkdtemp(path.join(tmpdir(), 'aipc-choose-'));
  before = process.env['AIPC_CACHE'];
  process.env['AIPC_CACHE'] = cache;
});
afterAll(async () => {
  if (before === undefined) delete process.env['AIPC_CACHE'];
  else process.env['AIPC_CACHE'] = before;
  await rm(cache, { recursive: true });
});

describe('resolveDevice', () => {
  it('leaves a device that is named', async () => {
    for (const device of ['npu', 'CPU', 'gpu']) {
      expect(await resolveDevice('demo', { device }, 'never')).toEqual({ options: { device }, deviceId: null });
    }
  });

  it.each([{ prefer: 'fast' }, { promptTokens: 0 }, { promptTokens: 1.5 }])('refuses %j', async (options) => {
    await expect(resolveDevice('demo', options as never, 'never')).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('tells what it chose and why, before the model is loaded', async () => {
    const selections: DeviceSelection[] = [];
    await using model = await loadModel('demo', {
      provider: 'cpu',
      onDeviceChoice: (selection) => selections.push(selection),
    });
    expect(selections).toHaveLength(1);
    expect(selections[0]?.chosen).toMatchObject({ deviceId: 'cpu', provider: 'cpu', basis: 'rule' });
    expect(model.execution).toMatchObject({ requested: 'auto', device: 'cpu' });
  });
});

describe('recommendDevices', () => {
  it('knows a model of the catalogue without its files and without asking the hub', async () => {
    const { recommendations, providers } = await recommendDevices('phi-3-mini', { provider: 'cpu' });
    expect(providers.map(({ provider }) => provider)).toEqual(expect.arrayContaining(['cpu', 'openvino']));
    const told = [...recommendations.ranked, ...recommendations.rejected].map(({ deviceId }) => deviceId);
    expect(told).toContain('cpu');
  });

  it('refuses options that it does not know', async () => {
    await expect(recommendDevices('demo', { device: 'cpu' } as never)).rejects.toMatchObject({
      code: 'OPTION_UNKNOWN',
    });
  });
});

describe('numbersOfGpu', () => {
  const gpu = (id: `gpu.${number}`): Accelerator =>
    ({ id, kind: 'gpu', isIntegrated: id === 'gpu.0', pciIds: null }) as Accelerator;
  const machine = { accelerators: [gpu('gpu.0'), gpu('gpu.1')] } as unknown as Machine;
  const provider = (name: string, drives: readonly [`gpu.${number}`, string][]): ProviderStatus => ({
    provider: name,
    runtime: null,
    libraryFile: null,
    drives: drives.map(([deviceId, providerDevice]) => ({ deviceId, providerDevice, name: null })),
    problem: null,
  });
  const providers = [
    provider('dml', [
      ['gpu.1', '0'],
      ['gpu.0', '1'],
    ]),
    provider('openvino', [['gpu.0', 'GPU']]),
    provider('cuda', [['gpu.1', '0']]),
  ];

  it('gives the provider’s own number of a GPU, the best provider first', () => {
    expect(numbersOfGpu('gpu.1', 'auto', machine, providers)).toEqual([
      { device: 'gpu.0', provider: 'cuda' },
      { device: 'gpu.0', provider: 'dml' },
    ]);
    expect(numbersOfGpu('gpu.0', 'DML', machine, providers)).toEqual([{ device: 'gpu.1', provider: 'dml' }]);
    expect(numbersOfGpu('gpu.0', 'auto', machine, providers)[0]).toEqual({ device: 'gpu.0', provider: 'openvino' });
  });

  it('gives nothing for a GPU that is not there or that the provider does not drive', () => {
    expect(numbersOfGpu('gpu.2', 'auto', machine, providers)).toEqual([]);
    expect(numbersOfGpu('gpu.1', 'openvino', machine, providers)).toEqual([]);
  });
});
