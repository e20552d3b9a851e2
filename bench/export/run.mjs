/**
 * `aipc export` beside the tools that people use today, on the same weights: optimum-cli for OpenVINO (the cookbook's two
 * lines: int4 with --ratio 0.6, fp16), onnxruntime-genai's model builder for ONNX (int4, block 32). Wall time and peak
 * memory of the whole process tree, alone and in turn; then each is run once more on a terminal and interrupted with
 * Ctrl-C half-way: what it had shown of its progress, how it ended and what it left behind.
 *
 *   AIPC_BENCH_OPTIMUM_PYTHON=... AIPC_BENCH_GENAI_BUILDER_PYTHON=... node bench/export/run.mjs
 *     [--layers 32] [--exports onnx-int4,openvino-int4,openvino-fp16] [--pairs 1] [--skip-interruption]
 *     [--work DIR] [--out DIR]
 *
 * At full size the weights and all exports take 45 GB of disk in --work. The last OpenVINO exports stay there, for
 * bench/openvino. Where a peer would not fit into the memory that is free, it is left out and the result says so: of the
 * full size, fp16 takes optimum-cli about 26 GB, and int4 takes the model builder about 21 GB; fewer layers fit. The last
 * line is the result as JSON; --out gets it too, with a chart.
 */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runBenchmark, say, writeResult } from '../lib/benchmark.mjs';
import { writeBarChart } from '../lib/chart.mjs';
import { exportCommand, EXPORTS, runExport } from '../lib/exports.mjs';
import { canInterrupt, runInterrupted } from '../lib/interrupted-process.mjs';
import { describeMachine, machineLine } from '../lib/machine.mjs';
import { readOptions } from '../lib/options.mjs';
import { findPeer } from '../lib/peers.mjs';
import { median, pairRatios, summarise } from '../lib/statistics.mjs';
import { PHI3_MINI, writePhi3Shape } from '../phi3-shape.mjs';

const AIPC = 'aipc';
/**
 * What a peer holds at its peak: bytes, and bytes for each byte of bf16 weights. From runs at 2 and 6 layers, without
 * the files that it maps, which the system can drop; rounded up.
 */
const PEER_MEMORY = {
  'onnx-int4': { bytes: 1e9, perWeightByte: 2.7 },
  'openvino-int4': { bytes: 3e9, perWeightByte: 0.5 },
  'openvino-fp16': { bytes: 2.2e9, perWeightByte: 3.2 },
};
/** Of what it needs: a machine without room to spare ends some other process. */
const HEADROOM = 1.15;
const GIGABYTE = 1e9;
const SECOND_MS = 1000;
/** Wanted of aipc's int4 exports: at most so much of the peer's time, and so many bytes at the peak. */
const INT4_AIMS = { wallTimeRatio: 0.5, peakResidentBytes: 2e9 };

const inGigabytes = (bytes) => (bytes === undefined ? 'unknown' : `${(bytes / GIGABYTE).toFixed(2)} GB`);

/** Why the peer is left out, or undefined where it fits. */
function whyTooLarge(name, weightsBytes) {
  const { bytes, perWeightByte } = PEER_MEMORY[name];
  const neededBytes = bytes + perWeightByte * weightsBytes;
  const availableBytes = process.availableMemory();
  if (HEADROOM * neededBytes < availableBytes) return undefined;
  return `${EXPORTS[name].peer} needs about ${inGigabytes(neededBytes)}, and ${inGigabytes(availableBytes)} are free`;
}

/** What exportCommand and runExport take, for each tool. */
function jobsOf(name, model, python, tools) {
  const { format, flags } = EXPORTS[name];
  const weightFormat = name.slice(format.length + 1);
  const job = (tool) => ({
    ...{ tool, format, python, model, flags: flags[tool] },
    folder: format === 'openvino' ? `${model}-${weightFormat}-${tool}` : `${model}-export-${name}-${tool}`,
  });
  return Object.fromEntries(tools.map((tool) => [tool, job(tool)]));
}

/** Runs the tools in turn, another one first in each pair. Returns { tool: [run] }. */
async function runInTurn(name, jobs, pairs) {
  const tools = Object.keys(jobs);
  const taken = Object.fromEntries(tools.map((tool) => [tool, []]));
  for (let pair = 0; pair < pairs; pair += 1) {
    for (const tool of pair % 2 === 0 ? tools : tools.toReversed()) {
      const run = await runExport(jobs[tool]);
      const { size } = await stat(path.join(jobs[tool].folder, EXPORTS[name].dataFile));
      taken[tool].push({ ...run, dataBytes: size });
      say(
        `${name} ${pair + 1}/${pairs} ${tool}: ${(run.wallMs / SECOND_MS).toFixed(1)} s, peak ` +
          `${inGigabytes(run.peakResidentBytes)}, without mapped files ${inGigabytes(run.peakPrivateBytes)}`,
      );
    }
  }
  return taken;
}

