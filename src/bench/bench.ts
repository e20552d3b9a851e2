/** The folder's entry: measures a model cell by cell, each in processes of its own, one after the other. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { WEIGHT_FORMATS } from '../convert/recipe.js';
import { kindOfPath } from '../models/path-kind.js';
import { loadingFor, resolveBenchOptions, type BenchOptions, type ResolvedBenchOptions } from './bench-options.js';
import type { CellTask } from './cell-task.js';
import { describeMachine } from './machine.js';
import { runCell, type CellOutcome, type CellWatcher } from './measure-cell.js';
import { keepMeasurements } from './measurements.js';
import { REPORT_SCHEMA_VERSION, type BenchCell, type BenchReport, type CellRequest } from './report.js';
import { percentiles, rounded, summarise } from './statistics.js';

/**
 * Measures `reference`, which may be whatever loadModel() takes. A cell that cannot be measured has its reason in its
 * place. What was measured is kept for recommendations on this machine. Throws OPTION_UNKNOWN, OPTION_INVALID, or the
 * signal's reason.
 */
export async function benchModel(reference: string, options: BenchOptions = {}): Promise<BenchReport> {
  const resolved = resolveBenchOptions(options);
  const startedAt = new Date().toISOString();
  const machine = describeMachine();
  const cells: BenchCell[] = [];
  const modelIds: (string | null)[] = [];
  for (const [index, cell] of resolved.cells.entries()) {
    const { cell: measured, modelId } = await measureCell(reference, cell, resolved, index);
    cells.push(measured);
    modelIds.push(modelId);
  }
  await keepMeasurements(machine, startedAt, cells, modelIds, resolved.onWarning);
  const isPath = (await kindOfPath(reference)) !== 'absent';
  return {
    schemaVersion: REPORT_SCHEMA_VERSION,
    aipcVersion: ownVersion(),
    startedAt,
    machine,
    model: isPath ? path.basename(path.resolve(reference)) : reference,
    settings: { newTokens: resolved.newTokens, repeats: resolved.repeats, warmUps: resolved.warmUps },
    cells,
  };
}

async function measureCell(
  reference: string,
  cell: CellRequest,
  options: ResolvedBenchOptions,
  index: number,
): Promise<{ readonly cell: BenchCell; readonly modelId: string | null }> {
  const position = { index, count: options.cells.length };
  options.onCell?.(cell, position, 0);
  const task = taskOf(reference, cell, options);
  const watcher: CellWatcher = {
    onProgress: options.onProgress,
    onWarning: options.onWarning,
    signal: options.signal,
  };
  // Fetches, converts and compiles, so that what is measured after it is what every later start is like.
  const ready = await runCell({ ...task, newTokens: 1, warmUps: 1, repeats: 0 }, watcher);
  if (ready.status === 'failed') return failed(cell, ready);
  const starts: Extract<CellOutcome, { status: 'measured' }>[] = [];
  for (let start = 1; start < options.coldStarts; start++) {
    const outcome = await runCell({ ...task, newTokens: 1, warmUps: 1, repeats: 0 }, watcher);
    if (outcome.status === 'failed') return failed(cell, outcome);
    starts.push(outcome);
  }
  const onRepeated = (done: number): void => options.onCell?.(cell, position, done);
  const outcome = await runCell({ ...task, load: { ...task.load, download: 'never' } }, { ...watcher, onRepeated });
  if (outcome.status === 'failed') return failed(cell, outcome);
  const { figures } = outcome;
  const tokenIntervalsMs = figures.traces.map(({ timesMs }) =>
    timesMs.slice(1).map((atMs, token) => rounded(atMs - (timesMs[token] ?? 0))),
  );
  const decodeRates = figures.traces.flatMap(({ decodeTokensPerSecond }) => decodeTokensPerSecond ?? []);
  const intervals = tokenIntervalsMs.flat();
  return {
    modelId: figures.modelId,
    cell: {
      ...cell,
      status: 'measured',
      execution: figures.execution,
      usedWeightFormat: figures.usedWeightFormat,
      coldStartMs: summarise([...starts, outcome].map(({ coldStartMs }) => coldStartMs)),
      loadMs: summarise([...starts, outcome].map(({ figures: { loadMs } }) => loadMs)),
      timeToFirstTokenMs: summarise(figures.traces.map(({ timesMs }) => timesMs[0] ?? Number.NaN)),
      prefillTokensPerSecond: summarise(figures.traces.map(({ prefillTokensPerSecond }) => prefillTokensPerSecond)),
      decodeTokensPerSecond: decodeRates.length === 0 ? null : summarise(decodeRates),
      timePerTokenMs: intervals.length === 0 ? null : percentiles(intervals),
      tokenIntervalsMs,
      peakMemoryBytes: figures.peakMemoryBytes,
      processCpuPercent: rounded(figures.processCpuPercent),
      load: outcome.load,
    },
  };
}

function taskOf(reference: string, cell: CellRequest, options: ResolvedBenchOptions): CellTask {
  const { download } = options;
  const weightFormat = WEIGHT_FORMATS.find((format) => format === cell.weightFormat);
  return {
    reference,
    load: {
      device: cell.device,
      provider: cell.provider,
      ...(weightFormat === undefined ? {} : { weightFormat }),
      ...(download === undefined ? {} : { download }),
      ...loadingFor(cell, options),
    },
    promptTokens: cell.promptTokens,
    newTokens: options.newTokens,
    warmUps: options.warmUps,
    repeats: options.repeats,
  };
}

function failed(
  cell: CellRequest,
  { code, message }: Extract<CellOutcome, { status: 'failed' }>,
): { readonly cell: BenchCell; readonly modelId: null } {
  return { modelId: null, cell: { ...cell, status: 'failed', error: { code, message } } };
}

function ownVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  return String((manifest as { version: unknown }).version);
}
