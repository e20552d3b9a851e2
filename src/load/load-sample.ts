/** What one look at the machine's load says: the types that every source fills. It reads nothing. */

/** A figure that could not be had, and why, in words: shown as such, never as zero. */
export interface NotAvailable {
  readonly notAvailable: string;
}

export type Reading = number | NotAvailable;

export function isKnown(reading: Reading): reading is number {
  return typeof reading === 'number';
}

export function notAvailable(reason: string): NotAvailable {
  return { notAvailable: reason };
}

export interface CpuLoad {
  /** Of all logical processors together since the last sample, 0 to 100. */
  readonly utilizationPercent: Reading;
  /** The same of each logical processor; empty where it is not known. */
  readonly coresPercent: readonly number[];
  /** Mean of all cores, now. */
  readonly frequencyMhz: Reading;
}

export interface MemoryLoad {
  /** What a program could not claim without others giving it up. */
  readonly usedBytes: number;
  readonly totalBytes: number;
}

export interface AcceleratorLoad {
  readonly kind: 'gpu' | 'npu';
  /** PCI address (Linux), LUID (Windows) or the name of its service (macOS). */
  readonly id: string;
  /** Vendor and driver, in words. */
  readonly name: string;
  /** Of the busiest kind of engine since the last sample, 0 to 100. */
  readonly utilizationPercent: Reading;
  /** device: all that runs there; visible-processes: those that this user may look at. */
  readonly scope: 'device' | 'visible-processes';
  readonly memoryUsedBytes: Reading;
  /** Its own memory; an integrated one shares the machine's. */
  readonly memoryTotalBytes: Reading;
  /** Now; some drivers say 0 while it sleeps. */
  readonly frequencyMhz: Reading;
  readonly maxFrequencyMhz: Reading;
}

/** What a process that runs a model with aipc says of itself. No text of prompts or answers is in it. */
export interface RunningModel {
  readonly processId: number;
  readonly modelId: string;
  readonly weightFormat: string | null;
  /** Where it really computes: `cpu`, `gpu.0`, `npu`. */
  readonly device: string;
  readonly deviceName: string;
  readonly provider: string;
  readonly emulated: boolean;
  readonly state: 'idle' | 'prefill' | 'decode';
  /** Of the answers that run now, or of the last one; null: there was none. */
  readonly tokensPerSecond: number | null;
  /** Tokens generated since the model was loaded. */
  readonly outputTokens: number;
  /** Tokens whose keys and values are cached, of all conversations. */
  readonly kvCacheTokens: number;
  /** Most tokens that one conversation can hold. */
  readonly contextTokens: number;
}

/** What a source of the system's knows; system-sampler.ts and monitor.ts add the rest. */
export interface SystemLoad {
  readonly cpu: CpuLoad;
  readonly memory: MemoryLoad;
  /** GPUs, then NPUs. */
  readonly accelerators: readonly AcceleratorLoad[];
  /** Why there may be more accelerators than are listed; null: there are none, as far as is known. */
  readonly acceleratorsNotAvailable: string | null;
}

export interface SystemSample extends SystemLoad {
  /** What the utilisations are a mean of. */
  readonly intervalMs: number;
}

export interface LoadSample extends SystemSample {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly models: readonly RunningModel[];
}

/** A system's source. Each call says what happened since the one before it. */
export interface LoadSource extends Disposable {
  sample(): Promise<SystemLoad>;
}

/** Busy over elapsed as a percentage; counters that went back or overshot (they do) are kept within 0 and 100. */
export function percentOf(busy: number, elapsed: number): number {
  if (!(elapsed > 0)) return 0;
  return Math.min(100, Math.max(0, (100 * busy) / elapsed));
}
