/**
 * The process that uses hostile models, one after another, and measures itself: what came of each, processor time, memory
 * above where it began. Its parent (pool.ts) sees what it cannot report: crashes, hangs, files where none should be.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { AipcError } from '../../src/errors.js';
import { loadOvApi } from '../../src/engine/openvino/c-api.js';
import type { Use } from './cases.js';
import { USES, type UseRequest } from './use.js';

export interface WorkerTask extends Omit<UseRequest, 'hasOpenvino'> {
  readonly uses: readonly Use[];
}

export interface WorkerReport {
  /** Codes of the errors, or `ok`, one for each use. */
  readonly outcomes: readonly string[];
  /** What must never happen, in words; undefined where all is well. */
  readonly failure?: string;
  /** Of the whole process, all threads. */
  readonly cpuMs: number;
  /** Undefined where the system does not tell. */
  readonly peakAboveStartBytes?: number;
}

/** A message repeats what it found, but never a file. */
const MAX_MESSAGE_CHARACTERS = 16_000;

let stray: string | undefined;
for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
  process.on(event, (error: unknown) => {
    stray = `${event}: ${describe(error)}`;
  });
}

const hasOpenvino = await loadOvApi().then(
  () => true,
  () => false,
);

process.on('disconnect', () => process.exit());
process.on('message', (task: WorkerTask) => {
  void run(task).then((report) => process.send?.(report));
});
process.send?.('ready');

async function run({ uses, ...request }: WorkerTask): Promise<WorkerReport> {
  stray = undefined;
  const startBytes = resetPeak();
  const started = process.cpuUsage();
  const outcomes: string[] = [];
  let failure: string | undefined;
  for (const use of uses) {
    try {
      await USES[use]({ ...request, hasOpenvino });
      outcomes.push('ok');
    } catch (error) {
      if (!(error instanceof AipcError)) failure ??= `${use}: not a typed error: ${describe(error)}`;
      else if (error.message.length > MAX_MESSAGE_CHARACTERS)
        failure ??= `${use}: ${error.code} in ${error.message.length} characters`;
      outcomes.push(error instanceof AipcError ? error.code : 'untyped');
    }
  }
  const { user, system } = process.cpuUsage(started);
  await new Promise(setImmediate); // rejections that nobody handled are known by then
  failure ??= stray;
  if (Object.keys(Object.prototype).length > 0 || 'polluted' in {}) failure ??= 'Object.prototype was changed';
  const peakBytes = peak();
  return {
    outcomes,
    ...(failure === undefined ? {} : { failure }),
    cpuMs: (user + system) / 1000,
    ...(startBytes === undefined || peakBytes === undefined ? {} : { peakAboveStartBytes: peakBytes - startBytes }),
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message).slice(0, 2000) : String(error);
}

/** Linux can forget the peak of a process's memory: then it is that of one case. Returns what is resident now. */
function resetPeak(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  globalThis.gc?.();
  writeFileSync('/proc/self/clear_refs', '5');
  return statusBytes('VmRSS');
}

function peak(): number | undefined {
  return process.platform === 'linux' ? statusBytes('VmHWM') : undefined;
}

function statusBytes(key: string): number {
  const found = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(found?.[1]) * 1024;
}
