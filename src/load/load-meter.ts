/** The mean load over a stretch of time, e.g. while an answer is generated. */
import { availableParallelism } from 'node:os';
import { isKnown, notAvailable, type AcceleratorLoad, type SystemSample, type Reading } from './load-sample.js';
import { SystemSampler } from './system-sampler.js';

/** Means are weighted by time. */
export interface MeanLoad {
  readonly durationMs: number;
  /** Of the whole machine, 0 to 100. */
  readonly cpuPercent: Reading;
  /** Of the process that measures, as a share of all its logical processors, 0 to 100. */
  readonly ownCpuPercent: number;
  readonly accelerators: readonly MeanAcceleratorLoad[];
  readonly acceleratorsNotAvailable: string | null;
}

export interface MeanAcceleratorLoad extends Pick<AcceleratorLoad, 'kind' | 'id' | 'name' | 'scope'> {
  readonly utilizationPercent: Reading;
  /** The most that was seen. */
  readonly memoryUsedBytes: Reading;
}

/** Most figures are differences, so that few looks are enough; some drivers tell the moment only. */
const LOOK_MS = 500;

export class LoadMeter implements Disposable {
  readonly #sampler = new SystemSampler(LOOK_MS);
  readonly #samples: SystemSample[] = [];
  readonly #startedMs = performance.now();
  readonly #startedCpu = process.cpuUsage();
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> = Promise.resolve();

  constructor() {
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Ends the measurement, once. */
  async stop(): Promise<MeanLoad> {
    const { user, system } = process.cpuUsage(this.#startedCpu);
    const durationMs = performance.now() - this.#startedMs;
    this.#look();
    await this.#looking;
    this[Symbol.dispose]();
    return {
      ...meanLoad(this.#samples, durationMs),
      ownCpuPercent: Math.min(100, (100 * (user + system)) / (1000 * durationMs * availableParallelism())),
    };
  }

  /** Ends it without a result. Twice is harmless. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#sampler[Symbol.dispose]();
  }

  #look(): void {
    this.#looking = this.#looking.then(async () => {
      this.#samples.push(await this.#sampler.sample());
    });
    this.#looking.catch(() => undefined); // stop() rejects with it; until then nobody waits
  }
}

/** Of what was known in each sample; where nothing was known, why. */
function meanLoad(samples: readonly SystemSample[], durationMs: number): Omit<MeanLoad, 'ownCpuPercent'> {
  const devices = new Map<string, AcceleratorLoad>();
  for (const { accelerators } of samples) for (const device of accelerators) devices.set(device.id, device);
  const readings = (
    read: (sample: SystemSample) => Reading | undefined,
  ): { readonly value: Reading; readonly weight: number }[] =>
    samples.flatMap((sample) => {
      const value = read(sample);
      return value === undefined ? [] : [{ value, weight: sample.intervalMs }];
    });
  return {
    durationMs,
    cpuPercent: weightedMean(readings(({ cpu }) => cpu.utilizationPercent)),
    accelerators: [...devices.values()].map(({ kind, id, name, scope }) => {
      const find = (sample: SystemSample): AcceleratorLoad | undefined =>
        sample.accelerators.find((device) => device.id === id);
      const memory = readings((sample) => find(sample)?.memoryUsedBytes).map(({ value }) => value);
      const known = memory.filter(isKnown);
      return {
        ...{ kind, id, name, scope },
        utilizationPercent: weightedMean(readings((sample) => find(sample)?.utilizationPercent)),
        memoryUsedBytes: known.length > 0 ? Math.max(...known) : (memory.at(-1) ?? notAvailable('no sample was taken')),
      };
    }),
    acceleratorsNotAvailable: samples.at(-1)?.acceleratorsNotAvailable ?? null,
  };
}

function weightedMean(readings: readonly { readonly value: Reading; readonly weight: number }[]): Reading {
  let sum = 0;
  let weights = 0;
  for (const { value, weight } of readings) {
    if (!isKnown(value)) continue;
    sum += value * weight;
    weights += weight;
  }
  return weights > 0 ? sum / weights : (readings.at(-1)?.value ?? notAvailable('no sample was taken'));
}
