/**
 * What the measurements say: each program's summaries, and each comparison with the figure that aipc aims at beside it.
 * Ratios are taken within a round. It measures and draws nothing.
 */
import { pairRatios, summarise } from '../lib/statistics.mjs';

const MS_PER_SECOND = 1000;
const AIPC = 'aipc-onnxruntime';
const AIPC_OPENVINO = 'aipc-openvino';
const LLAMA = 'node-llama-cpp';
const ORT_NODE = 'onnxruntime-node';
const GENAI = ['openvino-genai', 'openvino-genai-sdpa'];
/** Times onnxruntime-node's speed, by tokens of context. */
const ORT_NODE_AIMS = { 128: 1.4, 900: 2.5 };
const COLD_START_BLOCK = 'block 128';
/** Bytes that a process may hold: this times the model folder, the KV cache, and that much more. */
const MEMORY_AIM = { ofModel: 1.3, moreBytes: 300e6 };
/** Weights that a runtime only mapped, or shared between tensors, would be faster than real ones. */
const LEAST_LOADED = 0.7;

const defined = (values) => (values.includes(undefined) || values.length === 0 ? undefined : summarise(values));

/** `runs`: one answer for each round; `coldStarts`: { name: [milliseconds] }. */
export function summariseProgram({ runs, coldStarts, model }) {
  const [first] = runs;
  return {
    modelBytes: model.bytes,
    matrixBytes: model.matrixBytes,
    runtimeVersion: first.runtimeVersion,
    kvDtype: first.kvDtype,
    flashAttention: first.flashAttention,
    contexts: first.contexts.map(({ contextTokens, secondTurn }, index) => {
      const each = (read) => defined(runs.map(({ contexts }) => read(contexts[index])));
      return {
        contextTokens,
        prefillTokens: first.contexts[index].tokens,
        prefillTokensPerSecond: each(({ tokens, firstMs }) => (tokens * MS_PER_SECOND) / firstMs),
        decodeMs: each(({ decodeMs }) => decodeMs),
        decodeMeanMs: each(({ decodeMeanMs }) => decodeMeanMs),
        outsideNativeMs: each(({ outsideNativeMs }) => outsideNativeMs),
        secondTurn: secondTurn && {
          historyTokens: secondTurn.historyTokens,
          messageTokens: secondTurn.tokens,
          firstTokenMs: each((context) => context.secondTurn.firstMs),
        },
      };
    }),
    loadMs: summarise(runs.map(({ loadMs }) => loadMs)),
    coldStartMs: Object.fromEntries(Object.entries(coldStarts).map(([name, values]) => [name, summarise(values)])),
    kvBytes: first.kvBytes,
    loadedResidentBytes: defined(runs.map(({ loadedResidentBytes }) => loadedResidentBytes ?? undefined)),
    peakResidentBytes: defined(runs.map(({ peakResidentBytes }) => peakResidentBytes)),
    peakPrivateBytes: defined(runs.map(({ peakPrivateBytes }) => peakPrivateBytes)),
    eventLoopDelayP99Ms:
      first.eventLoop &&
      Object.fromEntries(
        Object.keys(first.eventLoop).map((phase) => [
          phase,
          summarise(runs.map(({ eventLoop }) => eventLoop[phase].p99)),
        ]),
      ),
  };
}

/** Throws a RangeError where a program cannot have loaded its weights. */
export function checkLoaded(name, { loadedResidentBytes, matrixBytes }) {
  if (loadedResidentBytes === undefined || loadedResidentBytes.least >= LEAST_LOADED * matrixBytes) return;
  throw new RangeError(
    `${name} held ${loadedResidentBytes.least} bytes after loading, under ${LEAST_LOADED} of the ${matrixBytes} of its ` +
      'weights (embedding left out): they were not really loaded, so its figures mean nothing.',
  );
}

/** { what, value, unit?, aim: { least } or { most }, met } */
function compare(what, value, aim, unit = 'ratio') {
  const met = aim.least === undefined ? value.median <= aim.most : value.median >= aim.least;
  return { what, value, unit, aim, met };
}

/** @param {Record<string, { runs: object[], coldStarts: Record<string, number[]>, summary: object }>} taken */
export function compareAll(taken) {
  const has = (...names) => names.every((name) => name in taken);
  return [
    ...(has(AIPC, ORT_NODE) ? againstOnnxruntimeNode(taken) : []),
    ...(has(AIPC, LLAMA) ? againstLlama(taken) : []),
    ...(has(AIPC_OPENVINO) && GENAI.some((name) => has(name)) ? againstGenai(taken) : []),
    ...(has(AIPC) ? onItsOwn(taken[AIPC]) : []),
  ];
}

