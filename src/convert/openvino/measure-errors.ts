/** The first pass of a mixed-precision export: what each matrix would lose in int8. It chooses nothing. */
import type { ExportFolderOptions } from '../export-folder.js';
import type { ExportJob } from '../export-job.js';
import { runAll, type ExportRunner } from '../export-runner.js';
import { sliceRows } from '../tensor-task.js';
import type { WeightMatrix } from './weight-plan.js';

interface MeasureJob extends Extract<ExportJob, { readonly kind: 'measure' }> {
  /** Whose error it is. */
  readonly matrix: string;
}

/** By the name of the matrix: the largest over its rows of the mean square error of int8. */
export async function measureErrors(
  runner: ExportRunner,
  matrices: readonly WeightMatrix[],
  { onProgress, signal }: Pick<ExportFolderOptions, 'onProgress' | 'signal'>,
): Promise<ReadonlyMap<string, number>> {
  const totalBytes = matrices.reduce((sum, { linear }) => sum + linear.inputSize * linear.outputSize * 4, 0);
  let doneBytes = 0;
  const errors = new Map<string, number>(matrices.map(({ name }) => [name, 0]));
  onProgress?.({ phase: 'measuring', doneBytes, totalBytes, tensor: null });
  await runAll(
    runner,
    measureJobs(matrices),
    ({ matrix, tensor, rowCount, columnCount }, answer) => {
      errors.set(matrix, Math.max(errors.get(matrix) ?? 0, answer ?? 0));
      doneBytes += rowCount * columnCount * 4;
      onProgress?.({ phase: 'measuring', doneBytes, totalBytes, tensor });
    },
    signal,
  );
  return errors;
}

function* measureJobs(matrices: readonly WeightMatrix[]): Generator<MeasureJob, undefined> {
  for (const { name, linear } of matrices) {
    for (const { tensor, rowCount } of linear.parts) {
      const columnCount = linear.inputSize;
      for (const rows of sliceRows({ rowCount, columnCount })) {
        yield { kind: 'measure', matrix: name, tensor, columnCount, ...rows };
      }
    }
  }
}