/** Ctrl-C half-way, in an empty folder: how it ended and what stayed there. */
async function interrupt(job, wallMs, work) {
  const place = await mkdtemp(path.join(work, 'interrupted-'));
  try {
    const [command, args, env] = exportCommand({ ...job, folder: path.join(place, 'model') });
    const end = await runInterrupted(command, args, { env, afterMs: wallMs / 2 });
    const left = await readdir(place, { recursive: true, withFileTypes: true });
    const files = left.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
    const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
    return {
      ...end,
      lastText: end.lastText.replaceAll(work, 'DIR'),
      leftFiles: files.length,
      leftBytes: sizes.reduce((sum, size) => sum + size, 0),
    };
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function interruptAll(name, jobs, taken, work) {
  const ends = {};
  for (const [tool, job] of Object.entries(jobs)) {
    const end = await interrupt(job, median(taken[tool].map(({ wallMs }) => wallMs)), work);
    const ended =
      end.endedMs === null ? 'did not end' : `ended after ${end.endedMs.toFixed(0)} ms with ${end.exitCode}`;
    say(
      `${name} ${tool}, Ctrl-C half-way: ${ended}, left ${end.leftFiles} files of ${inGigabytes(end.leftBytes)}; ` +
        `had shown ${end.percentages} percentages, last '${end.lastText}'`,
    );
    ends[tool] = end;
  }
  return ends;
}

/** { tool: summary, ratio }; undefined where it was not measured (memory, outside of Linux). */
function compare(taken, field) {
  const tools = Object.keys(taken);
  const values = tools.map((tool) => taken[tool].map((run) => run[field]));
  if (values[0].includes(undefined)) return undefined;
  const summaries = Object.fromEntries(tools.map((tool, index) => [tool, summarise(values[index])]));
  return tools.length === 1 ? summaries : { ...summaries, ratio: pairRatios(values[0], values[1]) };
}

/** Reported, not asserted: { what, value, aim: { most }, met } for what was measured. */
function againstAims(name, { wallMs, peakResidentBytes }) {
  if (!name.endsWith('int4')) return [];
  const compared = (what, value, most) =>
    value === undefined ? [] : [{ what, value, aim: { most }, met: value.median <= most }];
  return [
    ...compared(`wall time, of ${EXPORTS[name].peer}'s`, wallMs.ratio, INT4_AIMS.wallTimeRatio),
    ...compared('peak memory in bytes', peakResidentBytes?.[AIPC], INT4_AIMS.peakResidentBytes),
  ];
}

function panel({ name, peer }, what, unit, divisor, compared) {
  const bars = [AIPC, peer]
    .filter((tool) => tool in compared)
    .map((tool) => {
      const { median: middle, least, most } = compared[tool];
      return { name: tool, median: middle / divisor, least: least / divisor, most: most / divisor };
    });
  const ratio = compared.ratio === undefined ? '' : `, ${compared.ratio.median.toFixed(2)} of ${peer}'s`;
  return { name: `${name}: ${what}${ratio}`, unit, digits: divisor === GIGABYTE ? 2 : 1, bars };
}

async function draw(file, { machine, model, results }) {
  await writeBarChart(file, {
    title: `Export of Phi-3-mini's shape, ${model.layers} layers: aipc and the tools of today`,
    subtitle: `${machineLine(machine)}; shorter is better`,
    panels: results.flatMap((result) => [
      panel(result, 'wall time', 's', SECOND_MS, result.wallMs),
      ...(result.peakResidentBytes === undefined
        ? []
        : [panel(result, 'peak memory', 'GB', GIGABYTE, result.peakResidentBytes)]),
    ]),
  });
}

async function measure(name, { options, model, weights, peer }) {
  const { format, flags, peer: peerTool } = EXPORTS[name];
  const leftOut = whyTooLarge(name, weights.bytes);
  if (leftOut !== undefined) say(`${name}: ${leftOut}; only aipc runs`);
  const jobs = jobsOf(name, model, peer.python, leftOut === undefined ? [AIPC, peerTool] : [AIPC]);
  const taken = await runInTurn(name, jobs, options.pairs);
  const interrupts = canInterrupt && !options.skipInterruption;
  const interrupted = interrupts ? await interruptAll(name, jobs, taken, options.work) : undefined;
  if (format === 'onnx') for (const { folder } of Object.values(jobs)) await rm(folder, { recursive: true });
  const measured = { wallMs: compare(taken, 'wallMs'), peakResidentBytes: compare(taken, 'peakResidentBytes') };
  return {
    name,
    peer: peerTool,
    command: ['aipc', 'export', format, '--model', 'DIR', ...flags.aipc, 'OUT_DIR'].join(' '),
    leftOut,
    comparisons: againstAims(name, measured),
    ...measured,
    peakPrivateBytes: compare(taken, 'peakPrivateBytes'),
    dataBytes: Object.fromEntries(Object.keys(jobs).map((tool) => [tool, taken[tool][0].dataBytes])),
    interrupted,
  };
}

await runBenchmark(async () => {
  const options = readOptions({
    layers: PHI3_MINI.layers,
    exports: Object.keys(EXPORTS).join(','),
    pairs: 1,
    skipInterruption: false,
    work: path.join(tmpdir(), 'aipc-bench'),
    out: path.join('docs', 'benchmarks'),
  });
  const names = options.exports.split(',');
  const unknown = names.find((name) => !(name in EXPORTS));
  if (unknown !== undefined) {
    throw new RangeError(`--exports: '${unknown}' is none of ${Object.keys(EXPORTS).join(', ')}.`);
  }
  const peers = Object.fromEntries(names.map((name) => [name, findPeer(EXPORTS[name].peerPackage)]));

  const model = path.join(options.work, `phi3-shape-${options.layers}`);
  say(`Weights: ${model}`);
  const weights = await writePhi3Shape(model, { layers: options.layers });

  const results = [];
  for (const name of names) results.push(await measure(name, { options, model, weights, peer: peers[name] }));
  const result = {
    benchmark: 'export',
    machine: describeMachine(),
    versions: Object.fromEntries(names.map((name) => [EXPORTS[name].peer, peers[name].versions])),
    model: { shape: 'Phi-3-mini, random weights', layers: options.layers, weightsBytes: weights.bytes },
    pairs: options.pairs,
    // Ratios below 1: aipc needs less.
    results,
  };
  await draw(await writeResult(options.out, `export-${options.layers}-layers`, result), result);
  return result;
});
