/** The folder's entry: the load of this machine's processors and of the models that run on it, sample after sample. */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkNumber, refuseUnknownKeys } from '../options.js';
import type { LoadSample } from './load-sample.js';
import { readRunningModels } from './running-models.js';
import { SystemSampler } from './system-sampler.js';

export type {
  AcceleratorLoad,
  CpuLoad,
  LoadSample,
  MemoryLoad,
  NotAvailable,
  Reading,
  RunningModel,
} from './load-sample.js';

export interface MonitorLoadOptions {
  /** From 100 to 3,600,000; default 1000. */
  readonly intervalMs?: number;
  readonly signal?: AbortSignal;
}

const DEFAULT_INTERVAL_MS = 1000;

/**
 * A sample after each interval, until the consumer leaves the loop; throws the signal's reason. It starts no program for a
 * sample; what counters this system has only through one (NVIDIA on Linux, Windows) is one program for as long as the loop.
 * Throws OPTION_UNKNOWN and OPTION_INVALID.
 */
export function monitorLoad(options: MonitorLoadOptions = {}): AsyncGenerator<LoadSample, void, void> {
  refuseUnknownKeys('monitorLoad', options, ['intervalMs', 'signal']);
  const range = { min: 100, max: 3_600_000 };
  const intervalMs = checkNumber('monitorLoad', 'intervalMs', options.intervalMs ?? DEFAULT_INTERVAL_MS, range);
  return samples(intervalMs, options.signal);
}

async function* samples(intervalMs: number, signal: AbortSignal | undefined): AsyncGenerator<LoadSample, void, void> {
  signal?.throwIfAborted();
  using sampler = new SystemSampler(intervalMs);
  for (let dueMs = performance.now() + intervalMs; ; dueMs = Math.max(dueMs + intervalMs, performance.now())) {
    try {
      await sleep(dueMs - performance.now(), undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      signal?.throwIfAborted(); // its own reason, not the timer's
      throw error;
    }
    const [system, models] = await Promise.all([sampler.sample(), readRunningModels()]);
    yield { time: new Date().toISOString(), ...system, models };
  }
}
