/** Linux's files in their recorded and documented shapes; skipped on Windows, whose file names cannot hold them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeTree } from '../testing/fake-tree.js';
import type { SystemLoad } from '../load-sample.js';
import { LinuxLoadSource } from './linux-source.js';
import { parseNvidiaRow } from './nvidia-smi.js';
import { parseCpuTimes, parseMemory } from './proc-files.js';
import { SystemFiles } from './system-files.js';

const MEMINFO = 'MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    4000000 kB\n';
const stat = (user: number, idle: number): string =>
  `cpu  ${user} 0 0 ${idle} 0 0 0 0 0 0\ncpu0 ${user} 0 0 ${idle} 0 0 0 0 0 0\nintr 1 2 3\n`;
const device = (driver: string, address: string, vendor = '0x8086'): Record<string, string> => ({
  uevent: `DRIVER=${driver}\nPCI_CLASS=30000\nPCI_ID=8086:7D55\nPCI_SLOT_NAME=${address}\n`,
  vendor: `${vendor}\n`,
});
const under = (folder: string, files: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]));

let tree: FakeTree;
beforeEach(() => {
  tree = new FakeTree().write({ 'proc/stat': stat(100, 100), 'proc/meminfo': MEMINFO });
});
afterEach(() => tree[Symbol.dispose]());

/** What is seen a second after `before` when the files have become those of `after`. */
async function look(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
  kernel = '6.18.0',
): Promise<SystemLoad> {
  tree.write(before);
  let nowMs = 5000;
  using source = new LinuxLoadSource(1000, new SystemFiles(tree.root, kernel), () => nowMs);
  nowMs += 1000;
  tree.write(after);
  return await source.sample(); // before the source is disposed
}

