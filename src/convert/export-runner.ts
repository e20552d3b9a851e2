/**
 * Runs an export's jobs: spread over worker threads where the weights can be opened again by path, else one by one in
 * this thread. It knows nothing of what the jobs do.
 */
import { Piscina } from 'piscina';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FileWeights } from '../weights/file-weights.js';
import type { WeightIndex } from '../weights/weight-index.js';
import type { WeightSource } from '../weights/weights.js';
import { JobPerformer, type ExportJob, type JobAnswer } from './export-job.js';
import type { WorkerAnswer, WorkerSetup } from './export-worker.js';
import { unpackError } from './worker-error.js';

/** More threads than this wait for the disk. */
export const MAX_WORKERS = 64;

/** Disposing it again does no harm. */
export interface ExportRunner extends AsyncDisposable {
  /** Jobs that it is worth having under way at a time. */
  readonly concurrency: number;
  /** Rejects with what the job threw. */
  run(job: ExportJob): Promise<JobAnswer>;
}

/** Threads for weights in files, unless `workerCount` is 0; this thread for sources of another kind. */
export function createRunner(source: WeightSource, workerCount: number): ExportRunner {
  return workerCount > 0 && source instanceof FileWeights
    ? createWorkerRunner(source.index, workerCount)
    : createInlineRunner(source);
}

/** The event loop turns between jobs. */
function createInlineRunner(source: WeightSource): ExportRunner {
  const performer = new JobPerformer(source);
  return {
    concurrency: 1,
    async run(job) {
      await nextTurn();
      return performer.perform(job);
    },
    [Symbol.asyncDispose]() {
      performer.close();
      return Promise.resolve();
    },
  };
}

/** Disposing stops the threads at once, in mid-job too. */
function createWorkerRunner(weights: WeightIndex, workerCount: number): ExportRunner {
  const pool = new Piscina<ExportJob, WorkerAnswer>({
    filename: new URL('./export-worker.js', import.meta.url).href,
    minThreads: 1,
    maxThreads: workerCount,
    workerData: { weights } satisfies WorkerSetup,
  });
  let disposal: Promise<void> | undefined;
  return {
    // One more than there are threads, so that none waits for the next job to arrive.
    concurrency: workerCount + 1,
    async run(job) {
      const result = await pool.run(job);
      if ('error' in result) throw unpackError(result.error);
      return result.answer;
    },
    [Symbol.asyncDispose]() {
      disposal ??= pool.destroy();
      return disposal;
    },
  };
}

/**
 * Runs all jobs, at most `concurrency` at a time, and reports each when done. At the first failure or abort no more
 * are begun; rejects with that failure once the others under way have ended.
 */
export async function runAll<T extends ExportJob>(
  runner: ExportRunner,
  jobs: Iterator<T>,
  onDone: (job: T, answer: JobAnswer) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  let failed = false;
  const lane = async (): Promise<void> => {
    while (!failed) {
      signal?.throwIfAborted();
      const next = jobs.next();
      if (next.done === true) return;
      onDone(next.value, await runner.run(next.value));
    }
  };
  const lanes = Array.from({ length: runner.concurrency }, () =>
    lane().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const outcomes = await Promise.allSettled(lanes);
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}
