// Is the event loop free while a model loads and answers? Prints one JSON object: delays of the event loop in
// milliseconds (median, 99th percentile, largest) in each phase, time to first token and tokens per second.
// It compares with nothing. Usage, after `npm run build`: node bench/event-loop.mjs [MODEL] [NEW_TOKENS] [OUT_DIR]
// OUT_DIR gets the object as event-loop.json, with a chart.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { loadModel } from '../dist/src/index.js';
import { writeResult } from './lib/benchmark.mjs';
import { writeBarChart } from './lib/chart.mjs';
import { describeMachine, machineLine } from './lib/machine.mjs';

const [reference = 'smollm2-135m', newTokens = '128', out] = process.argv.slice(2);
const NANOSECONDS_PER_MS = 1e6;
const RESOLUTION_MS = 1;

/** Runs `work` and says how long timers had to wait meanwhile, beyond their own resolution. */
async function measured(work) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const result = await work();
  delay.disable();
  const ms = (nanoseconds) => Number((nanoseconds / NANOSECONDS_PER_MS).toFixed(2));
  return { result, delayMs: { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) } };
}

// The first load may download and convert; the second one only loads.
const { result: first, delayMs: firstLoad } = await measured(() => loadModel(reference));
await first.dispose();
const { result: model, delayMs: load } = await measured(() => loadModel(reference));
const { result, delayMs: generate } = await measured(() =>
  model.generate('Explain in detail what a computer does.', { maxNewTokens: Number(newTokens) }),
);
const { execution, timings, usage } = result;
await model.dispose();
const record = {
  benchmark: 'event-loop',
  machine: describeMachine(),
  model: model.identity,
  execution,
  usage,
  timings,
  eventLoopDelayMs: { firstLoad, load, generate },
};
if (out !== undefined) {
  const phases = { 'first load': firstLoad, load, generate };
  await writeBarChart(await writeResult(out, 'event-loop', record), {
    title: `Delays of the event loop: ${model.identity.id}`,
    subtitle: `${machineLine(record.machine)}; ${execution.provider}; 99th percentile, from the median to the longest`,
    panels: [
      {
        name: 'Delay beyond the timer, 1 ms',
        unit: 'ms',
        digits: 1,
        bars: Object.entries(phases).map(([name, { p50, p99, max }]) => ({
          ...{ name, median: p99, least: p50, most: max },
        })),
      },
    ],
  });
}
console.log(JSON.stringify(record, null, 2));
