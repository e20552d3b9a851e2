/** A benchmark's report as tables for a terminal. */
import { labelOf, type BenchReport, type MeasuredCell } from '../bench/report.js';
import type { Comparison } from '../bench/compare.js';
import type { Percentiles, Summary } from '../bench/statistics.js';
import { formatReading } from './load-view.js';
import { formatSize, formatTable } from './sizes.js';

/** Speed, then what it takes, then what could not be measured. */
export function formatReport({ cells, settings, machine, model }: BenchReport): string {
  const measured = cells.flatMap((cell) => (cell.status === 'measured' ? [cell] : []));
  const failed = cells.flatMap((cell) => (cell.status === 'failed' ? [cell] : []));
  const head =
    `${model}: ${settings.newTokens} new tokens, ${settings.repeats} repetitions after ${settings.warmUps} warm-up, on ` +
    `${machine.cpu}, ${machine.logicalProcessors} logical processors, ${machine.memoryGiB} GiB, ${machine.system}\n\n`;
  const speed = [
    ['RAN ON', 'PROMPT', 'FIRST TOKEN', 'PREFILL', 'DECODE', 'EACH TOKEN: MEDIAN', 'P90', 'P99'],
    ...measured.map((cell) => [
      labelOf(cell),
      String(cell.promptTokens),
      `${spread(cell.timeToFirstTokenMs)} ms`,
      `${spread(cell.prefillTokensPerSecond)} tokens/s`,
      cell.decodeTokensPerSecond === null ? '-' : `${spread(cell.decodeTokensPerSecond)} tokens/s`,
      ...tokenTimes(cell.timePerTokenMs),
    ]),
  ];
  const needs = [
    ['RAN ON', 'PROMPT', 'LOAD', 'COLD START', 'PEAK MEMORY', 'CPU (THIS PROCESS)', 'GPU, NPU'],
    ...measured.map((cell) => [
      labelOf(cell),
      String(cell.promptTokens),
      `${spread(cell.loadMs)} ms`,
      `${spread(cell.coldStartMs)} ms`,
      formatSize(cell.peakMemoryBytes),
      `${formatReading(cell.load.cpuPercent, '%')} (${cell.processCpuPercent.toFixed(0)} %)`,
      accelerators(cell),
    ]),
  ];
  const legend = 'median (least to most) of the repetitions\n';
  const tables = measured.length === 0 ? '' : `${formatTable(speed)}\n${formatTable(needs)}${legend}`;
  const errors = failed.map(
    (cell) =>
      `not measured: ${labelOf(cell)}, ${cell.promptTokens} tokens: ${cell.error.message} [${cell.error.code}]\n`,
  );
  return `${head}${tables}${errors.join('')}`;
}

function accelerators({ load }: MeasuredCell): string {
  const devices = load.accelerators.map(
    ({ kind, utilizationPercent }) => `${kind.toUpperCase()} ${formatReading(utilizationPercent, '%')}`,
  );
  return (
    [...devices, ...(load.acceleratorsNotAvailable === null ? [] : [load.acceleratorsNotAvailable])].join(', ') ||
    'none'
  );
}

function tokenTimes(times: Percentiles | null): readonly string[] {
  if (times === null) return ['-', '-', '-'];
  return [times.median, times.p90, times.p99].map((ms) => `${figure(ms)} ms`);
}

/** `12.3 (11.9 to 14.0)`; alone where it was measured once. */
function spread({ median, least, most, values }: Summary): string {
  return values.length === 1 ? figure(median) : `${figure(median)} (${figure(least)} to ${figure(most)})`;
}

function figure(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

export function formatComparison({ cells, remarks }: Comparison): string {
  const rows = cells.flatMap(({ label, promptTokens, figures }) =>
    figures.map(({ name, unit, before, after, ratio, verdict }) => [
      label,
      String(promptTokens),
      name,
      `${figure(before)} ${unit}`,
      `${figure(after)} ${unit}`,
      `x ${ratio.toFixed(2)}`,
      verdict,
    ]),
  );
  const table =
    rows.length === 0
      ? 'the reports have no cell in common\n'
      : formatTable([['RAN ON', 'PROMPT', '', 'FIRST', 'SECOND', '', ''], ...rows]);
  const legend = rows.length === 0 ? '' : 'better, worse: beyond the spreads of both; memory was measured once\n';
  return `${table}${legend}${remarks.map((remark) => `note: ${remark}\n`).join('')}`;
}
