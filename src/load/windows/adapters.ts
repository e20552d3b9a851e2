/**
 * Windows' performance counters of GPUs and NPUs: instances with their values become adapters with theirs. It reads no
 * counter. The instances' names are not translated, the counters' names are: pdh.ts asks for those in English.
 *
 *   \GPU Engine(pid_1234_luid_0x00000000_0x0000BB15_phys_0_eng_3_engtype_3D)\Utilization Percentage
 *   \GPU Adapter Memory(luid_0x00000000_0x0000BB15_phys_0)\Dedicated Usage, Shared Usage    bytes
 */

export interface CounterValue {
  readonly instance: string;
  readonly value: number;
}

export interface AdapterCounters {
  readonly engines: readonly CounterValue[];
  readonly dedicatedBytes: readonly CounterValue[];
  readonly sharedBytes: readonly CounterValue[];
}

export interface Adapter {
  /** As the counters write it, in lower case: `0x00000000_0x0000bb15`. */
  readonly luid: string;
  /** Null: no program has it open, so that nothing shows what it is. */
  readonly kind: 'gpu' | 'npu' | null;
  readonly utilizationPercent: number;
  readonly dedicatedBytes: number | null;
  readonly sharedBytes: number | null;
}

const ENGINE = /luid_(0x[0-9a-f]+_0x[0-9a-f]+)_phys_(\d+)_eng_(\d+)(?:_engtype_(\w*))?/u;
const ADAPTER = /luid_(0x[0-9a-f]+_0x[0-9a-f]+)/u;

/**
 * As the Task Manager counts: an engine's share is that of all programs together, an adapter's that of its busiest engine.
 * An NPU is an adapter of engines for computing without one for 3D (GPUs of Intel have `neural` ones, too).
 */
export function summariseAdapters({ engines, dedicatedBytes, sharedBytes }: AdapterCounters): readonly Adapter[] {
  const adapters = new Map<string, { shares: Map<string, number>; types: Set<string> }>();
  const adapterOf = (luid: string): { shares: Map<string, number>; types: Set<string> } => {
    const found = adapters.get(luid) ?? { shares: new Map<string, number>(), types: new Set<string>() };
    adapters.set(luid, found);
    return found;
  };
  for (const { instance, value } of engines) {
    const [, luid, physical, engine, type] = ENGINE.exec(instance.toLowerCase()) ?? [];
    if (luid === undefined || physical === undefined || engine === undefined) continue;
    const { shares, types } = adapterOf(luid);
    const key = `${physical} ${engine}`;
    shares.set(key, (shares.get(key) ?? 0) + (Number.isFinite(value) ? Math.max(0, value) : 0));
    if (type !== undefined && type !== '') types.add(type);
  }
  const memoryOf = (values: readonly CounterValue[]): ReadonlyMap<string, number> => {
    const sums = new Map<string, number>();
    for (const { instance, value } of values) {
      const luid = ADAPTER.exec(instance.toLowerCase())?.[1];
      if (luid === undefined || !Number.isFinite(value)) continue;
      adapterOf(luid);
      sums.set(luid, (sums.get(luid) ?? 0) + value);
    }
    return sums;
  };
  const dedicated = memoryOf(dedicatedBytes);
  const shared = memoryOf(sharedBytes);
  return [...adapters].map(([luid, { shares, types }]) => ({
    luid,
    kind: kindOf(types),
    utilizationPercent: Math.min(100, Math.max(0, ...shares.values())), // the counters overshoot at times
    dedicatedBytes: dedicated.get(luid) ?? null,
    sharedBytes: shared.get(luid) ?? null,
  }));
}

function kindOf(types: ReadonlySet<string>): Adapter['kind'] {
  if (types.size === 0) return null;
  const computes = [...types].some((type) => type.startsWith('compute') || type === 'neural');
  return computes && !types.has('3d') ? 'npu' : 'gpu';
}
