/**
 * The one process that reads Windows' performance counters, for as long as somebody watches: a counter that hangs or
 * crashes (drivers bring their own) does neither to the program that watches. The interval in milliseconds is its argument.
 */
import { summariseAdapters } from './adapters.js';
import type { CounterMessage } from './windows-source.js';
import { PdhQuery } from './pdh.js';

const intervalMs = Number(process.argv[2]);
const query = new PdhQuery();
const counters = {
  engines: query.add('\\GPU Engine(*)\\Utilization Percentage'),
  dedicated: query.add('\\GPU Adapter Memory(*)\\Dedicated Usage'),
  shared: query.add('\\GPU Adapter Memory(*)\\Shared Usage'),
  frequency: query.add('\\Processor Information(_Total)\\Processor Frequency'),
  performance: query.add('\\Processor Information(_Total)\\% Processor Performance'),
};

function tell(): void {
  query.collect();
  const only = (counter: object | undefined): number | null => query.values(counter)[0]?.value ?? null;
  const nominalMhz = only(counters.frequency);
  const performancePercent = only(counters.performance);
  const message: CounterMessage = {
    adapters:
      counters.engines === undefined
        ? null
        : summariseAdapters({
            engines: query.values(counters.engines),
            dedicatedBytes: query.values(counters.dedicated),
            sharedBytes: query.values(counters.shared),
          }),
    frequencyMhz: nominalMhz === null || performancePercent === null ? null : (nominalMhz * performancePercent) / 100,
  };
  process.send?.(message);
}

query.collect();
const timer = setInterval(tell, intervalMs);
process.on('disconnect', () => {
  clearInterval(timer);
  query[Symbol.dispose]();
});
