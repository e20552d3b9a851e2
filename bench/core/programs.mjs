/**
 * The programs that are compared: what each needs, how a process of it is started, and its answer in one form for all.
 * It measures nothing.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { COOKBOOK_EXPORTS } from '../lib/exports.mjs';
import { makeGguf, makeOnnx, makeOpenvino } from '../lib/model-formats.mjs';
import { findNodeLlamaCpp, findPeer } from '../lib/peers.mjs';
import { median } from '../lib/statistics.mjs';

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));
const node = (script) => ({ command: process.execPath, args: [beside(`runners/${script}.mjs`)] });
const OPENVINO_EXPORT = { name: 'int4', flags: COOKBOOK_EXPORTS.int4 };

/** What a JavaScript runner answers is in form already; the model and the peer are what differs. */
const javascript = (script, extra = {}) => ({
  ...node(script),
  request: (model, options) => ({ model: model.path, ...options, ...extra }),
  read: (answer) => answer,
});

/** bench/openvino/genai_run.py: a prompt for each context, of its own, after a short one that warms up. */
function genai({ python }, backend) {
  return {
    command: python,
    args: [beside('../openvino/genai_run.py')],
    request: ({ path: folder }, { phase, tokens, threads, newTokens, contexts, warmUpTokens }) => {
      const shared = { folder, backend, threads };
      if (phase === 'first-token') return { ...shared, firstToken: tokens };
      let used = 0;
      const take = (count) => tokens.slice(used, (used += count));
      const cases = contexts.map((promptTokens) => ({
        promptTokens,
        prompts: [take(warmUpTokens), take(promptTokens)],
      }));
      return { ...shared, newTokens, cases };
    },
    read: ({ cases, ...answer }) => ({
      ...answer,
      contexts: cases.map(({ promptTokens, prefillMs, decodeMs, intervalsMs }) => ({
        contextTokens: promptTokens,
        tokens: promptTokens,
        firstMs: prefillMs[0],
        decodeMs: median(intervalsMs[0]),
        decodeMeanMs: decodeMs[0],
      })),
    }),
  };
}

/**
 * What each program is called in the results. `prepare(model, options)` finds its peer, makes its files and gives
 * { command, args, request(model, options), read(answer), model, coldStartModels: { name: model }, version?, env? }.
 */
export const PROGRAMS = {
  async 'aipc-onnxruntime'(model, { blockSize, coldStartBlocks, sessionOptions, prefillChunk }) {
    const coldStartModels = {};
    for (const size of coldStartBlocks) coldStartModels[`block ${size}`] = await makeOnnx(model, size);
    const extra = { sessionOptions, prefillChunkTokens: prefillChunk };
    return { ...javascript('aipc-onnxruntime', extra), model: await makeOnnx(model, blockSize), coldStartModels };
  },
  async 'onnxruntime-node'(model, { blockSize }) {
    return { ...javascript('onnxruntime-node'), model: await makeOnnx(model, blockSize), coldStartModels: {} };
  },
  async 'node-llama-cpp'(model, { flashAttention }) {
    const { entry, version } = findNodeLlamaCpp();
    const gguf = await makeGguf(model);
    const extra = { peerEntry: entry, weightsFolder: model, flashAttention };
    return { ...javascript('node-llama-cpp', extra), model: gguf, coldStartModels: { Q4_0: gguf }, version };
  },
  async 'aipc-openvino'(model) {
    const folder = await makeOpenvino(model, { tool: 'aipc', ...OPENVINO_EXPORT });
    const env = { OPENVINO_LIB_DIR: findPeer('openvino-genai').openvinoLibraries };
    // Its peer starts anew for each prompt.
    return { ...javascript('aipc-openvino', { fresh: true }), model: folder, coldStartModels: { int4: folder }, env };
  },
  'openvino-genai': (model) => prepareGenai(model, 'PA'),
  'openvino-genai-sdpa': (model) => prepareGenai(model, 'SDPA'),
};

async function prepareGenai(model, backend) {
  const peer = findPeer('openvino-genai');
  const folder = await optimumExport(model);
  return {
    ...genai(peer, backend),
    model: folder,
    coldStartModels: { int4: folder },
    version: peer.versions['openvino-genai'],
  };
}

/** optimum-intel is asked for only where its export is not there yet. */
async function optimumExport(model) {
  const made = existsSync(path.join(`${model}-${OPENVINO_EXPORT.name}-optimum-cli`, 'openvino_model.xml'));
  const python = made ? undefined : findPeer('optimum-intel').python;
  return makeOpenvino(model, { tool: 'optimum-cli', python, ...OPENVINO_EXPORT });
}
