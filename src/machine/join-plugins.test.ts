import { describe, expect, it } from 'vitest';
import type { Accelerator, CpuDevice } from '../devices/device.js';
import type { EpDevice } from '../engine/onnxruntime/ep-devices.js';
import { joinPlugins, type JoinedPlugins } from './join-plugins.js';

const gpu = (part: Partial<Accelerator> & Pick<Accelerator, 'id'>): Accelerator =>
  ({ kind: 'gpu', vendor: 'other', pciIds: null, pciAddress: null, luid: null, ...part }) as Accelerator;

function device(part: Partial<EpDevice>): EpDevice & { readonly isSoftware: boolean } {
  return {
    provider: 'TestExecutionProvider',
    providerVendor: 'a maker',
    providerMetadata: {},
    kind: 'gpu',
    vendor: '',
    vendorId: 0x10de,
    deviceId: 0x2684,
    metadata: {},
    isSoftware: false,
    ...part,
  };
}

function join(accelerators: readonly Accelerator[], ...devices: readonly ReturnType<typeof device>[]): JoinedPlugins {
  const plugin = { name: 'Mine', library: '/mine.so', answer: { version: '1.30.0', devices } };
  return joinPlugins({ accelerators, cpu: { name: 'a CPU' } as CpuDevice }, [plugin]);
}

const driven = ({ providers }: JoinedPlugins): readonly string[] =>
  providers.flatMap(({ drives }) => drives.map((one) => `${one.deviceId}=${one.providerDevice}`));

const CARD = { vendor: '10de', device: '2684' } as const;

describe('the devices of a plug-in', () => {
  it('go by the machine’s own numbers: LUID, PCI address, ids', () => {
    const two = [gpu({ id: 'gpu.0', luid: '00000000000118f2', pciIds: CARD }), gpu({ id: 'gpu.1', pciIds: CARD })];
    expect(driven(join(two, device({}), device({ metadata: { LUID: '71922' } })))).toEqual([
      'gpu.0=gpu.0',
      'gpu.1=gpu.1',
    ]);
    expect(driven(join(two, device({ metadata: { LUID: '71922' } }), device({})))).toEqual([
      'gpu.0=gpu.0',
      'gpu.1=gpu.1',
    ]);
    const addressed = [gpu({ id: 'gpu.0' }), gpu({ id: 'gpu.1', pciAddress: '0000:1f:00.0' })];
    expect(driven(join(addressed, device({ metadata: { pci_bus_id: '0000:1F:00.0' } })))).toEqual(['gpu.1=gpu.0']);
  });

  it('are added behind the others where the machine does not show them, and the CPU is the CPU', () => {
    const joined = join(
      [gpu({ id: 'gpu.0', pciIds: { vendor: '8086', device: '7d55' } })],
      device({ kind: 'cpu' }),
      device({ metadata: { Discrete: '1' } }),
      device({ kind: 'npu', vendorId: 0x5143 }),
    );
    expect(driven(joined)).toEqual(['cpu=cpu.0', 'gpu.1=gpu.0', 'npu=npu.0']);
    expect(joined.accelerators.slice(1)).toMatchObject([
      { id: 'gpu.1', vendor: 'nvidia', isIntegrated: false, pciIds: CARD },
      { id: 'npu', kind: 'npu', vendor: 'qualcomm' },
    ]);
  });

  it('are none where they are virtual: those compile and compute nothing', () => {
    const [status] = join([], device({ metadata: { is_virtual: '1' } })).providers;
    expect(status).toMatchObject({
      drives: [],
      offers: [],
      problem: expect.stringContaining('nothing that computes') as string,
    });
  });

  it('are none where it does not load, which its status says', () => {
    const answer = { problem: 'no such file', code: null };
    const plugins = [{ name: 'Mine', library: '/mine.so', answer }];
    const { providers } = joinPlugins({ accelerators: [], cpu: { name: 'a CPU' } as CpuDevice }, plugins);
    expect(providers).toMatchObject([{ provider: 'Mine', runtime: null, drives: [], problem: 'no such file' }]);
  });
});
