/**
 * Runs an export's jobs: spread over worker threads where the weights can be opened again by path, else one by one in
 * this thread. It knows nothing of what the jobs do.
 */
import { Piscina } from 'piscina';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { WeightIndex } from '../weights/weight-index.js';
import type { WeightSource } from '../weights/weights.js';
import { JobPerformer, type ExportJob } from './export-job.js';
import type { WorkerAnswer, WorkerSetup } from './export-worker.js';
import { unpackError } from './worker-error.js';

export interface ExportRunner extends AsyncDisposable {
  /** Jobs that it is worth having under way at a time. */
  readonly concurrency: number;
  /** Rejects with what the job threw. */
  run(job: ExportJob): Promise<void>;
}

/** For sources that exist in this process alone. The event loop turns between jobs. */
export function createInlineRunner(source: WeightSource, dataFile: string): ExportRunner {
  const performer = new JobPerformer(source, dataFile);
  return {
    concurrency: 1,
    async run(job) {
      await nextTurn();
      await performer.perform(job);
    },
    [Symbol.asyncDispose]() {
      performer.close();
      return Promise.resolve();
    },
  };
}

/** For weights in files. Disposing stops the threads at once, in mid-job too. */
export function createWorkerRunner(weights: WeightIndex, dataFile: string, workerCount: number): ExportRunner {
  const pool = new Piscina<ExportJob, WorkerAnswer>({
    filename: new URL('./export-worker.js', import.meta.url).href,
    minThreads: 1,
    maxThreads: workerCount,
    workerData: { weights, dataFile } satisfies WorkerSetup,
  });
  return {
    // One more than there are threads, so that none waits for the next job to arrive.
    concurrency: workerCount + 1,
    async run(job) {
      const answer = await pool.run(job);
      if (answer !== null) throw unpackError(answer);
    },
    async [Symbol.asyncDispose]() {
      await pool.destroy();
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
  onDone: (job: T) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  let failed = false;
  const lane = async (): Promise<void> => {
    while (!failed) {
      signal?.throwIfAborted();
      const next = jobs.next();
      if (next.done === true) return;
      await runner.run(next.value);
      onDone(next.value);
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
