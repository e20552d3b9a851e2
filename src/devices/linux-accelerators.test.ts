import { describe, expect, it } from 'vitest';
import { numberDevices } from './number-devices.js';
import { probeLinuxAccelerators } from './linux-accelerators.js';
import { FakeMachine } from './testing/fake-sysfs.js';

const NO_NVIDIA = { notAvailable: 'no GPU of NVIDIA' };

interface AiPc {
  readonly generation: string;
  readonly gpu: string;
  readonly npu: string;
  readonly driver: 'i915' | 'xe';
}

// Ids: Linux, include/drm/intel/pciids.h and drivers/accel/ivpu/ivpu_drv.h.
const AI_PCS: readonly AiPc[] = [
  { generation: 'Meteor Lake', gpu: '7d55', npu: '7d1d', driver: 'i915' },
  { generation: 'Arrow Lake', gpu: '7d51', npu: 'ad1d', driver: 'i915' },
  { generation: 'Lunar Lake', gpu: '64a0', npu: '643e', driver: 'xe' },
  { generation: 'Panther Lake', gpu: 'b080', npu: 'b03e', driver: 'xe' },
  { generation: 'Wildcat Lake', gpu: 'fd80', npu: 'fd3e', driver: 'xe' },
];

async function laptop({ gpu, npu, driver }: AiPc): Promise<FakeMachine> {
  const machine = await FakeMachine.create();
  await machine.put('proc/sys/kernel/osrelease', '6.14.0-27-generic\n');
  await machine.plugIn({ address: '0000:00:02.0', pciClass: '0x030000', vendor: '8086', device: gpu, driver });
  await machine.plugIn({
    address: '0000:00:0b.0',
    pciClass: '0x120000',
    vendor: '8086',
    device: npu,
    driver: 'intel_vpu',
  });
  await machine.plugIn({ address: '0000:00:1f.3', pciClass: '0x040100', vendor: '8086', device: '7e28' });
  await machine.put('usr/lib/x86_64-linux-gnu/libze_intel_npu.so.1.28.0', '');
  await machine.put('usr/lib/x86_64-linux-gnu/libze_intel_npu.so.1', '');
  return machine;
}

