/** Two reports side by side: how many times as much of each figure the second has. */
import { labelOf, type BenchCell, type BenchReport, type MeasuredCell } from './report.js';
import type { Percentiles, Summary } from './statistics.js';

export interface ComparedFigure {
  readonly name: string;
  readonly unit: string;
  readonly before: number;
  readonly after: number;
  /** after / before. */
  readonly ratio: number;
  /** better and worse: beyond both spreads; the same: the spreads overlap, or there is none to go by. */
  readonly verdict: 'better' | 'worse' | 'the same';
}

export interface ComparedCell {
  readonly label: string;
  readonly promptTokens: number;
  readonly figures: readonly ComparedFigure[];
}

export interface Comparison {
  readonly cells: readonly ComparedCell[];
  /** Cells that only one of the reports measured, and differences that make all figures doubtful, in words. */
  readonly remarks: readonly string[];
}

export function compareReports(before: BenchReport, after: BenchReport): Comparison {
  const remarks: string[] = [];
  if (
    before.machine.cpu !== after.machine.cpu ||
    before.machine.logicalProcessors !== after.machine.logicalProcessors
  ) {
    remarks.push(`the machines differ: ${before.machine.cpu} and ${after.machine.cpu}`);
  }
  if (before.model !== after.model) remarks.push(`the models differ: ${before.model} and ${after.model}`);
  if (before.settings.newTokens !== after.settings.newTokens) {
    remarks.push(`the answers differ: ${before.settings.newTokens} and ${after.settings.newTokens} tokens`);
  }
  const measured = (cells: readonly BenchCell[]): Map<string, MeasuredCell> =>
    new Map(cells.flatMap((cell) => (cell.status === 'measured' ? [[keyOf(cell), cell] as const] : [])));
  const old = measured(before.cells);
  const recent = measured(after.cells);
  const only = (from: Map<string, MeasuredCell>, other: Map<string, MeasuredCell>, which: string): void => {
    for (const [key, cell] of from) {
      if (!other.has(key))
        remarks.push(`only the ${which} report has ${labelOf(cell)} with ${cell.promptTokens} tokens`);
    }
  };
  only(old, recent, 'first');
  only(recent, old, 'second');
  const cells = [...old].flatMap(([key, cell]) => {
    const other = recent.get(key);
    return other === undefined
      ? []
      : [{ label: labelOf(cell), promptTokens: cell.promptTokens, figures: compareCells(cell, other) }];
  });
  return { cells, remarks };
}

function keyOf(cell: MeasuredCell): string {
  return JSON.stringify([labelOf(cell), cell.promptTokens]);
}

function compareCells(before: MeasuredCell, after: MeasuredCell): readonly ComparedFigure[] {
  type Spread = Pick<Summary | Percentiles, 'median' | 'least' | 'most'>;
  const figure = (
    name: string,
    unit: string,
    moreIsBetter: boolean,
    read: (cell: MeasuredCell) => Spread | null,
  ): readonly ComparedFigure[] => {
    const [a, b] = [read(before), read(after)];
    if (a === null || b === null) return [];
    const overlap = a.least <= b.most && b.least <= a.most;
    const verdict = overlap ? 'the same' : b.median > a.median === moreIsBetter ? 'better' : 'worse';
    return [{ name, unit, before: a.median, after: b.median, ratio: b.median / a.median, verdict }];
  };
  const alone = (value: number): Spread => ({ median: value, least: value, most: value });
  return [
    ...figure('first token', 'ms', false, (cell) => cell.timeToFirstTokenMs),
    ...figure('prefill', 'tokens/s', true, (cell) => cell.prefillTokensPerSecond),
    ...figure('decode', 'tokens/s', true, (cell) => cell.decodeTokensPerSecond),
    ...figure('load', 'ms', false, (cell) => cell.loadMs),
    ...figure('cold start', 'ms', false, (cell) => cell.coldStartMs),
    ...figure('memory', 'MB', false, (cell) => alone(cell.peakMemoryBytes / 1e6)),
  ];
}
