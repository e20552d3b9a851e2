/** The worker thread of an export: opens weights and data file once, then does the jobs that it is sent. */
import { workerData } from 'node:worker_threads';
import { reopenWeights } from '../weights/file-weights.js';
import type { WeightIndex } from '../weights/weight-index.js';
import { JobPerformer, type ExportJob } from './export-job.js';
import { packError, type WorkerError } from './worker-error.js';

/** Given to each worker when it starts. */
export interface WorkerSetup {
  readonly weights: WeightIndex;
  readonly dataFile: string;
}

/** null: done. */
export type WorkerAnswer = WorkerError | null;

let performer: JobPerformer | undefined;

export default async function work(job: ExportJob): Promise<WorkerAnswer> {
  try {
    const { weights, dataFile } = workerData as WorkerSetup;
    performer ??= new JobPerformer(reopenWeights(weights), dataFile);
    await performer.perform(job);
    return null;
  } catch (error) {
    return packError(error);
  }
}