describe('probeLinuxAccelerators', () => {
  it.each(AI_PCS)('finds the GPU and the NPU of a $generation laptop', async (pc) => {
    await using machine = await laptop(pc);
    const memory = { notAvailable: "it uses the machine's memory" };
    expect(probeLinuxAccelerators(machine.root, NO_NVIDIA)).toEqual([
      {
        kind: 'gpu',
        name: `Intel GPU (${pc.generation})`,
        vendor: 'intel',
        generation: pc.generation,
        isIntegrated: true,
        pciIds: { vendor: '8086', device: pc.gpu },
        pciAddress: '0000:00:02.0',
        luid: null,
        driver: { name: pc.driver, version: 'of Linux 6.14.0-27-generic' },
        dedicatedMemoryBytes: memory,
      },
      {
        kind: 'npu',
        name: `Intel NPU (${pc.generation})`,
        vendor: 'intel',
        generation: pc.generation,
        isIntegrated: true,
        pciIds: { vendor: '8086', device: pc.npu },
        pciAddress: '0000:00:0b.0',
        luid: null,
        driver: { name: 'intel_vpu', version: '1.28.0' },
        dedicatedMemoryBytes: memory,
      },
    ]);
  });

  it('says of an NPU without a driver what is missing', async () => {
    await using machine = await FakeMachine.create();
    await machine.plugIn({ address: '0000:00:0b.0', pciClass: '0x120000', vendor: '8086', device: '643e' });
    const [npu] = probeLinuxAccelerators(machine.root, NO_NVIDIA);
    expect(npu?.driver).toEqual({
      name: { notAvailable: 'no kernel driver is bound to it' },
      version: { notAvailable: 'no kernel driver is bound to it' },
    });
  });

  it('reads the memory of an AMD desktop card, and tells it from the processor’s own GPU by the driver’s table', async () => {
    await using machine = await FakeMachine.create();
    const card = { pciClass: '0x030000', vendor: '1002', driver: 'amdgpu' };
    await machine.plugIn({
      ...card,
      address: '0000:03:00.0',
      device: '744c',
      files: { mem_info_vram_total: '25753026560\n', gpu_metrics: Uint8Array.of(120, 0, 1, 3) },
    });
    await machine.plugIn({
      ...card,
      address: '0000:0f:00.0',
      device: '13c0',
      files: { mem_info_vram_total: '536870912\n', gpu_metrics: Uint8Array.of(128, 0, 2, 4) },
    });
    const found = numberDevices(probeLinuxAccelerators(machine.root, NO_NVIDIA));
    expect(
      found.map(({ id, isIntegrated, pciAddress, dedicatedMemoryBytes }) => ({
        id,
        isIntegrated,
        pciAddress,
        dedicatedMemoryBytes,
      })),
    ).toEqual([
      { id: 'gpu.0', isIntegrated: true, pciAddress: '0000:0f:00.0', dedicatedMemoryBytes: 536870912 },
      { id: 'gpu.1', isIntegrated: false, pciAddress: '0000:03:00.0', dedicatedMemoryBytes: 25753026560 },
    ]);
  });

  it.each([
    ['1502', 'XDNA 1 (Phoenix, Hawk Point)'],
    ['17f0', 'XDNA 2 (Strix, Krackan)'],
  ])('finds the NPU 1022:%s of AMD, whose PCI class is another', async (device, generation) => {
    await using machine = await FakeMachine.create();
    await machine.plugIn({ address: '0000:c5:00.1', pciClass: '0x118000', vendor: '1022', device, driver: 'amdxdna' });
    expect(probeLinuxAccelerators(machine.root, NO_NVIDIA)).toMatchObject([
      { kind: 'npu', vendor: 'amd', generation, driver: { name: 'amdxdna' } },
    ]);
  });

  /** Recorded on a server with driver 580.159.04, whose GPU has no /sys/class/drm. */
  it('reads what NVIDIA’s driver and tool tell', async () => {
    await using machine = await FakeMachine.create();
    await machine.plugIn({
      address: '0000:00:06.0',
      pciClass: '0x030200',
      vendor: '10de',
      device: '2330',
      driver: 'nvidia',
    });
    await machine.put(
      'proc/driver/nvidia/version',
      'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (builder@)  \nGCC version:  gcc version 15.3.0 (GCC) \n',
    );
    await machine.put(
      'proc/driver/nvidia/gpus/0000:00:06.0/information',
      'Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 41\nBus Type: \t PCIe\nBus Location: \t 0000:00:06.0\nDevice Minor: \t 0\n',
    );
    expect(probeLinuxAccelerators(machine.root, '00000000:00:06.0, 81559, NVIDIA H100 80GB HBM3\n')).toEqual([
      {
        kind: 'gpu',
        name: 'NVIDIA H100 80GB HBM3',
        vendor: 'nvidia',
        generation: null,
        isIntegrated: false,
        pciIds: { vendor: '10de', device: '2330' },
        pciAddress: '0000:00:06.0',
        luid: null,
        driver: { name: 'nvidia', version: '580.159.04' },
        dedicatedMemoryBytes: 81559 * 2 ** 20,
      },
    ]);
  });

  it('tells apart an NVIDIA desktop’s cards, and says why their memory is not known', async () => {
    await using machine = await FakeMachine.create();
    const card = { pciClass: '0x030000', vendor: '10de', device: '2684', driver: 'nvidia' };
    await machine.plugIn({ ...card, address: '0000:01:00.0' });
    await machine.plugIn({ ...card, address: '0000:81:00.0' });
    await machine.put(
      'proc/driver/nvidia/version',
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\n',
    );
    const [first, second] = probeLinuxAccelerators(machine.root, { notAvailable: 'nvidia-smi is not on this machine' });
    expect(first?.dedicatedMemoryBytes).toEqual({ notAvailable: 'nvidia-smi is not on this machine' });
    expect(first?.driver.version).toBe('550.54.14');
    const listed = '00000000:01:00.0, 24564, NVIDIA GeForce RTX 4090\n';
    const memories = probeLinuxAccelerators(machine.root, listed).map(
      ({ dedicatedMemoryBytes }) => dedicatedMemoryBytes,
    );
    expect(memories).toEqual([24564 * 2 ** 20, { notAvailable: 'nvidia-smi does not list this GPU' }]);
    expect(second?.pciAddress).toBe('0000:81:00.0');
  });

  it('takes the display of a virtual machine for no GPU', async () => {
    await using machine = await FakeMachine.create();
    await machine.plugIn({
      address: '0000:00:01.0',
      pciClass: '0x030000',
      vendor: '1234',
      device: '1111',
      driver: 'bochs',
    });
    await machine.plugIn({ address: '0000:00:02.0', pciClass: '0x030000', vendor: '1af4', device: '1050' });
    expect(probeLinuxAccelerators(machine.root, NO_NVIDIA)).toEqual([]);
  });

  it('finds a GPU and an NPU that are not on PCI', async () => {
    await using machine = await FakeMachine.create();
    await machine.put('proc/sys/kernel/osrelease', '6.16.0\n');
    await machine.put('sys/class/drm/renderD128/dev', '226:128');
    await machine.put('sys/class/accel/accel0/dev', '261:0');
    expect(probeLinuxAccelerators(machine.root, NO_NVIDIA)).toMatchObject([
      { kind: 'gpu', pciAddress: null, driver: { version: 'of Linux 6.16.0' } },
      { kind: 'npu', pciAddress: null },
    ]);
  });
});
