/** Utilisation of the CPU out of counters of busy and idle time, of whatever system. It reads nothing. */
import { percentOf } from './load-sample.js';

/** Ever growing, in any unit. */
export interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

/** First all logical processors together, then each. */
export interface CpuUtilization {
  readonly all: number;
  readonly cores: readonly number[];
}

/** A counter that did not move says nothing: its share is 0, for a processor that is offline does nothing. */
export function utilizationBetween(before: readonly CpuTimes[], after: readonly CpuTimes[]): CpuUtilization {
  const percents = after.map(({ busy, total }, index) => {
    const from = before[index];
    return from === undefined ? 0 : percentOf(busy - from.busy, total - from.total);
  });
  return { all: percents[0] ?? 0, cores: percents.slice(1) };
}
