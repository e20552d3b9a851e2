/**
 * What processes that run a model with aipc say of themselves: one small file each in aipc's cache,
 * <cache>/running/PROCESS-NUMBER.json, gone when the model is disposed. This file reads them; publish-model.ts writes them.
 * Whoever can write there could have written anything: what is not of this form, too long, too old or of a process that is
 * gone is left out.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from '../cache-folder.js';
import { hasErrorCode, isProcessAlive } from '../file-system.js';
import type { RunningModel } from './load-sample.js';

export const STATUS_SCHEMA_VERSION = 1;
/** Files are touched at least this often. */
export const STATUS_HEARTBEAT_MS = 5_000;
/** After some missed heartbeats its process hangs, sleeps, or is another one with the same number. */
const STALE_MS = 5 * STATUS_HEARTBEAT_MS;
const MAX_FILE_BYTES = 8_192;
const MAX_FILES = 64;
const MAX_TEXT_CHARACTERS = 1_000;

export function statusFolder(): string {
  return path.join(cacheFolder(), 'running');
}

/** Those that run now, the oldest process first. */
export async function readRunningModels(nowMs = Date.now()): Promise<readonly RunningModel[]> {
  const folder = statusFolder();
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
  const files = names.filter((name) => /^\d+-\d+\.json$/u.test(name)).sort(byNumbers);
  const read = await Promise.all(files.slice(0, MAX_FILES).map((name) => readStatus(path.join(folder, name), nowMs)));
  return read.flatMap((status) => status ?? []);
}

function byNumbers(left: string, right: string): number {
  return left.localeCompare(right, 'en', { numeric: true });
}

async function readStatus(file: string, nowMs: number): Promise<RunningModel | undefined> {
  let text: string;
  try {
    const facts = await stat(file);
    if (!facts.isFile() || facts.size > MAX_FILE_BYTES || nowMs - facts.mtimeMs > STALE_MS) return undefined;
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'EACCES', 'EPERM', 'EBUSY')) return undefined; // it ends just now
    throw error;
  }
  const status = parseStatus(text);
  const ofThisProcess = status !== undefined && path.basename(file).startsWith(`${status.processId}-`);
  return ofThisProcess && isProcessAlive(status.processId) ? status : undefined;
}

/** Undefined: not of this form. */
export function parseStatus(text: string): RunningModel | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const field = (name: string): unknown => (value as Record<string, unknown>)[name];
  const isText = (name: string): boolean => {
    const found = field(name);
    // Control characters would let a file paint the terminal of who watches.
    return typeof found === 'string' && found.length <= MAX_TEXT_CHARACTERS && !/\p{Cc}/u.test(found);
  };
  const isCount = (name: string): boolean => Number.isSafeInteger(field(name)) && Number(field(name)) >= 0;
  const rate = field('tokensPerSecond');
  const isSound =
    field('schemaVersion') === STATUS_SCHEMA_VERSION &&
    ['modelId', 'device', 'deviceName', 'provider'].every(isText) &&
    (field('weightFormat') === null || isText('weightFormat')) &&
    ['processId', 'outputTokens', 'kvCacheTokens', 'contextTokens'].every(isCount) &&
    Number(field('processId')) > 0 &&
    typeof field('emulated') === 'boolean' &&
    ['idle', 'prefill', 'decode'].some((state) => field('state') === state) &&
    (rate === null || (typeof rate === 'number' && rate >= 0 && Number.isFinite(rate)));
  if (!isSound) return undefined;
  const { processId, modelId, weightFormat, device, deviceName, provider, emulated, state, ...rest } =
    value as RunningModel;
  const { tokensPerSecond, outputTokens, kvCacheTokens, contextTokens } = rest;
  const who = { processId, modelId, weightFormat, device, deviceName, provider, emulated, state };
  return { ...who, tokensPerSecond, outputTokens, kvCacheTokens, contextTokens };
}
