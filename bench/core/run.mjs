/**
 * aipc beside the programs that one would take instead, on one model of Phi-3-mini's full shape: onnxruntime-node's own
 * run() on the same file, node-llama-cpp on a GGUF of the same weights, openvino-genai on optimum's export of them.
 *
 *   AIPC_BENCH_NODE_LLAMA_CPP=... AIPC_BENCH_GENAI_PYTHON=... AIPC_BENCH_OPTIMUM_PYTHON=... node bench/core/run.mjs
 *     [--runners aipc-onnxruntime,onnxruntime-node,node-llama-cpp,aipc-openvino,openvino-genai,openvino-genai-sdpa]
 *     [--context 128,900,3000] [--new-tokens 32] [--second-turn-tokens 32] [--pairs 5] [--threads N]
 *     [--layers 32] [--block-size 32] [--cold-start-blocks 128,32] [--skip-cold-start]
 *     [--session KEY=VALUE]... [--prefill-chunk N]          ONNX Runtime session options and the engine's chunk, for aipc
 *     [--flash-attention on|off]                            for node-llama-cpp; its default otherwise
 *     [--work DIR] [--out DIR] [--name NAME]                the results are NAME.json, NAME.svg and NAME.md
 *     [--prepare]                                           makes the model's formats and ends
 *
 * Each round measures each program in processes of its own, another program first each time. One process loads the model
 * and holds a conversation: a prompt up to the first context length, an answer (prefill and decode), a message of
 * --second-turn-tokens (second turn), a prompt up to the next context length, and so on; then it answers once more while
 * the event loop is watched. openvino-genai keeps no conversation of token ids: it and aipc on OpenVINO start anew for each
 * context. A cold start is another process: from its start to its first token, by this process's clock, the model's files
 * in the system's cache. The last line is the result as JSON; --out gets it too, with a chart and a page.
 */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { runBenchmark, say, writeResult } from '../lib/benchmark.mjs';
import { describeMachine } from '../lib/machine.mjs';
import { runMeasured } from '../lib/measured-process.mjs';
import { measureMemoryBandwidth } from '../lib/memory-bandwidth.mjs';
import { readOptions } from '../lib/options.mjs';
import { PHI3_MINI, writePhi3Shape } from '../phi3-shape.mjs';
import { checkLoaded, compareAll, summariseProgram } from './comparisons.mjs';
import { PROGRAMS } from './programs.mjs';
import { drawCharts, writePage } from './report.mjs';

const WARM_UP_TOKENS = 16;
const COLD_START_TOKENS = 16;
/** Room for what follows the last context: its answer, the second turn, and the answer while the loop is watched. */
const ROOM_TOKENS = 256;
const FIRST_TEXT_ID = 300;
const LAST_TEXT_ID = 31_999;

/** The same ids for every program and round. */
function randomTokens(count) {
  let state = 1;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; // Numerical Recipes' generator
    return FIRST_TEXT_ID + ((state >>> 8) % (LAST_TEXT_ID - FIRST_TEXT_ID));
  });
}

function readSessionOptions(entries) {
  return Object.fromEntries(
    entries.map((entry) => {
      const [, key, value] = /^([^=]+)=(.*)$/.exec(entry) ?? [];
      if (key === undefined) throw new RangeError(`--session takes KEY=VALUE; '${entry}' is none.`);
      return [key, value];
    }),
  );
}

const FLASH_ATTENTION = { on: true, off: false };

function readRunOptions() {
  const options = readOptions({
    runners: Object.keys(PROGRAMS).join(','),
    context: [128, 900, 3000],
    newTokens: 32,
    secondTurnTokens: 32,
    pairs: 5,
    threads: availableParallelism(),
    layers: PHI3_MINI.layers,
    blockSize: 32,
    coldStartBlocks: [128, 32],
    skipColdStart: false,
    session: [],
    prefillChunk: undefined,
    flashAttention: undefined,
    work: path.join(tmpdir(), 'aipc-bench'),
    out: path.join('docs', 'benchmarks'),
    name: undefined,
    prepare: false,
  });
  const names = options.runners.split(',');
  const unknown = names.find((name) => !(name in PROGRAMS));
  if (unknown !== undefined)
    throw new RangeError(`--runners: '${unknown}' is none of ${Object.keys(PROGRAMS).join(', ')}.`);
  if (options.flashAttention !== undefined && !(options.flashAttention in FLASH_ATTENTION)) {
    throw new RangeError(`--flash-attention is on or off, not '${options.flashAttention}'.`);
  }
  if (options.newTokens < 2)
    throw new RangeError('--new-tokens must be at least 2: decode is the time after the first.');
  return {
    ...options,
    names,
    contexts: options.context.toSorted((a, b) => a - b),
    coldStartBlocks: options.skipColdStart ? [] : options.coldStartBlocks,
    sessionOptions: readSessionOptions(options.session),
    prefillChunk: options.prefillChunk === undefined ? undefined : Number(options.prefillChunk),
    flashAttention: FLASH_ATTENTION[options.flashAttention],
  };
}

/** Where files lie is no matter for who repeats the run elsewhere. */
function withoutPlaces(args) {
  const isPlace = (arg) => arg === '--work' || arg === '--out';
  return args.filter((arg, index) => !isPlace(arg) && !isPlace(args[index - 1]) && !/^--(work|out)=/.test(arg));
}

/** The weights, and for each program its files. */
async function prepare(options) {
  const model = path.join(options.work, `phi3-shape-${options.layers}`);
  say(`Weights and the formats made of them, where they are missing: ${model}*`);
  const weights = await writePhi3Shape(model, { layers: options.layers });
  const programs = {};
  for (const name of options.names) programs[name] = await PROGRAMS[name](model, options);
  return { weights, programs };
}

