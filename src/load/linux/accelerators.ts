/**
 * GPUs and NPUs as Linux's drivers show them in /sys: which there are, and their own counters. It keeps what the last look
 * saw, for most figures are differences.
 *
 * Sources: Documentation/ABI/testing/sysfs-driver-ivpu, sysfs-driver-intel-xe; Documentation/gpu/amdgpu/thermal.rst and
 * driver-misc.rst; i915's intel_gt_sysfs_pm.c.
 */
import { isKnown, notAvailable, percentOf, type AcceleratorLoad, type Reading } from '../load-sample.js';
import { engineUtilization, type DrmClient } from './drm-fdinfo.js';
import type { SystemFiles } from './system-files.js';

const VENDORS: Readonly<Record<string, string>> = { '0x8086': 'Intel', '0x1002': 'AMD', '0x10de': 'NVIDIA' };
const BYTES_PER_MEBIBYTE = 2 ** 20;
/** The kernel asks not to read the NPU's counters more often. */
const NPU_INTERVAL_MS = 1000;

export interface FoundDevice {
  readonly kind: 'gpu' | 'npu';
  /** `sys/class/drm/card0`, `sys/class/accel/accel0`. */
  readonly folder: string;
  readonly driver: string;
  readonly vendor: string;
  readonly pciAddress: string;
}

export function findDevices(files: SystemFiles): readonly FoundDevice[] {
  const read = (kind: FoundDevice['kind'], folder: string): FoundDevice[] => {
    const uevent = files.text(`${folder}/device/uevent`) ?? '';
    const field = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, 'mu').exec(uevent)?.[1];
    const vendor = files.text(`${folder}/device/vendor`)?.trim() ?? '';
    const driver = field('DRIVER');
    if (driver === undefined) return []; // a virtual card, or one that no driver has taken
    const address = field('PCI_SLOT_NAME') ?? folder;
    return [{ kind, folder, driver, vendor: VENDORS[vendor] ?? vendor, pciAddress: address }];
  };
  const gpus = files.list('sys/class/drm').filter((name) => /^card\d+$/u.test(name));
  const npus = files.list('sys/class/accel').filter((name) => /^accel\d+$/u.test(name));
  return [
    ...gpus.sort(byNumber).flatMap((name) => read('gpu', `sys/class/drm/${name}`)),
    ...npus.sort(byNumber).flatMap((name) => read('npu', `sys/class/accel/${name}`)),
  ];
}

function byNumber(left: string, right: string): number {
  return Number(/\d+/u.exec(left)?.[0]) - Number(/\d+/u.exec(right)?.[0]);
}

/** Clients of one device, now and before. */
export interface ClientWindow {
  readonly before: ReadonlyMap<string, DrmClient>;
  readonly after: ReadonlyMap<string, DrmClient>;
  readonly elapsedMs: number;
}

/** What a GPU's driver says of itself, and what its clients add up to where it says nothing. */
export function gpuLoad(files: SystemFiles, device: FoundDevice, clients: ClientWindow): AcceleratorLoad {
  const { folder, driver } = device;
  const own = `${folder}/device`;
  const common = { kind: 'gpu' as const, id: device.pciAddress, name: `${device.vendor} GPU (${driver})` };
  if (driver === 'amdgpu') {
    const missing = notAvailable('the driver amdgpu does not report it for this GPU');
    const hwmon = files.list(`${own}/hwmon`)[0];
    const hertz = hwmon === undefined ? undefined : files.number(`${own}/hwmon/${hwmon}/freq1_input`);
    return {
      ...common,
      utilizationPercent: files.number(`${own}/gpu_busy_percent`) ?? missing,
      scope: 'device',
      memoryUsedBytes: files.number(`${own}/mem_info_vram_used`) ?? missing,
      memoryTotalBytes: files.number(`${own}/mem_info_vram_total`) ?? missing,
      frequencyMhz: hertz === undefined ? missing : hertz / 1e6,
      maxFrequencyMhz: missing,
    };
  }
  const frequency = (...names: readonly string[]): Reading => {
    const found = names.map((name) => files.number(`${folder}/${name}`)).find((value) => value !== undefined);
    return found ?? notAvailable(`the driver ${driver} does not report it here`);
  };
  const resident = [...clients.after.values()].flatMap(({ residentBytes }) => residentBytes ?? []);
  return {
    ...common,
    utilizationPercent: clientUtilization(files, driver, clients),
    scope: 'visible-processes',
    memoryUsedBytes:
      resident.length > 0 || clients.after.size === 0
        ? resident.reduce((sum, bytes) => sum + bytes, 0)
        : notAvailable(`the driver ${driver} does not report it here`),
    memoryTotalBytes: notAvailable('an integrated GPU shares the memory of the machine; its driver names no size'),
    frequencyMhz: frequency('gt_act_freq_mhz', 'gt/gt0/rps_act_freq_mhz', 'device/tile0/gt0/freq0/act_freq'),
    maxFrequencyMhz: frequency('gt_RP0_freq_mhz', 'gt/gt0/rps_RP0_freq_mhz', 'device/tile0/gt0/freq0/rp0_freq'),
  };
}

