/**
 * The CPU as Linux tells of it: /proc/cpuinfo and /sys/devices/system/cpu.
 *
 * Kinds of cores: hybrid x86 processors have a performance monitor of each kind, which lists its CPUs
 * (/sys/devices/cpu_core, cpu_atom, cpu_lowpower). Cores of the low-power island are among cpu_atom's on most kernels:
 * they lack the last-level cache (index3) that the performance cores have. On Arm `cpu_capacity` tells them apart.
 */
import { availableParallelism } from 'node:os';
import type { CoreCounts, CpuDevice, Fact, InstructionSet } from './device.js';
import { listFolder, parseCpuList, readText } from './linux-files.js';

const FLAGS: Readonly<Record<string, InstructionSet>> = {
  avx2: 'avx2',
  avx_vnni: 'avx-vnni',
  avx512_vnni: 'avx512-vnni',
  amx_int8: 'amx-int8',
  asimd: 'neon',
  asimddp: 'neon-dotprod',
  i8mm: 'neon-i8mm',
};

/** `CPU implementer` and `CPU part`, for Arm, whose cpuinfo has no name. Source: Linux, arch/arm64/include/asm/cputype.h. */
const ARM_PARTS: Readonly<Record<string, string>> = {
  '0x51/0x001': 'Qualcomm Oryon',
  '0x41/0xd0c': 'Arm Neoverse N1',
  '0x41/0xd40': 'Arm Neoverse V1',
  '0x41/0xd49': 'Arm Neoverse N2',
  '0x41/0xd4f': 'Arm Neoverse V2',
  '0x41/0xd08': 'Arm Cortex-A72',
  '0x41/0xd0b': 'Arm Cortex-A76',
  '0xc0/0xac3': 'Ampere-1',
};

/** `root` is '/' outside of tests; `logicalProcessors` is what this process may use. */
export function probeLinuxCpu(root: string, logicalProcessors = availableParallelism()): CpuDevice {
  const fields = firstProcessor(readText(root, 'proc/cpuinfo') ?? '');
  const flags = fields.get('flags') ?? fields.get('Features');
  const part = `${fields.get('CPU implementer') ?? ''}/${fields.get('CPU part') ?? ''}`;
  const name =
    fields.get('model name') ??
    ARM_PARTS[part] ??
    readText(root, 'sys/firmware/devicetree/base/model')?.replaceAll('\0', '') ??
    'a CPU without a name';
  const cores = countCores(root);
  return {
    id: 'cpu',
    name,
    vendor: vendorOf(fields.get('vendor_id') ?? '', fields.get('CPU implementer') ?? ''),
    logicalProcessors,
    physicalCores: 'notAvailable' in cores ? cores : cores.performance + cores.efficiency + cores.lowPower,
    cores,
    instructionSets:
      flags === undefined
        ? { notAvailable: '/proc/cpuinfo lists no flags' }
        : flags.split(' ').flatMap((flag) => FLAGS[flag] ?? []),
  };
}

function firstProcessor(cpuinfo: string): ReadonlyMap<string, string> {
  const [first = ''] = cpuinfo.split('\n\n');
  return new Map(
    first.split('\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon === -1 ? [] : [[line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const];
    }),
  );
}

function vendorOf(vendorId: string, implementer: string): CpuDevice['vendor'] {
  if (vendorId === 'GenuineIntel') return 'intel';
  if (vendorId === 'AuthenticAMD') return 'amd';
  if (implementer === '0x51') return 'qualcomm';
  return implementer === '0x61' ? 'apple' : 'other';
}

function countCores(root: string): Exclude<Fact<CoreCounts>, never> {
  const cpus = 'sys/devices/system/cpu';
  const online = parseCpuList(readText(root, cpus, 'online') ?? '');
  const numbers =
    online.length > 0
      ? online
      : listFolder(root, cpus).flatMap((name) => (/^cpu\d+$/u.test(name) ? [Number(name.slice(3))] : []));
  /** Threads of one core share this list. */
  const coreOf = (cpu: number): string | undefined =>
    readText(root, cpus, `cpu${cpu}`, 'topology/core_cpus_list') ??
    readText(root, cpus, `cpu${cpu}`, 'topology/thread_siblings_list');
  const count = (some: readonly number[]): number => new Set(some.map((cpu) => coreOf(cpu) ?? `cpu${cpu}`)).size;
  if (numbers.length === 0 || numbers.every((cpu) => coreOf(cpu) === undefined)) {
    return { notAvailable: `/${cpus} tells no topology` };
  }
  const pmu = (name: string): readonly number[] => parseCpuList(readText(root, 'sys/devices', name, 'cpus') ?? '');
  const performance = pmu('cpu_core');
  if (performance.length > 0) {
    const hasLastLevelCache = (cpu: number): boolean => listFolder(root, cpus, `cpu${cpu}`, 'cache').includes('index3');
    const others = pmu('cpu_atom');
    // Where nobody shows a third level (a kernel without cache information), its absence tells nothing.
    const tellsIslands = performance.some(hasLastLevelCache);
    const lowPower = [...pmu('cpu_lowpower'), ...others.filter((cpu) => tellsIslands && !hasLastLevelCache(cpu))];
    return {
      performance: count(performance),
      efficiency: count(others.filter((cpu) => !lowPower.includes(cpu))),
      lowPower: count(lowPower),
    };
  }
  const capacities = numbers.map((cpu) => Number(readText(root, cpus, `cpu${cpu}`, 'cpu_capacity') ?? '0'));
  const greatest = Math.max(...capacities);
  const big = numbers.filter((_, index) => capacities[index] === greatest);
  return {
    performance: count(big),
    efficiency: count(numbers.filter((_, index) => capacities[index] !== greatest)),
    lowPower: 0,
  };
}