/** Reads all files once, so that the first round finds them in the system's cache like the others. */
async function readThrough(programs) {
  const models = Object.values(programs).flatMap(({ model, coldStartModels }) => [
    model,
    ...Object.values(coldStartModels),
  ]);
  for (const location of new Set(models.map((model) => model.path))) {
    const isFolder = (await stat(location)).isDirectory();
    const files = isFolder ? (await readdir(location)).map((name) => path.join(location, name)) : [location];
    for (const file of files) {
      const stream = createReadStream(file, { highWaterMark: 2 ** 22 });
      for await (const _ of stream); // eslint-disable-line no-unused-vars -- reading is all
    }
  }
}

function start({ command, args, request, env }, model, asked) {
  const input = JSON.stringify(request(model, asked));
  return runMeasured(command, args, { input, env: { ...process.env, ...env } });
}

/** One process that measures a conversation. */
async function measureConversation(program, options) {
  const { contexts, newTokens, secondTurnTokens, threads } = options;
  const longest = contexts.at(-1);
  const run = await start(program, program.model, {
    phase: 'conversation',
    contexts,
    newTokens,
    secondTurnTokens,
    threads,
    warmUpTokens: WARM_UP_TOKENS,
    contextTokens: longest + newTokens + secondTurnTokens + ROOM_TOKENS,
    tokens: randomTokens(2 * contexts.reduce((sum, count) => sum + count + WARM_UP_TOKENS + secondTurnTokens, 0)),
  });
  const { peakResidentBytes, peakPrivateBytes } = run;
  return { ...program.read(JSON.parse(run.stdout.trim().split('\n').at(-1))), peakResidentBytes, peakPrivateBytes };
}

/** Milliseconds from the start of a process to its first token. */
async function measureColdStart(program, model, { threads, contexts }) {
  const run = await start(program, model, {
    phase: 'first-token',
    threads,
    contextTokens: contexts.at(-1) + ROOM_TOKENS,
    tokens: randomTokens(COLD_START_TOKENS),
  });
  return run.firstOutputMs;
}

/** { name: { runs, coldStarts } }, each program in turn, another one first in each round. */
async function runInTurn(programs, options) {
  const names = Object.keys(programs);
  const taken = Object.fromEntries(names.map((name) => [name, { runs: [], coldStarts: {} }]));
  for (let round = 0; round < options.pairs; round += 1) {
    for (const index of names.keys()) {
      const name = names[(index + round) % names.length];
      const program = programs[name];
      const coldStartModels = options.skipColdStart ? {} : program.coldStartModels;
      for (const [modelName, model] of Object.entries(coldStartModels)) {
        const ms = await measureColdStart(program, model, options);
        (taken[name].coldStarts[modelName] ??= []).push(ms);
        say(`${round + 1}/${options.pairs} ${name}: cold start ${modelName} ${(ms / 1000).toFixed(2)} s`);
      }
      const run = await measureConversation(program, options);
      taken[name].runs.push(run);
      say(`${round + 1}/${options.pairs} ${name}: ${inWords(run)}`);
    }
  }
  return taken;
}

function inWords({ contexts, loadMs, peakResidentBytes }) {
  const figures = contexts.map(
    ({ contextTokens, tokens, firstMs, decodeMs, secondTurn }) =>
      `${contextTokens}: ${decodeMs.toFixed(1)} ms/token, prefill ${((1000 * tokens) / firstMs).toFixed(1)} tokens/s` +
      (secondTurn === undefined ? '' : `, second turn ${secondTurn.firstMs.toFixed(0)} ms`),
  );
  const memory = peakResidentBytes === undefined ? '' : `; peak ${(peakResidentBytes / 1e9).toFixed(2)} GB`;
  return `${figures.join('; ')}; load ${(loadMs / 1000).toFixed(2)} s${memory}`;
}

await runBenchmark(async () => {
  const options = readRunOptions();
  const { weights, programs } = await prepare(options);
  if (options.prepare) return { prepared: Object.values(programs).map(({ model }) => model.path) };
  const memoryBandwidth = await measureMemoryBandwidth(options.threads);
  say(`Memory is read at ${memoryBandwidth.gigabytesPerSecond.median} GB/s by ${options.threads} threads`);
  await readThrough(programs);

  const taken = await runInTurn(programs, options);
  for (const [name, program] of Object.entries(taken)) {
    program.summary = summariseProgram({ ...program, model: programs[name].model });
    checkLoaded(name, program.summary);
  }
  const { layers, blockSize, threads, newTokens, sessionOptions, prefillChunk } = options;
  const name = options.name ?? `core-${layers}-layers-block-${blockSize}`;
  const result = {
    benchmark: 'core',
    name,
    command: ['node', 'bench/core/run.mjs', ...withoutPlaces(process.argv.slice(2))].join(' '),
    machine: describeMachine(),
    memoryBandwidth,
    versions: Object.fromEntries(Object.entries(programs).map(([program, { version }]) => [program, version])),
    model: { shape: 'Phi-3-mini, random weights', layers, blockSize, weightsBytes: weights.bytes },
    threads,
    contexts: options.contexts,
    newTokens,
    rounds: options.pairs,
    sessionOptions,
    prefillChunk,
    // Reported, not asserted. Ratios of speeds: above 1, aipc is faster; of times and memory: below 1, it needs less.
    comparisons: compareAll(taken),
    programs: Object.fromEntries(Object.entries(taken).map(([program, { summary }]) => [program, summary])),
  };
  const chart = await writeResult(options.out, name, result);
  await drawCharts(chart, result);
  await writePage(path.join(options.out, `${name}.md`), result);
  return result;
});
