/**
 * Prefill and decode of aipc, on the folder that it exports, beside openvino-genai, on the folder that optimum-cli
 * exports from the same weights. The same threads and the same prompts; each measurement in a fresh process, in turn, so
 * that a slow minute strikes all; both on the libraries of openvino-genai's environment, with their own defaults
 * (dynamic quantisation, 8-bit KV cache). openvino-genai is measured with each of its attention backends; the ratio is to
 * the one that is faster in that phase. A second ratio is to its default backend given the property that aipc sets by
 * itself, DYNAMIC_QUANTIZATION_GROUP_SIZE: what is then left is the graph and the way it is driven.
 *
 *   AIPC_BENCH_GENAI_PYTHON=... AIPC_BENCH_OPTIMUM_PYTHON=... node bench/openvino/run.mjs
 *     [--layers 32] [--format int4|fp16] [--prompt-tokens 32,512] [--new-tokens 64] [--pairs 5] [--repeats 2]
 *     [--threads N] [--work DIR] [--out DIR]
 *
 * Weights and folders are made in --work where they are missing, and kept. The last line is the result as JSON; --out
 * gets it too, with a chart.
 */
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runBenchmark, say, writeResult } from '../lib/benchmark.mjs';
import { writeBarChart } from '../lib/chart.mjs';
import { COOKBOOK_EXPORTS } from '../lib/exports.mjs';
import { describeMachine, machineLine } from '../lib/machine.mjs';
import { runMeasured } from '../lib/measured-process.mjs';
import { makeOpenvino } from '../lib/model-formats.mjs';
import { readOptions } from '../lib/options.mjs';
import { findPeer } from '../lib/peers.mjs';
import { median, pairRatios, summarise } from '../lib/statistics.mjs';
import { PHI3_MINI, writePhi3Shape } from '../phi3-shape.mjs';

const AIPC = 'aipc';
const BACKENDS = { SDPA: 'openvino-genai, SDPA', PA: 'openvino-genai, PA' };
const PEERS = Object.values(BACKENDS);
/** openvino-genai with the property that aipc sets for int4 weights in groups of 128. */
const TUNED_PEER = "openvino-genai, PA, aipc's property";
const TUNED_PROPERTIES = { int4: { DYNAMIC_QUANTIZATION_GROUP_SIZE: '128' }, fp16: {} };
const RUNNERS = [AIPC, ...PEERS, TUNED_PEER];
const FIRST_TEXT_ID = 300;
const LAST_TEXT_ID = 31_999;

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Different prompts for each run of a process, so that no cache of prefixes helps; the same ones for every runner. */
function makePrompts(promptTokens, count) {
  let state = promptTokens;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; // Numerical Recipes' generator
    return FIRST_TEXT_ID + ((state >>> 8) % (LAST_TEXT_ID - FIRST_TEXT_ID));
  };
  return Array.from({ length: count }, () => Array.from({ length: promptTokens }, next));
}

/** The weights and both folders, made where they are missing. */
async function prepare({ layers, format, work }, optimumPython) {
  const flags = COOKBOOK_EXPORTS[format];
  if (flags === undefined) throw new RangeError(`--format is int4 or fp16; '${format}' is neither.`);
  const model = path.join(work, `phi3-shape-${layers}`);
  say(`Weights: ${model}; exports by aipc and optimum-cli, where they are missing`);
  await writePhi3Shape(model, { layers });
  const folderOf = async (tool) =>
    (await makeOpenvino(model, { tool, python: optimumPython, name: format, flags })).path;
  return { flags, aipcFolder: await folderOf('aipc'), optimumFolder: await folderOf('optimum-cli') };
}

/** Each runner in a process of its own, `pairs` times, another one first in each round. Returns { name: [answer] }. */
async function runInTurn(commands, pairs, env) {
  const taken = Object.fromEntries(RUNNERS.map((name) => [name, []]));
  for (let round = 0; round < pairs; round += 1) {
    for (const [index] of RUNNERS.entries()) {
      const name = RUNNERS[(index + round) % RUNNERS.length];
      const { command, args, request } = commands[name];
      const run = await runMeasured(command, args, { input: JSON.stringify(request), env });
      const answer = JSON.parse(run.stdout.trim().split('\n').at(-1));
      taken[name].push({ ...answer, peakResidentBytes: run.peakResidentBytes });
      const figures = answer.cases.map(
        ({ promptTokens, prefillMs, decodeMs }) =>
          `${promptTokens}: ${median(prefillMs).toFixed(0)} ms, ${median(decodeMs).toFixed(1)} ms/token`,
      );
      say(`${round + 1}/${pairs} ${name}: ${figures.join('; ')}`);
    }
  }
  return taken;
}

