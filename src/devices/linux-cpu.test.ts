import { availableParallelism, cpus } from 'node:os';
import { describe, expect, it } from 'vitest';
import { probeLinuxCpu } from './linux-cpu.js';
import { coresFrom, cpuinfo, FakeMachine, type FakeCore } from './testing/fake-sysfs.js';

interface Laptop {
  readonly name: string;
  readonly cores: readonly FakeCore[];
  readonly kinds: Readonly<Record<string, string>>;
  readonly expected: readonly [performance: number, efficiency: number, lowPower: number];
}

const withoutL3 = { hasLastLevelCache: false };

// Numbers of cores: Intel's product pages of these processors.
const LAPTOPS: readonly Laptop[] = [
  {
    name: 'Intel(R) Core(TM) Ultra 7 155H', // Meteor Lake: 6 + 8 + 2, 22 threads
    cores: [...coresFrom(0, 6, 2), ...coresFrom(12, 8, 1), ...coresFrom(20, 2, 1, withoutL3)],
    kinds: { cpu_core: '0-11', cpu_atom: '12-21' },
    expected: [6, 8, 2],
  },
  {
    name: 'Intel(R) Core(TM) Ultra 7 255H', // Arrow Lake: 6 + 8 + 2, 16 threads, the island under a monitor of its own
    cores: [...coresFrom(0, 6, 1), ...coresFrom(6, 8, 1), ...coresFrom(14, 2, 1, withoutL3)],
    kinds: { cpu_core: '0-5', cpu_atom: '6-13', cpu_lowpower: '14-15' },
    expected: [6, 8, 2],
  },
  {
    name: 'Intel(R) Core(TM) Ultra 7 258V', // Lunar Lake: 4 + 4 low-power efficient cores
    cores: [...coresFrom(0, 4, 1), ...coresFrom(4, 4, 1, withoutL3)],
    kinds: { cpu_core: '0-3', cpu_atom: '4-7' },
    expected: [4, 0, 4],
  },
  {
    name: 'Intel(R) Core(TM) Ultra X9 388H', // Panther Lake: 4 + 8 + 4
    cores: [...coresFrom(0, 4, 1), ...coresFrom(4, 8, 1), ...coresFrom(12, 4, 1, withoutL3)],
    kinds: { cpu_core: '0-3', cpu_atom: '4-15' },
    expected: [4, 8, 4],
  },
];

describe('probeLinuxCpu', () => {
  it.each(LAPTOPS)('counts the cores of $name by kind', async ({ name, cores, kinds, expected }) => {
    await using machine = await FakeMachine.create();
    await machine.put('proc/cpuinfo', cpuinfo('GenuineIntel', name, 'avx2 avx_vnni'));
    await machine.addCores(cores, kinds);
    const cpu = probeLinuxCpu(machine.root, 8);
    expect(cpu).toEqual({
      id: 'cpu',
      name,
      vendor: 'intel',
      logicalProcessors: 8,
      physicalCores: expected[0] + expected[1] + expected[2],
      cores: { performance: expected[0], efficiency: expected[1], lowPower: expected[2] },
      instructionSets: ['avx2', 'avx-vnni'],
    });
  });

  it('takes all cores of a kernel that shows no caches for what their monitor says', async () => {
    await using machine = await FakeMachine.create();
    await machine.addCores([...coresFrom(0, 2, 1, withoutL3), ...coresFrom(2, 4, 1, withoutL3)], {
      cpu_core: '0-1',
      cpu_atom: '2-5',
    });
    expect(probeLinuxCpu(machine.root).cores).toEqual({ performance: 2, efficiency: 4, lowPower: 0 });
  });

  it('counts threads of one core once', async () => {
    await using machine = await FakeMachine.create();
    await machine.put('proc/cpuinfo', cpuinfo('AuthenticAMD', 'AMD Ryzen 9 9950X', 'avx2 avx_vnni avx512_vnni'));
    await machine.addCores(coresFrom(0, 16, 2));
    const cpu = probeLinuxCpu(machine.root);
    expect([cpu.vendor, cpu.physicalCores, cpu.cores]).toEqual([
      'amd',
      16,
      { performance: 16, efficiency: 0, lowPower: 0 },
    ]);
    expect(cpu.instructionSets).toEqual(['avx2', 'avx-vnni', 'avx512-vnni']);
  });

  it('finds the matrix units of a server', async () => {
    await using machine = await FakeMachine.create();
    const flags = 'avx2 avx_vnni avx512f avx512_vnni amx_bf16 amx_tile amx_int8';
    await machine.put('proc/cpuinfo', cpuinfo('GenuineIntel', 'Intel(R) Xeon(R) Processor', flags));
    expect(probeLinuxCpu(machine.root).instructionSets).toEqual(['avx2', 'avx-vnni', 'avx512-vnni', 'amx-int8']);
  });

  it('reads an Arm processor by its part, and its kinds of cores by their capacity', async () => {
    await using machine = await FakeMachine.create();
    await machine.put(
      'proc/cpuinfo',
      'processor\t: 0\nFeatures\t: fp asimd crc32 atomics asimddp i8mm\nCPU implementer\t: 0x51\nCPU part\t: 0x001\n\nprocessor\t: 1\n',
    );
    await machine.addCores([...coresFrom(0, 8, 1, { capacity: 1024 }), ...coresFrom(8, 4, 1, { capacity: 760 })]);
    expect(probeLinuxCpu(machine.root, 12)).toMatchObject({
      name: 'Qualcomm Oryon',
      vendor: 'qualcomm',
      cores: { performance: 8, efficiency: 4, lowPower: 0 },
      instructionSets: ['neon', 'neon-dotprod', 'neon-i8mm'],
    });
  });

  it('says what it could not read, and counts nothing as none', async () => {
    await using machine = await FakeMachine.create();
    const cpu = probeLinuxCpu(machine.root);
    expect(cpu.cores).toEqual({ notAvailable: '/sys/devices/system/cpu tells no topology' });
    expect(cpu.physicalCores).toEqual(cpu.cores);
    expect(cpu.instructionSets).toEqual({ notAvailable: '/proc/cpuinfo lists no flags' });
  });

  it.skipIf(process.platform !== 'linux')('agrees with Node.js about this machine [needs Linux]', () => {
    const cpu = probeLinuxCpu('/');
    expect(cpu.logicalProcessors).toBe(availableParallelism());
    if (process.arch === 'x64') expect(cpu.name).toBe(cpus()[0]?.model.trim());
    if (typeof cpu.physicalCores === 'number') expect(cpu.physicalCores).toBeGreaterThan(0);
  });
});
