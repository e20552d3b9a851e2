// Is the event loop free while a model loads and answers? Prints one JSON object: delays of the event loop in
// milliseconds (median, 99th percentile, largest) in each phase, time to first token and tokens per second.
// It compares with nothing. Usage, after `npm run build`: node bench/event-loop.mjs [MODEL] [NEW_TOKENS]
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { cpus } from 'node:os';
import { loadModel } from '../dist/src/index.js';

const [reference = 'smollm2-135m', newTokens = '128'] = process.argv.slice(2);
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
console.log(
  JSON.stringify(
    {
      benchmark: 'event-loop',
      machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version },
      model: model.identity,
      execution,
      usage,
      timings,
      eventLoopDelayMs: { firstLoad, load, generate },
    },
    null,
    2,
  ),
);
