/**
 * What `aipc bench` measured on this machine, kept for recommendations: <cache>/measurements/MACHINE.json, the newest of
 * each combination, a bounded number. Emulated devices are not kept: their speed says nothing about the device.
 * Whoever can write there could have written anything: the file is bounded and checked when it is read.
 */
import { mkdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from '../cache-folder.js';
import type { Measurement } from '../devices/measurement.js';
import { ModelFormatError } from '../errors.js';
import { hasErrorCode, replaceFile } from '../file-system.js';
import { describeMachine, machineKey } from './machine.js';
import type { BenchCell, BenchMachine } from './report.js';

/** Bumped when a field changes its meaning. */
const SCHEMA_VERSION = 1;
const MAX_FILE_BYTES = 1_000_000;
const MAX_MEASUREMENTS = 500;
const MAX_TEXT_CHARACTERS = 1_000;
/** Faster than any machine. */
const MAX_RATE = 1e9;

/** With the time it was taken, ISO 8601. */
export interface KeptMeasurement extends Measurement {
  readonly measuredAt: string;
}

function measurementsFile(machine: BenchMachine): string {
  return path.join(cacheFolder(), 'measurements', `${machineKey(machine)}.json`);
}

/**
 * The measurements of this machine, the newest last; none where nothing was measured. Throws FILE_LIMIT_EXCEEDED and
 * FILE_MALFORMED for a file that aipc did not write like this.
 */
export async function readMeasurements(machine = describeMachine()): Promise<readonly KeptMeasurement[]> {
  const file = measurementsFile(machine);
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) throw damaged(file, 'FILE_LIMIT_EXCEEDED', `${size} bytes, at most ${MAX_FILE_BYTES}`);
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
  return parseMeasurements(text, file);
}

/** Throws FILE_MALFORMED. */
export function parseMeasurements(text: string, file: string): readonly KeptMeasurement[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(file, 'FILE_MALFORMED', 'no JSON', error);
  }
  const { schemaVersion, measurements } = (value ?? {}) as { schemaVersion?: unknown; measurements?: unknown };
  if (schemaVersion !== SCHEMA_VERSION) throw damaged(file, 'FILE_MALFORMED', 'another schema version');
  if (!Array.isArray(measurements) || measurements.length > MAX_MEASUREMENTS) {
    throw damaged(file, 'FILE_MALFORMED', `no list of at most ${MAX_MEASUREMENTS} measurements`);
  }
  return measurements.map((entry: unknown, index) => {
    const measurement = checkedMeasurement(entry);
    if (measurement === undefined) throw damaged(file, 'FILE_MALFORMED', `measurement ${index} is none`);
    return measurement;
  });
}

/** Keeps what was measured, in place of older measurements of the same. Tells `onWarning` where it cannot. */
export async function keepMeasurements(
  machine: BenchMachine,
  measuredAt: string,
  cells: readonly BenchCell[],
  modelIds: readonly (string | null)[],
  onWarning: ((message: string) => void) | undefined,
): Promise<void> {
  const taken = cells.flatMap((cell, index) => toMeasurement(cell, modelIds[index] ?? null, measuredAt) ?? []);
  if (taken.length === 0) return;
  const file = measurementsFile(machine);
  let older: readonly KeptMeasurement[] = [];
  try {
    older = await readMeasurements(machine);
  } catch (error) {
    if (!(error instanceof ModelFormatError)) throw error;
    onWarning?.(`${error.message} It is replaced.`);
  }
  const all = new Map([...older, ...taken].map((measurement) => [combinationOf(measurement), measurement]));
  const sorted = [...all.values()].sort((a, b) => a.measuredAt.localeCompare(b.measuredAt, 'en'));
  await mkdir(path.dirname(file), { recursive: true });
  const measurements = sorted.slice(-MAX_MEASUREMENTS);
  await replaceFile(file, `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, machine, measurements })}\n`);
}

function combinationOf({ modelId, deviceId, provider, weightFormat, promptTokens }: Measurement): string {
  return JSON.stringify([modelId, deviceId, provider, weightFormat, promptTokens]);
}

/** Undefined: nothing that a recommendation can use. */
function toMeasurement(cell: BenchCell, modelId: string | null, measuredAt: string): KeptMeasurement | undefined {
  if (cell.status === 'failed' || modelId === null || cell.execution.emulated) return undefined;
  if (cell.decodeTokensPerSecond === null) return undefined;
  const { device } = cell.execution;
  return checkedMeasurement({
    modelId,
    deviceId: device === 'gpu' ? 'gpu.0' : device,
    provider: cell.execution.provider,
    weightFormat: cell.usedWeightFormat ?? 'unknown',
    promptTokens: cell.promptTokens,
    decodeTokensPerSecond: cell.decodeTokensPerSecond.median,
    prefillTokensPerSecond: cell.prefillTokensPerSecond.median,
    timeToFirstTokenMs: cell.timeToFirstTokenMs.median,
    measuredAt,
  });
}

function checkedMeasurement(value: unknown): KeptMeasurement | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const field = (name: string): unknown => (value as Record<string, unknown>)[name];
  const isText = (name: string): boolean => {
    const found = field(name);
    return typeof found === 'string' && found.length <= MAX_TEXT_CHARACTERS && !/\p{Cc}/u.test(found);
  };
  const isPositive = (name: string): boolean => {
    const found = field(name);
    return typeof found === 'number' && found > 0 && found <= MAX_RATE;
  };
  const isSound =
    ['modelId', 'deviceId', 'provider', 'weightFormat', 'measuredAt'].every(isText) &&
    /^(?:cpu|gpu\.\d{1,2}|npu(?:\.\d{1,2})?)$/u.test(String(field('deviceId'))) &&
    Number.isSafeInteger(field('promptTokens')) &&
    ['promptTokens', 'decodeTokensPerSecond', 'prefillTokensPerSecond', 'timeToFirstTokenMs'].every(isPositive);
  if (!isSound) return undefined;
  const { modelId, deviceId, provider, weightFormat, promptTokens, ...rest } = value as KeptMeasurement;
  const { decodeTokensPerSecond, prefillTokensPerSecond, timeToFirstTokenMs, measuredAt } = rest;
  const what = { modelId, deviceId, provider, weightFormat, promptTokens };
  return { ...what, decodeTokensPerSecond, prefillTokensPerSecond, timeToFirstTokenMs, measuredAt };
}

function damaged(
  file: string,
  code: 'FILE_MALFORMED' | 'FILE_LIMIT_EXCEEDED',
  found: string,
  cause?: unknown,
): ModelFormatError {
  return new ModelFormatError(code, `${file} holds ${found}; delete it, and run aipc bench again.`, {
    details: { file },
    cause,
  });
}
