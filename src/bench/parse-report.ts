/** Reads a saved report, which may be any file: bounded, and checked as far as it is used. */
import { readSmallFile } from '../file-system.js';
import { ModelFormatError } from '../errors.js';
import { REPORT_SCHEMA_VERSION, type BenchReport } from './report.js';

/** 200 cells of 128 tokens and 5 repetitions take 1 MB. */
const MAX_REPORT_BYTES = 64 * 2 ** 20;
const MAX_CELLS = 10_000;

/** Throws MODEL_FILE_MISSING, FILE_LIMIT_EXCEEDED, FILE_MALFORMED. */
export async function readReport(file: string): Promise<BenchReport> {
  const remedy = 'Give a file that aipc bench --json or --output wrote.';
  const text = (await readSmallFile(file, { maxBytes: MAX_REPORT_BYTES, remedy })).toString('utf8');
  const malformed = (found: string, cause?: unknown): ModelFormatError =>
    new ModelFormatError('FILE_MALFORMED', `${file} holds ${found}. ${remedy}`, { details: { file }, cause });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformed('no JSON', error);
  }
  if (!isRecord(value)) throw malformed('no report');
  if (value['schemaVersion'] !== REPORT_SCHEMA_VERSION) {
    throw malformed(
      `a report of schema version ${String(value['schemaVersion'])}; this aipc reads ${REPORT_SCHEMA_VERSION}`,
    );
  }
  const { cells, machine, settings, model } = value;
  const isSound =
    isRecord(machine) &&
    isRecord(settings) &&
    isText(model) &&
    ['cpu', 'system', 'node'].every((name) => isText(machine[name])) &&
    ['logicalProcessors', 'memoryGiB'].every((name) => isFigure(machine[name])) &&
    ['newTokens', 'repeats', 'warmUps'].every((name) => isFigure(settings[name])) &&
    Array.isArray(cells) &&
    cells.length <= MAX_CELLS &&
    cells.every(isCell);
  if (!isSound) throw malformed('something else than a report of aipc bench');
  return value as unknown as BenchReport;
}

function isCell(cell: unknown): boolean {
  if (!isRecord(cell)) return false;
  const { status, execution, error, tokenIntervalsMs, weightFormat, usedWeightFormat, promptTokens } = cell;
  const isRequest =
    isText(cell['device']) &&
    isText(cell['provider']) &&
    (weightFormat === null || isText(weightFormat)) &&
    isFigure(promptTokens);
  if (!isRequest) return false;
  if (status === 'failed') return isRecord(error) && isText(error['code']) && isText(error['message']);
  const hasFigures = (value: unknown, names: readonly string[]): boolean =>
    isRecord(value) && names.every((name) => isFigure(value[name]));
  return (
    status === 'measured' &&
    isRecord(execution) &&
    ['requested', 'device', 'deviceName', 'provider', 'runtimeVersion'].every((name) => isText(execution[name])) &&
    typeof execution['emulated'] === 'boolean' &&
    (usedWeightFormat === null || isText(usedWeightFormat)) &&
    ['coldStartMs', 'loadMs', 'timeToFirstTokenMs', 'prefillTokensPerSecond'].every((name) =>
      hasFigures(cell[name], ['median', 'least', 'most']),
    ) &&
    (cell['decodeTokensPerSecond'] === null ||
      hasFigures(cell['decodeTokensPerSecond'], ['median', 'least', 'most'])) &&
    (cell['timePerTokenMs'] === null ||
      hasFigures(cell['timePerTokenMs'], ['median', 'p90', 'p99', 'least', 'most'])) &&
    isFigure(cell['peakMemoryBytes']) &&
    Array.isArray(tokenIntervalsMs) &&
    tokenIntervalsMs.every((run) => Array.isArray(run) && run.every(isFigure))
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Without control characters: they would paint the terminal. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 10_000 && !/\p{Cc}/u.test(value.replaceAll('\n', ' '));
}

function isFigure(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
