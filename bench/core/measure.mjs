/**
 * What every JavaScript runner does with its runtime, so that all do the same: one request as JSON on stdin, one JSON
 * line on stdout. It knows no runtime.
 *
 * A runner gives `open(request)`, which resolves to a runtime, and may give `firstToken(request)`, its own shortest way
 * from nothing to a token:
 *
 *   answer(tokens, newTokens, onToken)  appends `tokens` to the conversation and generates greedily, never stopping early;
 *                                       onToken(id, now) for each token; resolves when all are there
 *   reset()       forgets the conversation
 *   nativeMs()    optional: milliseconds spent in the runtime's native call so far
 *   info          what is worth reporting: versions, types of the KV cache
 *   kvBytesPerToken
 *   dispose()
 *
 * Requests: { phase: 'first-token', tokens } ends with the first token (a line of its own, for the parent's clock), and
 * { phase: 'conversation', ... } measures as described in run.mjs.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import { median } from '../lib/statistics.mjs';

const NANOSECONDS_PER_MS = 1e6;
const DELAY_RESOLUTION_MS = 1;
/** So many tokens answer a second turn: only the first one counts. */
const SECOND_TURN_NEW_TOKENS = 2;

/** Reads the request and answers it. */
export async function serve(runner) {
  const request = JSON.parse(await text(process.stdin));
  if (request.phase === 'first-token') await firstToken(runner, request);
  else console.log(JSON.stringify(await conversation(runner, request)));
}

async function firstToken({ open, firstToken: own }, request) {
  if (own !== undefined) {
    await own(request, () => console.log('first token'));
    return;
  }
  const runtime = await open(request);
  await runtime.answer(request.tokens, 1, () => console.log('first token'));
  await runtime.dispose();
}

/** Delays of the event loop from now until stop(): { p50, p99, max } in milliseconds. */
function watchEventLoop() {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  return () => {
    delay.disable();
    // A loop that never turned has no sample of the stretch that blocked it.
    const ms = (nanoseconds) => Number((nanoseconds / NANOSECONDS_PER_MS).toFixed(2));
    return { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max), samples: delay.count };
  };
}

/** One answer with its times: to the first token, and between tokens after it. */
async function timed(runtime, tokens, newTokens, onFirst = () => undefined) {
  const times = [];
  const started = performance.now();
  let nativeAtFirst;
  await runtime.answer(tokens, newTokens, (_, now) => {
    times.push(now);
    if (times.length > 1) return;
    nativeAtFirst = runtime.nativeMs?.();
    onFirst();
  });
  if (times.length !== newTokens) throw new Error(`${times.length} tokens came, ${newTokens} were asked for.`);
  const steps = times.slice(1).map((time, index) => time - times[index]);
  const totalMs = times.at(-1) - times[0];
  return {
    tokens: tokens.length,
    firstMs: times[0] - started,
    decodeMs: median(steps),
    decodeMeanMs: totalMs / steps.length,
    ...(nativeAtFirst === undefined
      ? {}
      : { outsideNativeMs: (totalMs - (runtime.nativeMs() - nativeAtFirst)) / steps.length }),
  };
}

async function conversation({ open }, request) {
  const { contexts, newTokens, secondTurnTokens, fresh } = request;
  const stopLoading = watchEventLoop();
  const started = performance.now();
  const runtime = await open(request);
  const loadMs = performance.now() - started;
  const loading = stopLoading();

  let used = 0;
  const take = (count) => request.tokens.slice(used, (used += count));
  await runtime.answer(take(request.warmUpTokens), 2, () => undefined);
  const loadedResidentBytes = process.memoryUsage.rss();
  await runtime.reset();

  const measured = [];
  let held = 0;
  for (const contextTokens of contexts) {
    if (fresh && held > 0) {
      await runtime.reset();
      held = 0;
    }
    const first = await timed(runtime, take(contextTokens - held), newTokens);
    held = contextTokens + newTokens;
    const second = await timed(runtime, take(secondTurnTokens), SECOND_TURN_NEW_TOKENS);
    measured.push({ contextTokens, ...first, secondTurn: { historyTokens: held, ...second } });
    held += secondTurnTokens + SECOND_TURN_NEW_TOKENS;
  }
  const kvBytes = held * runtime.kvBytesPerToken;
  await runtime.reset();
  const eventLoop = { loading, ...(await watchAnswer(runtime, take(contexts[0]), newTokens)) };
  await runtime.dispose();
  return { ...runtime.info, loadMs, loadedResidentBytes, kvBytes, contexts: measured, eventLoop };
}

/** The event loop's delays while a prompt is computed and while tokens come, apart from the timed stretches. */
async function watchAnswer(runtime, tokens, newTokens) {
  let stop = watchEventLoop();
  let prefill;
  await timed(runtime, tokens, newTokens, () => {
    prefill = stop();
    stop = watchEventLoop();
  });
  return { prefill, decode: stop() };
}
