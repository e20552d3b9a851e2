/**
 * One measurement of aipc in a process of its own: loads an OpenVINO folder, answers each prompt greedily, writes times.
 * Reads { folder, threads, newTokens, cases: [{ promptTokens, prompts: [[id]] }] } as JSON on stdin; each case's first
 * prompt warms up. Writes { version, loadMs, cases: [{ promptTokens, prefillMs: [], decodeMs: [] }] } on stdout:
 * milliseconds to the first token, and for each token after it.
 */
import { performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import { createOpenvinoEngine } from '../../dist/src/engine/openvino/openvino-engine.js';
import { Scheduler } from '../../dist/src/generation/scheduler.js';
import { answer } from '../lib/aipc-answer.mjs';

async function measure(scheduler, promptTokens, newTokens) {
  const sequence = scheduler.createSequence();
  const times = [];
  const started = performance.now();
  await answer(scheduler, { sequence, promptTokens, newTokens, onToken: (_, now) => times.push(now) });
  await sequence.dispose();
  if (times.length !== newTokens) throw new Error(`${times.length} tokens came, ${newTokens} were asked for.`);
  return { prefillMs: times[0] - started, decodeMs: (times.at(-1) - times[0]) / (newTokens - 1) };
}

const { folder, threads, newTokens, cases } = JSON.parse(await text(process.stdin));
const started = performance.now();
const engine = await createOpenvinoEngine(folder, { device: 'cpu', threads });
const loadMs = performance.now() - started;
const scheduler = new Scheduler(engine);
const { runtimeVersion, activationDtype, kvDtype } = engine.info;
const measured = [];
for (const { promptTokens, prompts } of cases) {
  const runs = [];
  for (const prompt of prompts) runs.push(await measure(scheduler, prompt, newTokens));
  const [, ...counted] = runs;
  measured.push({
    promptTokens,
    prefillMs: counted.map(({ prefillMs }) => prefillMs),
    decodeMs: counted.map(({ decodeMs }) => decodeMs),
  });
}
await scheduler[Symbol.asyncDispose]();
await engine.dispose();
console.log(JSON.stringify({ runtimeVersion, activationDtype, kvDtype, loadMs, cases: measured }));
