/** The worker thread of an export: opens the weights once, then does the jobs that it is sent. */
import { workerData } from 'node:worker_threads';
import { reopenWeights } from '../weights/file-weights.js';
import type { WeightIndex } from '../weights/weight-index.js';
import { JobPerformer, type ExportJob, type JobAnswer } from './export-job.js';
import { packError, type WorkerError } from './worker-error.js';

/** Given to each worker when it starts. */
export interface WorkerSetup {
  readonly weights: WeightIndex;
}

export type WorkerAnswer = { readonly answer: JobAnswer } | { readonly error: WorkerError };

let performer: JobPerformer | undefined;

export default async function work(job: ExportJob): Promise<WorkerAnswer> {
  try {
    const { weights } = workerData as WorkerSetup;
    performer ??= new JobPerformer(reopenWeights(weights));
    return { answer: await performer.perform(job) };
  } catch (error) {
    return { error: packError(error) };
  }
}