const contextsOf = ({ summary }) => summary.contexts.map(({ contextTokens }) => contextTokens);

/** Above 1: `mine` is faster. Speeds are the inverse of `read`, a time. */
function speedRatio(mine, peer, index, read) {
  const times = ({ runs }) => runs.map(({ contexts }) => read(contexts[index]));
  return pairRatios(times(peer), times(mine));
}
const decodeMs = ({ decodeMs: ms }) => ms;
const prefillMsPerToken = ({ firstMs, tokens }) => firstMs / tokens;

function againstOnnxruntimeNode(taken) {
  return contextsOf(taken[AIPC]).flatMap((context, index) => {
    const least = ORT_NODE_AIMS[context];
    const ratio = speedRatio(taken[AIPC], taken[ORT_NODE], index, decodeMs);
    return least === undefined
      ? []
      : [compare(`decode at ${context} tokens, times onnxruntime-node's speed`, ratio, { least })];
  });
}

function againstLlama(taken) {
  const [mine, peer] = [taken[AIPC], taken[LLAMA]];
  const speeds = contextsOf(mine).flatMap((context, index) => [
    compare(`decode at ${context} tokens, times node-llama-cpp's speed`, speedRatio(mine, peer, index, decodeMs), {
      least: 1,
    }),
    compare(
      `prefill to ${context} tokens, times node-llama-cpp's speed`,
      speedRatio(mine, peer, index, prefillMsPerToken),
      {
        least: 0.9,
      },
    ),
  ]);
  const [peerColdStart] = Object.values(peer.coldStarts);
  const coldStart = mine.coldStarts[COLD_START_BLOCK];
  const memory = (program) => program.runs.map(({ peakResidentBytes }) => peakResidentBytes);
  return [
    ...speeds,
    ...(coldStart === undefined || peerColdStart === undefined
      ? []
      : [
          compare(`cold start at ${COLD_START_BLOCK}, of node-llama-cpp's`, pairRatios(coldStart, peerColdStart), {
            most: 1,
          }),
        ]),
    ...(memory(mine).includes(undefined)
      ? []
      : [compare("peak memory, of node-llama-cpp's", pairRatios(memory(mine), memory(peer)), { most: 1 })]),
  ];
}

/** With the faster of openvino-genai's attention backends in each phase. */
function againstGenai(taken) {
  const mine = taken[AIPC_OPENVINO];
  const peers = GENAI.filter((name) => name in taken).map((name) => taken[name]);
  const slowest = (index, read) =>
    peers.map((peer) => speedRatio(mine, peer, index, read)).toSorted((a, b) => a.median - b.median)[0];
  return contextsOf(mine).flatMap((context, index) => [
    compare(`OpenVINO decode at ${context} tokens, times openvino-genai's speed`, slowest(index, decodeMs), {
      least: 1,
    }),
    compare(`OpenVINO prefill of ${context} tokens, times openvino-genai's speed`, slowest(index, prefillMsPerToken), {
      least: 1,
    }),
  ]);
}

function onItsOwn({ runs, summary }) {
  const { contexts, eventLoopDelayP99Ms, peakResidentBytes, kvBytes, modelBytes } = summary;
  const comparisons = contexts.map(({ contextTokens, outsideNativeMs }) =>
    compare(`outside of the native call at ${contextTokens} tokens`, outsideNativeMs, { most: 1 }, 'ms per token'),
  );
  for (const [phase, delay] of Object.entries(eventLoopDelayP99Ms)) {
    comparisons.push(compare(`event-loop delay, 99th percentile, ${phase}`, delay, { most: 20 }, 'ms'));
  }
  if (contexts.length > 1) {
    const secondTurn = (index) => runs.map((run) => run.contexts.at(index).secondTurn.firstMs);
    const [shortest, longest] = [contexts.at(0).secondTurn, contexts.at(-1).secondTurn];
    comparisons.push(
      compare(
        `second turn's time to first token after ${longest.historyTokens} tokens, of that after ${shortest.historyTokens}`,
        pairRatios(secondTurn(-1), secondTurn(0)),
        { most: 1.25 },
      ),
    );
  }
  if (peakResidentBytes !== undefined) {
    const allowedBytes = MEMORY_AIM.ofModel * modelBytes + kvBytes + MEMORY_AIM.moreBytes;
    comparisons.push(
      compare(
        `peak memory, of ${MEMORY_AIM.ofModel} times the model folder + KV cache + ${MEMORY_AIM.moreBytes / 1e6} MB`,
        summarise(peakResidentBytes.values.map((bytes) => bytes / allowedBytes)),
        { most: 1 },
      ),
    );
  }
  return comparisons;
}
