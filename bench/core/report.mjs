/** The result of a run as a Markdown page and a chart. */
import { writeFormatted } from '../lib/benchmark.mjs';
import { writeBarChart } from '../lib/chart.mjs';
import { machineLine } from '../lib/machine.mjs';

const GIGABYTE = 1e9;
const MS_PER_SECOND = 1000;

const scaled = ({ median, least, most }, divisor) => ({
  median: median / divisor,
  least: least / divisor,
  most: most / divisor,
});

/** Every figure that the programs have in common: { name, unit, digits, of(summary) }; undefined where one has none. */
function figures({ contexts }) {
  return [
    ...contexts.map((contextTokens, index) => ({
      name: `Decode at ${contextTokens} tokens of context`,
      unit: 'ms per token',
      digits: 1,
      of: (summary) => summary.contexts[index].decodeMs,
    })),
    ...contexts.map((contextTokens, index) => ({
      name: `Prefill up to ${contextTokens} tokens, more is better`,
      unit: 'tokens/s',
      digits: 1,
      of: (summary) => summary.contexts[index].prefillTokensPerSecond,
    })),
    ...contexts.map((contextTokens, index) => ({
      name: `Second turn, first token, after ${contextTokens} tokens and an answer`,
      unit: 'ms',
      digits: 0,
      of: (summary) => summary.contexts[index].secondTurn?.firstTokenMs,
    })),
    { name: 'Loading', unit: 's', digits: 2, of: ({ loadMs }) => scaled(loadMs, MS_PER_SECOND) },
    {
      name: 'Peak memory, mapped files included',
      unit: 'GB',
      digits: 2,
      of: ({ peakResidentBytes }) => peakResidentBytes && scaled(peakResidentBytes, GIGABYTE),
    },
  ];
}

function coldStartBars(programs) {
  return Object.entries(programs).flatMap(([name, { coldStartMs }]) =>
    Object.entries(coldStartMs).map(([model, ms]) => ({
      name: `${name}, ${model}`,
      group: name,
      ...scaled(ms, MS_PER_SECOND),
    })),
  );
}

function panels(result) {
  const bars = (of) =>
    Object.entries(result.programs)
      .map(([name, summary]) => ({ name, ...of(summary) }))
      .filter(({ median }) => median !== undefined);
  const coldStart = {
    name: 'Cold start: from the start of the process to the first token',
    unit: 's',
    digits: 2,
    bars: coldStartBars(result.programs),
  };
  return [...figures(result).map(({ of, ...panel }) => ({ ...panel, bars: bars(of) })), coldStart].filter(
    ({ bars: drawn }) => drawn.length > 0,
  );
}

function conditions({ machine, threads, rounds, memoryBandwidth }) {
  const { median } = memoryBandwidth.gigabytesPerSecond;
  return `${machineLine(machine)}; reads memory at ${median.toFixed(1)} GB/s; ${threads} threads; rounds: ${rounds}`;
}

export async function drawCharts(file, result) {
  await writeBarChart(file, {
    title: `Phi-3-mini's shape, int4, ${result.model.layers} layers: aipc beside its peers on the CPU`,
    subtitle: `${conditions(result)}\nMedians, line from least to most; shorter is better unless said`,
    panels: panels(result),
  });
}

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const spread = ({ median, least, most }, digits) =>
  `${median.toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`;

export async function writePage(file, result) {
  const measured = panels(result).flatMap(({ name, unit, digits, bars }) =>
    bars.map((bar, index) => [index === 0 ? `${name} (${unit})` : '', bar.name, spread(bar, digits)]),
  );
  const aims = result.comparisons.map(({ what, value, unit, aim, met }) => [
    unit === 'ratio' ? what : `${what} (${unit})`,
    spread(value, 2),
    aim.least === undefined ? `at most ${aim.most}` : `at least ${aim.least}`,
    met ? 'yes' : 'no',
  ]);
  const programs = Object.entries(result.programs).map(([name, summary]) => {
    const version = result.versions[name] === undefined ? '' : ` ${result.versions[name]}`;
    const flash =
      summary.flashAttention === undefined ? '' : `, flash attention ${summary.flashAttention ? 'on' : 'off'}`;
    const size = (summary.modelBytes / GIGABYTE).toFixed(2);
    return `- ${name}${version}: ${summary.runtimeVersion}; model ${size} GB; KV cache ${summary.kvDtype ?? 'as it comes'}${flash}`;
  });
  const sections = [
    `# Core: ${result.model.layers} layers, block ${result.model.blockSize}`,
    `Made by \`${result.command}\`, with a [chart](${result.name}.svg) and [every figure](${result.name}.json). ` +
      `How it measures: [README](README.md).`,
    `${conditions(result)}.`,
    programs.join('\n'),
    '## Against the aims',
    aims.length === 0
      ? 'The programs that an aim compares were not measured.'
      : table(['what', 'median (least to most)', 'aim', 'met'], aims),
    '## Measured',
    table(['what', 'program', 'median (least to most)'], measured),
  ];
  await writeFormatted(file, sections.join('\n\n'));
}
