/**
 * What a machine consists of, as far as running a language model depends on it: the types that every probe fills and
 * everything above reads. It detects nothing.
 */

/** A fact that could not be had, and why, in words: shown instead of a zero or a guess. */
export interface NotAvailable {
  readonly notAvailable: string;
}

export type Fact<T> = T | NotAvailable;

export function isKnown<T>(fact: Fact<T>): fact is T {
  return !(typeof fact === 'object' && fact !== null && 'notAvailable' in fact);
}

/** One name of a device everywhere: in `--device`, in `aipc devices`, in results. */
export type DeviceId = 'cpu' | `gpu.${number}` | 'npu' | `npu.${number}`;

export type DeviceVendor = 'intel' | 'amd' | 'nvidia' | 'qualcomm' | 'apple' | 'other';

/** Those that decide how fast quantised weights are multiplied on a CPU. */
export type InstructionSet = 'avx2' | 'avx-vnni' | 'avx512-vnni' | 'amx-int8' | 'neon' | 'neon-dotprod' | 'neon-i8mm';

/** Instructions that multiply int8 and add in one step. */
export const INT8_DOT_PRODUCTS: readonly InstructionSet[] = [
  'avx-vnni',
  'avx512-vnni',
  'amx-int8',
  'neon-dotprod',
  'neon-i8mm',
];

export interface CoreCounts {
  /** Performance cores, or all of them where there is one kind. */
  readonly performance: number;
  readonly efficiency: number;
  /** On the low-power island, without the last-level cache of the others. */
  readonly lowPower: number;
}

export interface CpuDevice {
  readonly id: 'cpu';
  readonly name: string;
  readonly vendor: DeviceVendor;
  /** Logical processors that this process may use. */
  readonly logicalProcessors: number;
  readonly physicalCores: Fact<number>;
  /** Physical cores of each kind. */
  readonly cores: Fact<CoreCounts>;
  readonly instructionSets: Fact<readonly InstructionSet[]>;
}

export interface DriverFacts {
  /** Of the kernel or of Windows: i915, xe, intel_vpu, amdgpu, nvidia... */
  readonly name: Fact<string>;
  readonly version: Fact<string>;
  /** The oldest that runs language models, where one is known. */
  readonly oldest: string | null;
  /** Null: not to be judged (no version, or no oldest one known). */
  readonly isTooOld: boolean | null;
}

export interface Accelerator {
  readonly id: Exclude<DeviceId, 'cpu'>;
  readonly kind: 'gpu' | 'npu';
  readonly name: string;
  readonly vendor: DeviceVendor;
  /** E.g. `Lunar Lake`, `Arc B-series (Battlemage)`, `XDNA 2`; null: not one that aipc knows. */
  readonly generation: string | null;
  /** It shares the machine's memory. Null: not known. */
  readonly isIntegrated: boolean | null;
  /** Hexadecimal, four digits, lower case; null outside of PCI. */
  readonly pciIds: { readonly vendor: string; readonly device: string } | null;
  /** `0000:03:00.0`; the key on Linux. Null: not known. */
  readonly pciAddress: string | null;
  /** Windows' locally unique id, sixteen hexadecimal digits; the key on Windows. Null: not known. */
  readonly luid: string | null;
  readonly driver: DriverFacts;
  /** Its own memory; an integrated one shares the machine's, and has what its driver set aside. */
  readonly dedicatedMemoryBytes: Fact<number>;
  /** What keeps it from being used, with the remedy, a sentence each. */
  readonly problems: readonly string[];
}

export interface MachineMemory {
  /** Of the machine, or of the container where that has less. */
  readonly totalBytes: number;
  /** What a program can claim without swapping, now. */
  readonly availableBytes: number;
}

export interface Machine {
  readonly platform: NodeJS.Platform;
  /** As `process.arch`. */
  readonly arch: string;
  /** Name and version of the operating system. */
  readonly system: string;
  readonly cpu: CpuDevice;
  readonly memory: MachineMemory;
  /** GPUs, then NPUs. Integrated GPUs come first, then by PCI address; the numbers count all vendors' GPUs. */
  readonly accelerators: readonly Accelerator[];
  /** Sources that could not be read, and what is missing through it. */
  readonly notAvailable: readonly string[];
}

/** What a probe of one platform gives; the numbers, the memory and the judgement of drivers are added above it. */
export interface Probe {
  readonly cpu: CpuDevice;
  readonly accelerators: readonly FoundAccelerator[];
  readonly notAvailable: readonly string[];
}

export interface FoundAccelerator extends Omit<Accelerator, 'id' | 'driver' | 'problems'> {
  readonly driver: Pick<DriverFacts, 'name' | 'version'>;
}
