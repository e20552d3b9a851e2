/** Trees of files as Linux shows them, for machines that are not here. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface FakePciDevice {
  readonly address: string;
  readonly pciClass: string;
  readonly vendor: string;
  readonly device: string;
  readonly driver?: string;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

export interface FakeCore {
  /** Numbers of its threads. */
  readonly threads: readonly number[];
  readonly hasLastLevelCache?: boolean;
  readonly capacity?: number;
}

export class FakeMachine implements AsyncDisposable {
  private constructor(readonly root: string) {}

  static async create(): Promise<FakeMachine> {
    return new FakeMachine(await mkdtemp(path.join(tmpdir(), 'aipc-sysfs-')));
  }

  async put(file: string, content: string | Uint8Array): Promise<void> {
    const full = path.join(this.root, file);
    await mkdir(path.dirname(full), { recursive: true });
    await writeFile(full, content);
  }

  async plugIn({ address, pciClass, vendor, device, driver, files = {} }: FakePciDevice): Promise<void> {
    const folder = `sys/bus/pci/devices/${address}`;
    await this.put(`${folder}/class`, `${pciClass}\n`);
    await this.put(`${folder}/vendor`, `0x${vendor}\n`);
    await this.put(`${folder}/device`, `0x${device}\n`);
    if (driver !== undefined) {
      await symlink(`../../../bus/pci/drivers/${driver}`, path.join(this.root, folder, 'driver'));
    }
    for (const [name, content] of Object.entries(files)) await this.put(`${folder}/${name}`, content);
  }

  /** `kinds`: numbers of CPUs that the monitor of each kind of core lists. */
  async addCores(cores: readonly FakeCore[], kinds: Readonly<Record<string, string>> = {}): Promise<void> {
    const cpus = 'sys/devices/system/cpu';
    for (const { threads, hasLastLevelCache = true, capacity } of cores) {
      for (const thread of threads) {
        await this.put(`${cpus}/cpu${thread}/topology/core_cpus_list`, `${threads.join(',')}\n`);
        for (const index of [0, 1, 2, ...(hasLastLevelCache ? [3] : [])]) {
          await this.put(`${cpus}/cpu${thread}/cache/index${index}/level`, `${Math.max(1, index)}\n`);
        }
        if (capacity !== undefined) await this.put(`${cpus}/cpu${thread}/cpu_capacity`, `${capacity}\n`);
      }
    }
    const last = Math.max(...cores.flatMap(({ threads }) => threads));
    await this.put(`${cpus}/online`, `0-${last}\n`);
    for (const [kind, list] of Object.entries(kinds)) await this.put(`sys/devices/${kind}/cpus`, `${list}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true });
  }
}

/** `count` cores of `threads` threads each, numbered from `first`. */
export function coresFrom(
  first: number,
  count: number,
  threads: number,
  rest: Omit<FakeCore, 'threads'> = {},
): readonly FakeCore[] {
  return Array.from({ length: count }, (_, core) => ({
    threads: Array.from({ length: threads }, (_unused, thread) => first + core * threads + thread),
    ...rest,
  }));
}

/** /proc/cpuinfo of an x86 processor, of which the first one is read. */
export function cpuinfo(vendor: string, name: string, flags: string): string {
  const one = (number: number): string =>
    `processor\t: ${number}\nvendor_id\t: ${vendor}\ncpu family\t: 6\nmodel name\t: ${name}\nflags\t\t: fpu sse2 ${flags}\n`;
  return `${one(0)}\n${one(1)}\n`;
}
