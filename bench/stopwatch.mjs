/**
 * Do the figures of `aipc bench` agree with a stopwatch around the library? On the very same answers: what bench measures
 * (Model.trace()) and a stopwatch around that call. And in turns, on the same prompts, where other work on the machine shows:
 * trace() and a stopwatch around Model.generate(); bench's cold start and a stopwatch around a program of ten lines, from its
 * start to its first output. What it compares are medians of ratios.
 *
 *   node bench/stopwatch.mjs [--model demo] [--device cpu] [--provider auto] [--prompt-tokens 200] [--new-tokens 64]
 *     [--pairs 15] [--cold-starts 9]
 *
 * The last line is JSON. Exit code 1 where the figures of the same answers are more than 3 % apart.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { benchModel, loadModel } from 'aipc';
import { randomPrompt } from '../dist/src/bench/random-prompt.js';
import { runBenchmark, say } from './lib/benchmark.mjs';
import { readOptions } from './lib/options.mjs';
import { median, pairRatios } from './lib/statistics.mjs';

const ALLOWED = 0.03;
/** Shorter answers say little about the time of a token. */
const LEAST_STEPS = 8;
const PROGRAM = `
import { loadModel } from 'aipc';
const [reference, device, provider, tokens] = process.argv.slice(1);
const model = await loadModel(reference, { device, provider, maxSlots: 1, publish: false });
await model.trace({ tokenIds: JSON.parse(tokens) }, { newTokens: 1, onLogits: () => process.stdout.write('.') });
await model.dispose();`;

async function timed(work) {
  const startedMs = performance.now();
  const result = await work();
  return { ms: performance.now() - startedMs, result };
}

/** The same answers, by bench's figures and by a stopwatch in the hand of who calls. */
async function sameAnswers(model, { promptTokens, newTokens, pairs }) {
  const bench = { first: [], whole: [] };
  const stopwatch = { first: [], whole: [] };
  for (let seed = 0; seed < pairs; seed += 1) {
    const tokenIds = randomPrompt(promptTokens, model.vocabularySize, seed);
    let firstAtMs;
    const startedMs = performance.now();
    const onLogits = (_logits, index) => {
      if (index === 0) firstAtMs = performance.now();
    };
    const { timesMs } = await model.trace({ tokenIds }, { newTokens, onLogits });
    stopwatch.whole.push(performance.now() - startedMs);
    stopwatch.first.push(firstAtMs - startedMs);
    bench.first.push(timesMs[0]);
    bench.whole.push(timesMs.at(-1));
  }
  return {
    timeToFirstToken: pairRatios(bench.first, stopwatch.first),
    wholeAnswer: pairRatios(bench.whole, stopwatch.whole),
  };
}

/** Ratios of bench's way to the stopwatch, taken in turns; which goes first alternates. */
async function inProcess(model, { promptTokens, newTokens, pairs }) {
  const steps = [];
  const bench = { first: [], whole: [] };
  const stopwatch = { first: [], whole: [] };
  const generate = async (tokenIds, maxNewTokens) => timed(() => model.generate({ tokenIds }, { maxNewTokens }));
  for (let seed = 0; stopwatch.whole.length < pairs && seed < 10 * pairs; seed += 1) {
    const tokenIds = randomPrompt(promptTokens, model.vocabularySize, seed);
    const byStopwatch = async () => {
      const first = await generate(tokenIds, 1);
      return { first: first.ms, whole: await generate(tokenIds, newTokens) };
    };
    const byBench = async () => {
      const { timesMs } = await model.trace({ tokenIds }, { newTokens });
      return { first: timesMs[0], until: (steps) => timesMs[steps - 1] };
    };
    const traceFirst = seed % 2 === 0;
    const early = traceFirst ? await byBench() : undefined;
    const watch = await byStopwatch();
    const trace = early ?? (await byBench());
    // An answer may end by itself, at a token that is not part of it; what is traced goes on.
    const { finishReason, usage } = watch.whole.result;
    const count = usage.outputTokens + (finishReason === 'stop' ? 1 : 0);
    if (seed === 0 || count < LEAST_STEPS) continue; // the first pair warms up
    steps.push(count);
    bench.first.push(trace.first);
    bench.whole.push(trace.until(count));
    stopwatch.first.push(watch.first);
    stopwatch.whole.push(watch.whole.ms);
  }
  const decode = (times) => times.whole.map((ms, index) => (ms - times.first[index]) / (steps[index] - 1));
  return {
    timeToFirstToken: pairRatios(bench.first, stopwatch.first),
    wholeAnswer: pairRatios(bench.whole, stopwatch.whole),
    timePerToken: pairRatios(decode(bench), decode(stopwatch)),
  };
}

async function coldStartByStopwatch({ model, device, provider, promptTokens }, vocabularySize) {
  const tokens = JSON.stringify([...randomPrompt(promptTokens, vocabularySize, 0)]);
  const args = ['--input-type=module', '-e', PROGRAM, model, device, provider, tokens];
  const startedMs = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const ms = performance.now() - startedMs;
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`the program ended with ${code}`);
  return ms;
}

async function coldStarts(vocabularySize, options) {
  const { model, device, provider, promptTokens } = options;
  const cell = { devices: [`${device}:${provider}`], promptTokens: [promptTokens], newTokens: 1, repeats: 1 };
  const bench = [];
  const stopwatch = [];
  for (let turn = 0; turn < options.coldStarts; turn += 1) {
    const byStopwatch = async () => stopwatch.push(await coldStartByStopwatch(options, vocabularySize));
    if (turn % 2 === 0) await byStopwatch();
    const { cells } = await benchModel(model, cell);
    if (cells[0].status === 'failed') throw new Error(cells[0].error.message);
    bench.push(cells[0].coldStartMs.median);
    if (turn % 2 === 1) await byStopwatch();
  }
  return pairRatios(bench, stopwatch);
}

await runBenchmark(async () => {
  const options = readOptions({
    ...{ model: 'demo', device: 'cpu', provider: 'auto', promptTokens: 200, newTokens: 64, pairs: 15, coldStarts: 9 },
  });
  const { device, provider } = options;
  const model = await loadModel(options.model, { device, provider, maxSlots: 1, publish: false });
  const { same, turns } = await (async () => ({
    same: await sameAnswers(model, options),
    turns: await inProcess(model, options),
  }))().finally(() => model.dispose());
  const inTurns = { ...turns, coldStart: await coldStarts(model.vocabularySize, options) };
  const tell = (ratios, how) => {
    for (const [name, { median: ratio, least, most }] of Object.entries(ratios)) {
      say(`${name}, ${how}: bench / stopwatch = ${ratio.toFixed(3)} (${least.toFixed(3)} to ${most.toFixed(3)})`);
    }
  };
  tell(same, 'the same answers');
  tell(inTurns, 'in turns');
  const worst = Math.max(...Object.values(same).map(({ values }) => Math.abs(median(values) - 1)));
  say(worst <= ALLOWED ? 'they agree within 3 %' : `they are ${(100 * worst).toFixed(1)} % apart`);
  if (worst > ALLOWED) process.exitCode = 1;
  return { ...options, same, inTurns };
});
