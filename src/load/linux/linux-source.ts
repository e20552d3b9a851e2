/** The load of a Linux machine: /proc, /sys and, for NVIDIA, its own program. It puts together what the parsers read. */
import { utilizationBetween, type CpuTimes } from '../cpu-times.js';
import {
  notAvailable,
  type AcceleratorLoad,
  type CpuLoad,
  type LoadSource,
  type Reading,
  type SystemLoad,
} from '../load-sample.js';
import { findDevices, gpuLoad, NpuReader, nvidiaLoad, type FoundDevice } from './accelerators.js';
import { DrmClients } from './drm-clients.js';
import type { DrmClient } from './drm-fdinfo.js';
import { NvidiaSmi } from './nvidia-smi.js';
import { parseCpuTimes, parseMemory } from './proc-files.js';
import { SystemFiles } from './system-files.js';

/** Drivers that say themselves what their GPU does. */
const SELF_REPORTING = ['amdgpu', 'nvidia'];

export class LinuxLoadSource implements LoadSource {
  readonly #files: SystemFiles;
  readonly #now: () => number;
  readonly #devices: readonly FoundDevice[];
  readonly #npus: ReadonlyMap<FoundDevice, NpuReader>;
  readonly #nvidia: NvidiaSmi | undefined;
  readonly #frequencyFiles: readonly string[];
  readonly #clients: DrmClients | undefined;
  #cpuTimes: readonly CpuTimes[];
  #clientsBefore: ReadonlyMap<string, DrmClient> = new Map();
  #sampledMs: number;

  /** `now`: milliseconds that only grow. */
  constructor(intervalMs: number, files = new SystemFiles(), now: () => number = () => performance.now()) {
    this.#files = files;
    this.#now = now;
    this.#devices = findDevices(files);
    this.#npus = new Map(
      this.#devices.filter(({ kind }) => kind === 'npu').map((device) => [device, new NpuReader(files, device)]),
    );
    const hasClients = this.#devices.some(({ kind, driver }) => kind === 'gpu' && !SELF_REPORTING.includes(driver));
    this.#clients = hasClients ? new DrmClients(files) : undefined;
    this.#nvidia = files.text('proc/driver/nvidia/version') === undefined ? undefined : new NvidiaSmi(intervalMs);
    const policies = files.list('sys/devices/system/cpu/cpufreq').filter((name) => name.startsWith('policy'));
    this.#frequencyFiles = policies.map((name) => `sys/devices/system/cpu/cpufreq/${name}/scaling_cur_freq`);
    this.#sampledMs = now();
    this.#cpuTimes = parseCpuTimes(files.text('proc/stat') ?? '');
    this.#clientsBefore = this.#clients?.read(this.#sampledMs) ?? new Map();
    for (const reader of this.#npus.values()) reader.read(this.#sampledMs);
  }

  sample(): Promise<SystemLoad> {
    const nowMs = this.#now();
    const elapsedMs = nowMs - this.#sampledMs;
    this.#sampledMs = nowMs;
    return Promise.resolve({
      cpu: this.#cpu(),
      memory: parseMemory(this.#files.text('proc/meminfo') ?? ''),
      accelerators: this.#accelerators(nowMs, elapsedMs),
      acceleratorsNotAvailable: null,
    });
  }

  [Symbol.dispose](): void {
    this.#nvidia?.[Symbol.dispose]();
  }

  #cpu(): CpuLoad {
    const times = parseCpuTimes(this.#files.text('proc/stat') ?? '');
    const { all, cores } = utilizationBetween(this.#cpuTimes, times);
    this.#cpuTimes = times;
    return { utilizationPercent: all, coresPercent: cores, frequencyMhz: this.#frequency() };
  }

  #frequency(): Reading {
    const kilohertz = this.#frequencyFiles.flatMap((file) => this.#files.number(file) ?? []);
    if (kilohertz.length === 0) return notAvailable('no cpufreq driver, as in most virtual machines');
    return kilohertz.reduce((sum, value) => sum + value, 0) / kilohertz.length / 1000;
  }

  #accelerators(nowMs: number, elapsedMs: number): AcceleratorLoad[] {
    const before = this.#clientsBefore;
    const after = this.#clients?.read(nowMs) ?? new Map<string, DrmClient>();
    this.#clientsBefore = after;
    const listed = this.#devices.map((device) => {
      const npu = this.#npus.get(device);
      if (npu !== undefined) return npu.read(nowMs);
      if (device.driver === 'nvidia') return this.#nvidiaLoad(device);
      const own = (clients: ReadonlyMap<string, DrmClient>): ReadonlyMap<string, DrmClient> =>
        new Map([...clients].filter(([, { pciAddress }]) => (pciAddress ?? device.pciAddress) === device.pciAddress));
      return gpuLoad(this.#files, device, { before: own(before), after: own(after), elapsedMs });
    });
    return [...listed, ...this.#cardlessNvidia(listed)].sort(
      (a, b) => Number(a.kind === 'npu') - Number(b.kind === 'npu'),
    );
  }

  #nvidiaLoad(device: FoundDevice): AcceleratorLoad {
    const { rows, problem } = this.#nvidia ?? {
      rows: new Map<string, never>(),
      problem: 'there is no /proc/driver/nvidia',
    };
    return nvidiaLoad(device, rows.get(device.pciAddress) ?? problem);
  }

  /** Without its display part, NVIDIA's driver makes no card in /sys/class/drm. */
  #cardlessNvidia(listed: readonly AcceleratorLoad[]): AcceleratorLoad[] {
    const others = [...(this.#nvidia?.rows.values() ?? [])].filter(
      ({ pciAddress }) => !listed.some(({ id }) => id === pciAddress),
    );
    return others.map((row) =>
      nvidiaLoad({ kind: 'gpu', folder: '', driver: 'nvidia', vendor: 'NVIDIA', pciAddress: row.pciAddress }, row),
    );
  }
}