/** One phase at one prompt length: each process's median, and how many times the faster peer's speed aipc has. */
function comparePhase(taken, phase, promptTokens, index) {
  const ms = Object.fromEntries(
    RUNNERS.map((name) => [name, taken[name].map(({ cases }) => median(cases[index][`${phase}Ms`]))]),
  );
  const fasterPeer = PEERS.toSorted((a, b) => median(ms[a]) - median(ms[b]))[0];
  return {
    phase,
    promptTokens,
    ms: Object.fromEntries(RUNNERS.map((name) => [name, summarise(ms[name])])),
    fasterPeer,
    // Above 1: aipc is faster.
    speedRatio: pairRatios(ms[fasterPeer], ms[AIPC]),
    speedRatioSameProperty: pairRatios(ms[TUNED_PEER], ms[AIPC]),
  };
}

async function draw(file, { machine, versions, model, threads, processes, phases }) {
  await writeBarChart(file, {
    title: `Phi-3-mini's shape, ${model.format}, ${model.layers} layers: aipc and openvino-genai on the CPU`,
    subtitle: `${machineLine(machine)}; ${threads} threads; OpenVINO ${versions.openvino}; medians of ${processes} processes, shorter is faster`,
    panels: phases.map(({ phase, promptTokens, ms, speedRatio, speedRatioSameProperty }) => {
      const what = phase === 'prefill' ? 'Prefill of' : 'Decode after';
      return {
        name:
          `${what} ${promptTokens} tokens: ${speedRatio.median.toFixed(2)} times the faster peer's speed, ` +
          `${speedRatioSameProperty.median.toFixed(2)} with the same property`,
        unit: phase === 'prefill' ? 'ms' : 'ms per token',
        digits: phase === 'prefill' ? 0 : 1,
        bars: Object.entries(ms).map(([name, summary]) => ({ name, ...summary })),
      };
    }),
  });
}

await runBenchmark(async () => {
  const options = readOptions({
    layers: PHI3_MINI.layers,
    format: 'int4',
    promptTokens: [32, 512],
    newTokens: 64,
    pairs: 5,
    repeats: 2,
    threads: availableParallelism(),
    work: path.join(tmpdir(), 'aipc-bench'),
    out: path.join('docs', 'benchmarks'),
  });
  const { layers, format, threads, newTokens, pairs, repeats } = options;
  const genai = findPeer('openvino-genai');
  const optimum = findPeer('optimum-intel');
  const { flags, aipcFolder, optimumFolder } = await prepare(options, optimum.python);

  const cases = options.promptTokens.map((promptTokens) => ({
    promptTokens,
    prompts: makePrompts(promptTokens, repeats + 1),
  }));
  const shared = { threads, newTokens, cases };
  const ofGenai = (backend, properties) => ({
    command: genai.python,
    args: [beside('genai_run.py')],
    request: { ...shared, folder: optimumFolder, backend, properties },
  });
  const commands = {
    [AIPC]: {
      command: process.execPath,
      args: [beside('aipc-run.mjs')],
      request: { ...shared, folder: aipcFolder },
    },
    ...Object.fromEntries(Object.entries(BACKENDS).map(([backend, name]) => [name, ofGenai(backend, {})])),
    [TUNED_PEER]: ofGenai('PA', TUNED_PROPERTIES[format]),
  };
  const taken = await runInTurn(commands, pairs, { ...process.env, OPENVINO_LIB_DIR: genai.openvinoLibraries });
  const ofEach = (summary) => Object.fromEntries(RUNNERS.map((name) => [name, summary(taken[name])]));
  const result = {
    benchmark: 'openvino',
    machine: describeMachine(),
    versions: { ...genai.versions, 'optimum-intel': optimum.versions['optimum-intel'] },
    model: { shape: 'Phi-3-mini, random weights', layers, format, export: flags.join(' ') },
    threads,
    newTokens,
    processes: pairs,
    repeatsPerProcess: repeats,
    phases: cases.flatMap(({ promptTokens }, index) =>
      ['prefill', 'decode'].map((phase) => comparePhase(taken, phase, promptTokens, index)),
    ),
    loadMs: ofEach((runs) => summarise(runs.map(({ loadMs }) => loadMs))),
    peakResidentBytes: ofEach((runs) => runs.map(({ peakResidentBytes }) => peakResidentBytes)),
  };
  await draw(await writeResult(options.out, `openvino-${format}-${layers}-layers`, result), result);
  return result;
});
