/**
 * One measurement of aipc in a process of its own: loads an OpenVINO folder, answers each prompt greedily, writes times.
 * Reads { folder, threads, newTokens, cases: [{ promptTokens, prompts: [[id]] }] } as JSON on stdin; each case's first
 * prompt warms up. Writes { version, loadMs, cases: [{ promptTokens, prefillMs: [], decodeMs: [] }] } on stdout:
 * milliseconds to the first token, and for each token after it.
 */
import { performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import { createOpenvinoEngine } from '../../dist/src/engine/openvino/openvino-engine.js';
import { generate } from '../../dist/src/generation/generate.js';
import { Scheduler } from '../../dist/src/generation/scheduler.js';
import { createSampler } from '../../dist/src/sampling/sampling.js';

/** A character for each token, so that each is reported when it is there. No text is needed: the peer makes none. */
const DECODER = { push: () => '.', flush: () => '' };

async function answer(scheduler, prompt, newTokens, vocabularySize) {
  const sequence = scheduler.createSequence();
  const started = performance.now();
  let first;
  let last;
  let count = 0;
  for await (const part of generate(scheduler, {
    sequence,
    promptTokens: Int32Array.from(prompt),
    sampler: createSampler({}, vocabularySize),
    decoder: DECODER,
    endTokenIds: new Set(),
    stopStrings: [],
    maxNewTokens: newTokens,
  })) {
    if (part.type !== 'text-delta') continue;
    last = performance.now();
    first ??= last;
    count += part.tokenIds.length;
  }
  await sequence.dispose();
  if (count !== newTokens) throw new Error(`${count} tokens came, ${newTokens} were asked for.`);
  return { prefillMs: first - started, decodeMs: (last - first) / (newTokens - 1) };
}

const { folder, threads, newTokens, cases } = JSON.parse(await text(process.stdin));
const started = performance.now();
const engine = await createOpenvinoEngine(folder, { device: 'cpu', threads });
const loadMs = performance.now() - started;
const scheduler = new Scheduler(engine);
const { runtimeVersion, vocabularySize, activationDtype, kvDtype } = engine.info;
const measured = [];
for (const { promptTokens, prompts } of cases) {
  const runs = [];
  for (const prompt of prompts) runs.push(await answer(scheduler, prompt, newTokens, vocabularySize));
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
