/** Runs the process of a cell: messages, the load of the machine meanwhile, an end however it ends. It decides no figures. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { LoadMeter, type MeanLoad } from '../load/load-meter.js';
import type { OnLoadProgress } from '../models/progress.js';
import type { CellFigures, CellTask, FromCell } from './cell-task.js';

/** How long a process may take to end after it was asked to: one native run. */
const GRACE_MS = 10_000;
const STDERR_CHARACTERS = 2_000;

export interface CellWatcher {
  readonly onProgress?: OnLoadProgress | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly onRepeated?: ((count: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type CellOutcome =
  | {
      readonly status: 'measured';
      readonly figures: CellFigures;
      /** From before the process was there to the first token. */
      readonly coldStartMs: number;
      readonly load: Omit<MeanLoad, 'ownCpuPercent'>;
    }
  | { readonly status: 'failed'; readonly code: string; readonly message: string };

/** Rejects with the signal's reason; everything else that goes wrong is an outcome. */
export async function runCell(task: CellTask, watcher: CellWatcher = {}): Promise<CellOutcome> {
  const { signal } = watcher;
  signal?.throwIfAborted();
  const worker = fileURLToPath(new URL('./cell-worker.js', import.meta.url));
  const spawnedAtMs = performance.timeOrigin + performance.now();
  const child = fork(worker, [JSON.stringify(task)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] });
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString('utf8')).slice(-STDERR_CHARACTERS)));
  const stop = (): void => endSoon(child);
  signal?.addEventListener('abort', stop, { once: true });
  const run: {
    meter?: LoadMeter;
    load?: Promise<MeanLoad>;
    last?: Extract<FromCell, { type: 'failed' | 'measured' }>;
  } = {};
  child.on('message', (message) => {
    const part = message as FromCell;
    if (part.type === 'progress') watcher.onProgress?.(part.progress);
    else if (part.type === 'warning') watcher.onWarning?.(part.message);
    else if (part.type === 'begin') run.meter = new LoadMeter();
    else if (part.type === 'repeated') watcher.onRepeated?.(part.count);
    else {
      run.last = part;
      if (part.type === 'measured' && run.meter !== undefined) run.load = run.meter.stop();
    }
  });
  try {
    const end = await ended(child);
    signal?.throwIfAborted();
    const load = await run.load;
    const { last } = run;
    if (last?.type === 'failed') return { status: 'failed', code: last.code, message: last.message };
    if (last === undefined || load === undefined) {
      const said = stderr.trim() === '' ? '' : `: ${stderr.trim()}`;
      return { status: 'failed', code: 'PROCESS_FAILED', message: `its process ended with ${end}${said}` };
    }
    const { ownCpuPercent: _benchmarkItself, ...machineLoad } = load;
    return { status: 'measured', figures: last, coldStartMs: last.firstTokenAtMs - spawnedAtMs, load: machineLoad };
  } finally {
    run.meter?.[Symbol.dispose]();
    signal?.removeEventListener('abort', stop);
  }
}

/** How it ended, in words. */
function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(signal ?? `exit code ${String(code)}`));
  });
}

function endSoon(child: ChildProcess): void {
  if (child.connected) child.send('stop');
  const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  timer.unref();
  child.once('close', () => clearTimeout(timer));
}
