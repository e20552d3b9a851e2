/**
 * Prefill and decode of aipc, on the folder that it exports, beside openvino-genai, on the folder that optimum-cli
 * exports from the same weights. The same threads and the same prompts; each measurement in a fresh process, in turn, so
 * that a slow minute strikes all; both on the libraries of openvino-genai's environment, with their own defaults
 * (dynamic quantisation, 8-bit KV cache).
 * openvino-genai is measured with each of its attention backends; the ratio is to the faster one.
 *
 *   AIPC_BENCH_GENAI_PYTHON=... AIPC_BENCH_OPTIMUM_PYTHON=... node bench/openvino/run.mjs
 *     [--layers 32] [--weight-format int4|fp16] [--prompt-tokens 32,512] [--new-tokens 64] [--pairs 5] [--repeats 2]
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
import { COOKBOOK_EXPORTS, exportOnce } from '../lib/cookbook-exports.mjs';
import { describeMachine, machineLine } from '../lib/machine.mjs';
import { runMeasured } from '../lib/measured-process.mjs';
import { readOptions } from '../lib/options.mjs';
import { findPeer } from '../lib/peers.mjs';
import { median, pairRatios, summarise } from '../lib/statistics.mjs';
import { PHI3_MINI, writePhi3Shape } from '../phi3-shape.mjs';

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));
const FIRST_TEXT_ID = 300;

/** Different prompts for each run of a process, so that no cache of prefixes helps; the same ones for every runner. */
function makePrompts(promptTokens, count) {
  let state = promptTokens;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return FIRST_TEXT_ID + (state % (PHI3_MINI.vocabulary - 1000));
  };
  return Array.from({ length: count }, () => Array.from({ length: promptTokens }, next));
}

async function main() {
  const options = readOptions({
    layers: PHI3_MINI.layers,
    weightFormat: 'int4',
    promptTokens: [32, 512],
    newTokens: 64,
    pairs: 5,
    repeats: 2,
    threads: availableParallelism(),
    work: path.join(tmpdir(), 'aipc-bench'),
    out: path.join('docs', 'benchmarks'),
  });
  const flags = COOKBOOK_EXPORTS[options.weightFormat];
  if (flags === undefined)
    throw new RangeError(`--weight-format is int4 or fp16; '${options.weightFormat}' is neither.`);
  const genai = findPeer('openvino-genai');
  const optimum = findPeer('optimum-intel');

  const model = path.join(options.work, `phi3-shape-${options.layers}`);
  say(`Weights: ${model}`);
  await writePhi3Shape(model, { layers: options.layers });
  const folderOf = (tool) => `${model}-${options.weightFormat}-${tool}`;
  say('Exports: aipc, then optimum-cli, where they are missing');
  const aipcFolder = await exportOnce({ tool: 'aipc', model, flags, folder: folderOf('aipc') });
  const optimumFolder = await exportOnce({
    tool: 'optimum-cli',
    python: optimum.python,
    model,
    flags,
    folder: folderOf('optimum'),
  });

  const cases = options.promptTokens.map((promptTokens) => ({
    promptTokens,
    prompts: makePrompts(promptTokens, options.repeats + 1),
  }));
  const { threads, newTokens } = options;
  const genaiRunner = (backend) => ({
    name: `openvino-genai, ${backend}`,
    command: [genai.python, beside('genai_run.py')],
    request: { folder: optimumFolder, backend, threads, newTokens, cases },
  });
  const runners = [
    {
      name: 'aipc',
      command: [process.execPath, beside('aipc-run.mjs')],
      request: { folder: aipcFolder, threads, newTokens, cases },
    },
    genaiRunner('SDPA'),
    genaiRunner('PA'),
  ];

  const rounds = [];
  for (let round = 0; round < options.pairs; round += 1) {
    const taken = new Map();
    // Each runner comes first in its turn: what ran before leaves a CPU warm and a page cache filled.
    const order = runners.map((_, index) => runners[(index + round) % runners.length]);
    for (const { name, command, request } of order) {
      const [program, ...args] = command;
      const { stdout, peakResidentBytes } = await runMeasured(program, args, {
        input: JSON.stringify(request),
        env: { ...process.env, OPENVINO_LIB_DIR: genai.openvinoLibraries },
      });
      const answer = JSON.parse(stdout.trim().split('\n').at(-1));
      taken.set(name, { ...answer, peakResidentBytes });
      const figures = answer.cases.map(
        ({ promptTokens, prefillMs, decodeMs }) =>
          `${promptTokens}: ${median(prefillMs).toFixed(0)} ms, ${median(decodeMs).toFixed(1)} ms/token`,
      );
      say(`${round + 1}/${options.pairs} ${name}: ${figures.join('; ')}`);
    }
    rounds.push(taken);
  }

  const [aipc, ...peers] = runners.map(({ name }) => name);
  const medians = (name, index, phase) => rounds.map((taken) => median(taken.get(name).cases[index][phase]));
  const phases = cases.flatMap(({ promptTokens }, index) =>
    ['prefillMs', 'decodeMs'].map((phase) => {
      const ms = Object.fromEntries([aipc, ...peers].map((name) => [name, medians(name, index, phase)]));
      const best = peers.toSorted((a, b) => median(ms[a]) - median(ms[b]))[0];
      return {
        phase: phase === 'prefillMs' ? 'prefill' : 'decode',
        promptTokens,
        ms: Object.fromEntries(Object.entries(ms).map(([name, values]) => [name, summarise(values)])),
        fasterPeer: best,
        // Above 1: aipc is the faster one.
        speedRatio: pairRatios(ms[best], ms[aipc]),
      };
    }),
  );
  const machine = describeMachine();
  const versionOf = (name) => rounds[0].get(name).runtimeVersion;
  const result = {
    benchmark: 'openvino',
    machine,
    versions: { aipc: versionOf(aipc), ...genai.versions, 'optimum-intel': optimum.versions['optimum-intel'] },
    model: { shape: 'Phi-3-mini, random weights', layers: options.layers, export: flags.join(' ') },
    threads,
    newTokens,
    processes: options.pairs,
    repeatsPerProcess: options.repeats,
    phases,
    loadMs: Object.fromEntries(
      runners.map(({ name }) => [name, summarise(rounds.map((taken) => taken.get(name).loadMs))]),
    ),
    peakResidentBytes: Object.fromEntries(
      runners.map(({ name }) => [name, Math.max(...rounds.map((taken) => taken.get(name).peakResidentBytes ?? 0))]),
    ),
  };
  const svg = await writeResult(options.out, `openvino-${options.weightFormat}-${options.layers}-layers`, result);
  await writeBarChart(svg, {
    title: `Phi-3-mini's shape, ${options.weightFormat}, ${options.layers} layers: aipc and openvino-genai on the CPU`,
    subtitle: `${machineLine(machine)}; ${threads} threads; OpenVINO ${genai.versions.openvino}; medians of ${options.pairs} processes, shorter is faster`,
    panels: phases.map(({ phase, promptTokens, ms, speedRatio }) => ({
      name: `${phase === 'prefill' ? 'Prefill of' : 'Decode after'} ${promptTokens} tokens: ${speedRatio.median.toFixed(2)} times the faster peer's speed`,
      unit: phase === 'prefill' ? 'ms' : 'ms per token',
      digits: phase === 'prefill' ? 0 : 1,
      bars: Object.entries(ms).map(([name, summary]) => ({ name, ...summary })),
    })),
  });
  return result;
}

await runBenchmark(main);