/** First kernels whose drivers count the time of each client. */
const CLIENT_COUNTERS: Readonly<Record<string, readonly [major: number, minor: number]>> = {
  i915: [5, 19],
  xe: [6, 11],
};

function clientUtilization(files: SystemFiles, driver: string, { before, after, elapsedMs }: ClientWindow): Reading {
  const since = CLIENT_COUNTERS[driver];
  const share = engineUtilization(before, after, elapsedMs);
  if (share !== null) return share;
  if (since === undefined) return notAvailable(`no counter of the driver ${driver} is known`);
  const [major, minor] = since;
  // Counters, but nobody to count: the programs that are visible do nothing there.
  return after.size === 0 && files.kernelIsAtLeast(major, minor)
    ? 0
    : notAvailable(files.whyAbsent(major, minor, driver));
}

/** Intel's NPU. Others have no counters that are known. */
export class NpuReader {
  readonly #files: SystemFiles;
  readonly #device: FoundDevice;
  #last: { readonly atMs: number; readonly busyUs: number | undefined; readonly load: AcceleratorLoad } | undefined;

  constructor(files: SystemFiles, device: FoundDevice) {
    this.#files = files;
    this.#device = device;
  }

  read(nowMs: number): AcceleratorLoad {
    if (this.#last !== undefined && nowMs - this.#last.atMs < NPU_INTERVAL_MS * 0.95 && isSettled(this.#last.load)) {
      return this.#last.load;
    }
    const { driver, folder, vendor, pciAddress } = this.#device;
    const isIntel = driver === 'intel_vpu';
    const own = `${folder}/device`;
    const number = (name: string): number | undefined => (isIntel ? this.#files.number(`${own}/${name}`) : undefined);
    const why = (major: number, minor: number): Reading =>
      notAvailable(
        isIntel ? this.#files.whyAbsent(major, minor, driver) : `no counter of the driver ${driver} is known`,
      );
    const busyUs = number('npu_busy_time_us');
    const load: AcceleratorLoad = {
      kind: 'npu',
      id: pciAddress,
      name: `${vendor} NPU (${driver})`,
      utilizationPercent: busyUs === undefined ? why(6, 11) : this.#utilization(busyUs, nowMs),
      scope: 'device',
      memoryUsedBytes: number('npu_memory_utilization') ?? why(6, 15),
      memoryTotalBytes: notAvailable('an NPU shares the memory of the machine'),
      frequencyMhz: number('npu_current_frequency_mhz') ?? number('freq/current_freq') ?? why(6, 15),
      maxFrequencyMhz: number('npu_max_frequency_mhz') ?? number('freq/hw_max_freq') ?? why(6, 15),
    };
    this.#last = { atMs: nowMs, busyUs, load };
    return load;
  }

  #utilization(busyUs: number, nowMs: number): Reading {
    const last = this.#last;
    if (last?.busyUs === undefined) return notAvailable('the first look only begins to count');
    return percentOf(busyUs - last.busyUs, (nowMs - last.atMs) * 1000);
  }
}

/** Whether the first difference has been taken. */
function isSettled({ utilizationPercent }: AcceleratorLoad): boolean {
  return isKnown(utilizationPercent) || !utilizationPercent.notAvailable.startsWith('the first look');
}

/** Of nvidia-smi's columns: index-free, see nvidia-smi.ts. */
export function nvidiaLoad(device: FoundDevice, row: NvidiaRow | string): AcceleratorLoad {
  const figure = (read: (found: NvidiaRow) => number | null): Reading =>
    typeof row === 'string' ? notAvailable(row) : (read(row) ?? notAvailable('this GPU does not report it'));
  return {
    kind: 'gpu',
    id: device.pciAddress,
    name: typeof row === 'string' ? `${device.vendor} GPU (${device.driver})` : row.name,
    utilizationPercent: figure(({ utilizationPercent }) => utilizationPercent),
    scope: 'device',
    memoryUsedBytes: figure(({ usedMebibytes }) => usedMebibytes && usedMebibytes * BYTES_PER_MEBIBYTE),
    memoryTotalBytes: figure(({ totalMebibytes }) => totalMebibytes && totalMebibytes * BYTES_PER_MEBIBYTE),
    frequencyMhz: figure(({ clockMhz }) => clockMhz),
    maxFrequencyMhz: figure(({ maxClockMhz }) => maxClockMhz),
  };
}

/** Null: `[N/A]`. */
export interface NvidiaRow {
  readonly pciAddress: string;
  readonly name: string;
  readonly utilizationPercent: number | null;
  readonly usedMebibytes: number | null;
  readonly totalMebibytes: number | null;
  readonly clockMhz: number | null;
  readonly maxClockMhz: number | null;
}
