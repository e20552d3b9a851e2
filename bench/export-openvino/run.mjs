/**
 * `aipc export openvino` beside optimum-cli on the same weights: wall time and peak memory of the whole process tree, for
 * the cookbook's two lines (int4 with --ratio 0.6, fp16). Both run alone, in turn, from the same files.
 *
 *   AIPC_BENCH_OPTIMUM_PYTHON=... node bench/export-openvino/run.mjs
 *     [--layers 32] [--formats int4,fp16] [--pairs 1] [--work DIR] [--out DIR]
 *
 * At full size the weights and all exports take 35 GB of disk in --work. The last exports stay there, for bench/openvino.
 * Where optimum-cli would not fit into the memory that is free, it is left out and the result says so: full size in fp16
 * takes it about 26 GB. The last line is the result as JSON; --out gets it too, with a chart.
 */
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runBenchmark, say, writeResult } from '../lib/benchmark.mjs';
import { writeBarChart } from '../lib/chart.mjs';
import { COOKBOOK_EXPORTS, runExport } from '../lib/cookbook-exports.mjs';
import { describeMachine, machineLine } from '../lib/machine.mjs';
import { readOptions } from '../lib/options.mjs';
import { findPeer } from '../lib/peers.mjs';
import { pairRatios, summarise } from '../lib/statistics.mjs';
import { PHI3_MINI, writePhi3Shape } from '../phi3-shape.mjs';

const TOOLS = ['aipc', 'optimum-cli'];
/**
 * What optimum-cli holds at its peak: bytes, and bytes for each byte of bf16 weights. From runs of optimum-intel 2.2.0 at
 * 2 and 6 layers, without the files that it maps, which the system can drop; rounded up.
 */
const OPTIMUM_MEMORY = { int4: { bytes: 3e9, perWeightByte: 0.5 }, fp16: { bytes: 2.2e9, perWeightByte: 3.2 } };
const GIGABYTE = 1e9;
const SECOND_MS = 1000;

const inGigabytes = (bytes) => (bytes === undefined ? 'unknown' : `${(bytes / GIGABYTE).toFixed(2)} GB`);

/** Why optimum-cli is left out, or undefined where it fits. */
function whyTooLarge(format, weightsBytes) {
  const { bytes, perWeightByte } = OPTIMUM_MEMORY[format];
  const neededBytes = bytes + perWeightByte * weightsBytes;
  const availableBytes = process.availableMemory();
  if (neededBytes < availableBytes) return undefined;
  return `optimum-cli needs about ${inGigabytes(neededBytes)}, and ${inGigabytes(availableBytes)} are free`;
}

/** Runs the tools in turn, another one first in each pair. Returns { tool: [run] }. */
async function runInTurn({ tools, pairs, format, model, python }) {
  const taken = Object.fromEntries(tools.map((tool) => [tool, []]));
  for (let pair = 0; pair < pairs; pair += 1) {
    for (const tool of pair % 2 === 0 ? tools : tools.toReversed()) {
      const folder = `${model}-${format}-${tool}`;
      const run = await runExport({ tool, python, model, flags: COOKBOOK_EXPORTS[format], folder });
      const { size } = await stat(path.join(folder, 'openvino_model.bin'));
      taken[tool].push({ ...run, dataBytes: size });
      say(
        `${format} ${pair + 1}/${pairs} ${tool}: ${(run.wallMs / SECOND_MS).toFixed(1)} s, peak ` +
          `${inGigabytes(run.peakResidentBytes)}, without mapped files ${inGigabytes(run.peakPrivateBytes)}`,
      );
    }
  }
  return taken;
}

/** { tool: summary, ratio }; undefined where it was not measured (memory, outside of Linux). */
function compare(taken, field) {
  const tools = Object.keys(taken);
  const values = tools.map((tool) => taken[tool].map((run) => run[field]));
  if (values[0].includes(undefined)) return undefined;
  const summaries = Object.fromEntries(tools.map((tool, index) => [tool, summarise(values[index])]));
  return tools.length === 1 ? summaries : { ...summaries, ratio: pairRatios(values[0], values[1]) };
}

function panel(format, name, unit, divisor, compared) {
  const bars = TOOLS.filter((tool) => tool in compared).map((tool) => {
    const { median, least, most } = compared[tool];
    return { name: tool, median: median / divisor, least: least / divisor, most: most / divisor };
  });
  const ratio = compared.ratio === undefined ? '' : `, ${compared.ratio.median.toFixed(2)} of optimum-cli's`;
  return { name: `${format}: ${name}${ratio}`, unit, digits: divisor === GIGABYTE ? 2 : 1, bars };
}

async function draw(file, { machine, versions, model, results }) {
  await writeBarChart(file, {
    title: `Export of Phi-3-mini's shape, ${model.layers} layers, to OpenVINO: aipc and optimum-cli`,
    subtitle: `${machineLine(machine)}; optimum-intel ${versions['optimum-intel']}, NNCF ${versions.nncf}; shorter is better`,
    panels: results.flatMap(({ format, wallMs, peakResidentBytes }) => [
      panel(format, 'wall time', 's', SECOND_MS, wallMs),
      ...(peakResidentBytes === undefined ? [] : [panel(format, 'peak memory', 'GB', GIGABYTE, peakResidentBytes)]),
    ]),
  });
}

await runBenchmark(async () => {
  const options = readOptions({
    layers: PHI3_MINI.layers,
    formats: 'int4,fp16',
    pairs: 1,
    work: path.join(tmpdir(), 'aipc-bench'),
    out: path.join('docs', 'benchmarks'),
  });
  const formats = options.formats.split(',');
  const unknown = formats.find((format) => !(format in COOKBOOK_EXPORTS));
  if (unknown !== undefined) throw new RangeError(`--formats takes int4 and fp16; '${unknown}' is neither.`);
  const { python, versions } = findPeer('optimum-intel');

  const model = path.join(options.work, `phi3-shape-${options.layers}`);
  say(`Weights: ${model}`);
  const weights = await writePhi3Shape(model, { layers: options.layers });

  const results = [];
  for (const format of formats) {
    const leftOut = whyTooLarge(format, weights.bytes);
    if (leftOut !== undefined) say(`${format}: ${leftOut}; only aipc runs`);
    const tools = leftOut === undefined ? TOOLS : ['aipc'];
    const taken = await runInTurn({ tools, pairs: options.pairs, format, model, python });
    results.push({
      format,
      command: ['export', 'openvino', '--model', 'DIR', ...COOKBOOK_EXPORTS[format], 'OUT_DIR'].join(' '),
      leftOut,
      wallMs: compare(taken, 'wallMs'),
      peakResidentBytes: compare(taken, 'peakResidentBytes'),
      peakPrivateBytes: compare(taken, 'peakPrivateBytes'),
      dataBytes: Object.fromEntries(tools.map((tool) => [tool, taken[tool][0].dataBytes])),
    });
  }
  const result = {
    benchmark: 'export-openvino',
    machine: describeMachine(),
    versions,
    model: { shape: 'Phi-3-mini, random weights', layers: options.layers, weightsBytes: weights.bytes },
    pairs: options.pairs,
    // Ratios below 1: aipc needs less. Wanted: at most 0.5 of the time and 0.25 of the memory.
    results,
  };
  await draw(await writeResult(options.out, `export-openvino-${options.layers}-layers`, result), result);
  return result;
});