describe.skipIf(process.platform === 'win32')('the load of a Linux machine', () => {
  it('is the share of busy ticks, without those that a hypervisor took or that waited for a disk', () => {
    const line = 'cpu  10 1 5 100 20 2 3 9 4 0\ncpu0 10 1 5 100 20 2 3 9 4 0\nintr 5\n';
    expect(parseCpuTimes(line)).toEqual([
      { busy: 21, total: 150 },
      { busy: 21, total: 150 },
    ]);
  });

  it('counts memory that is not available, the total as the kernel has it', () => {
    expect(parseMemory(MEMINFO)).toEqual({ usedBytes: 12_000_000 * 1024, totalBytes: 16_000_000 * 1024 });
  });

  it('has the mean of all cores as frequency', async () => {
    const policies = {
      'sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq': '3600000\n',
      'sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq': '1200000\n',
    };
    const load = await look(policies, { 'proc/stat': stat(175, 125) });
    expect(load.cpu).toEqual({ utilizationPercent: 75, coresPercent: [75], frequencyMhz: 2400 });
  });

  it('says that a virtual machine tells no frequency', async () => {
    expect((await look({}, {})).cpu.frequencyMhz).toEqual({
      notAvailable: 'no cpufreq driver, as in most virtual machines',
    });
  });

  it("has a Meteor Lake NPU's busy time, memory and clock", async () => {
    const npu = 'sys/class/accel/accel0/device';
    const files = (busyUs: number): Record<string, string> =>
      under(npu, {
        ...device('intel_vpu', '0000:00:0b.0'),
        npu_busy_time_us: `${busyUs}\n`,
        npu_memory_utilization: '104857600\n',
        npu_current_frequency_mhz: '1400\n',
        npu_max_frequency_mhz: '1850\n',
      });
    const { accelerators } = await look(files(7_000_000), files(7_250_000));
    expect(accelerators).toMatchObject([
      {
        kind: 'npu',
        id: '0000:00:0b.0',
        name: 'Intel NPU (intel_vpu)',
        utilizationPercent: 25,
        scope: 'device',
        memoryUsedBytes: 104_857_600,
        frequencyMhz: 1400,
        maxFrequencyMhz: 1850,
      },
    ]);
  });

  it('says which kernel a missing counter of the NPU needs, never zero', async () => {
    const files = under('sys/class/accel/accel0/device', device('intel_vpu', '0000:00:0b.0'));
    const old = await look(files, files, '6.8.0-45-generic');
    expect(old.accelerators[0]).toMatchObject({
      utilizationPercent: { notAvailable: 'needs kernel 6.11, this is 6.8.0-45-generic' },
      memoryUsedBytes: { notAvailable: 'needs kernel 6.15, this is 6.8.0-45-generic' },
    });
    const recent = await look(files, files, '6.18.2');
    expect(recent.accelerators[0]?.utilizationPercent).toEqual({
      notAvailable: 'the driver intel_vpu does not report it here',
    });
  });

  it('says that counters of other NPUs are not known', async () => {
    const files = under('sys/class/accel/accel0/device', device('amdxdna', '0000:c5:00.1', '0x1022'));
    const { accelerators } = await look(files, files);
    expect(accelerators[0]?.utilizationPercent).toEqual({ notAvailable: 'no counter of the driver amdxdna is known' });
  });

  it("adds up i915's engines of each client once, however many descriptors it has, and takes the busiest", async () => {
    const client = (id: number, render: number, compute: number): string =>
      `pos:\t0\nflags:\t02100002\ndrm-driver:\ti915\ndrm-client-id:\t${id}\ndrm-pdev:\t0000:00:02.0\n` +
      `drm-total-system0:\t300 MiB\ndrm-resident-system0:\t200 MiB\ndrm-resident-stolen-system0:\t0\n` +
      `drm-engine-render:\t${render} ns\ndrm-engine-copy:\t0 ns\ndrm-engine-video:\t0 ns\ndrm-engine-capacity-video:\t2\n` +
      `drm-engine-compute:\t${compute} ns\n`;
    const files = (render: number, compute: number): Record<string, string> => ({
      ...under('sys/class/drm/card1/device', device('i915', '0000:00:02.0')),
      'sys/class/drm/card1-eDP-1/status': 'connected\n',
      'sys/class/drm/card1/gt_act_freq_mhz': '1300\n',
      'sys/class/drm/card1/gt_RP0_freq_mhz': '2250\n',
      'proc/4711/fd/7': '-> /dev/dri/renderD128',
      'proc/4711/fd/8': '-> /dev/dri/renderD128',
      'proc/4711/fd/9': '-> /home/somebody/file',
      'proc/4711/fdinfo/7': client(31, render, compute),
      'proc/4711/fdinfo/8': client(31, render, compute),
      'proc/4712/fd/3': '-> /dev/dri/card1',
      'proc/4712/fdinfo/3': client(32, 0, compute),
    });
    const { accelerators } = await look(files(1e9, 5e9), files(1.1e9, 5.2e9));
    expect(accelerators).toMatchObject([
      {
        kind: 'gpu',
        name: 'Intel GPU (i915)',
        scope: 'visible-processes',
        memoryUsedBytes: 400 * 2 ** 20,
        frequencyMhz: 1300,
        maxFrequencyMhz: 2250,
      },
    ]);
    expect(accelerators[0]?.utilizationPercent).toBeCloseTo(40, 6);
  });

  it("takes xe's cycles by its own clock and the number of engines", async () => {
    const files = (cycles: number, total: number): Record<string, string> => ({
      ...under('sys/class/drm/card0/device', device('xe', '0000:03:00.0')),
      'sys/class/drm/card0/device/tile0/gt0/freq0/act_freq': '2800\n',
      'proc/99/fd/5': '-> /dev/dri/renderD129',
      'proc/99/fdinfo/5':
        'drm-driver:\txe\ndrm-client-id:\t3\ndrm-pdev:\t0000:03:00.0\ndrm-resident-vram0:\t1024 KiB\n' +
        `drm-cycles-rcs:\t0\ndrm-total-cycles-rcs:\t${total}\n` +
        `drm-cycles-ccs:\t${cycles}\ndrm-total-cycles-ccs:\t${total}\ndrm-engine-capacity-ccs:\t2\n`,
    });
    const { accelerators } = await look(files(500, 10_000), files(1500, 11_000));
    expect(accelerators[0]).toMatchObject({ utilizationPercent: 50, memoryUsedBytes: 2 ** 20, frequencyMhz: 2800 });
  });

  it('takes 0 for programs that may be seen and do nothing, and not for a kernel that does not count', async () => {
    const files = under('sys/class/drm/card0/device', device('xe', '0000:03:00.0'));
    expect((await look(files, files, '6.12.1')).accelerators[0]?.utilizationPercent).toBe(0);
    expect((await look(files, files, '6.8.0')).accelerators[0]?.utilizationPercent).toEqual({
      notAvailable: 'needs kernel 6.11, this is 6.8.0',
    });
  });

  it('reads what amdgpu says of the whole device', async () => {
    const files = under('sys/class/drm/card0/device', {
      ...device('amdgpu', '0000:0a:00.0', '0x1002'),
      gpu_busy_percent: '37\n',
      mem_info_vram_used: '1073741824\n',
      mem_info_vram_total: '17163091968\n',
      'hwmon/hwmon3/freq1_input': '2304000000\n',
    });
    expect((await look(files, files)).accelerators).toMatchObject([
      {
        name: 'AMD GPU (amdgpu)',
        utilizationPercent: 37,
        scope: 'device',
        memoryUsedBytes: 2 ** 30,
        memoryTotalBytes: 17_163_091_968,
        frequencyMhz: 2304,
      },
    ]);
  });

  it('lists GPUs before NPUs, each by its number', async () => {
    const files = {
      ...under('sys/class/accel/accel0/device', device('intel_vpu', '0000:00:0b.0')),
      ...under('sys/class/drm/card10/device', device('xe', '0000:10:00.0')),
      ...under('sys/class/drm/card2/device', device('i915', '0000:00:02.0')),
    };
    const { accelerators } = await look(files, files);
    expect(accelerators.map(({ id }) => id)).toEqual(['0000:00:02.0', '0000:10:00.0', '0000:00:0b.0']);
  });
});

describe('nvidia-smi', () => {
  it('gives a line for each GPU, with a name that may hold commas', () => {
    expect(parseNvidiaRow('00000000:3B:00.0, 17, 512, 81559, 1980, 2100, NVIDIA H100, PCIe')).toEqual({
      pciAddress: '0000:3b:00.0',
      name: 'NVIDIA H100, PCIe',
      utilizationPercent: 17,
      usedMebibytes: 512,
      totalMebibytes: 81_559,
      clockMhz: 1980,
      maxClockMhz: 2100,
    });
  });

  it('was like this on an H200', () => {
    expect(parseNvidiaRow('00000000:00:06.0, 0, 0, 143771, 345, 1980, NVIDIA H200')).toMatchObject({
      pciAddress: '0000:00:06.0',
      utilizationPercent: 0,
      totalMebibytes: 143_771,
      clockMhz: 345,
      name: 'NVIDIA H200',
    });
  });

  it('has no figure where a GPU reports none, and no GPU in lines that are none', () => {
    expect(parseNvidiaRow('00000000:01:00.0, [N/A], 0, 4096, [N/A], 1500, NVIDIA GB10')).toMatchObject({
      utilizationPercent: null,
      usedMebibytes: 0,
      clockMhz: null,
    });
    expect(parseNvidiaRow('Unable to determine the device handle for GPU')).toBeUndefined();
  });
});
