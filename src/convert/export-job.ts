/**
 * What an export asks of its workers, as plain data, and the doing of it: the same code in a worker thread and inline.
 */
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import type { WeightSource } from '../weights/weights.js';
import type { OnnxModel } from './onnx/onnx-model.js';
import { largestInt8Error } from './openvino/compress-weights.js';
import { runSlice, withPlace, type TensorSlice } from './tensor-task.js';

export type ExportJob =
  /** Writes into `dataFile`, which must exist. */
  | { readonly kind: 'slice'; readonly slice: TensorSlice; readonly dataFile: string }
  | { readonly kind: 'encode'; readonly model: OnnxModel; readonly file: string }
  /** Answers the largest error that int8 would make in these rows (largestInt8Error). */
  | {
      readonly kind: 'measure';
      readonly tensor: string;
      readonly firstRow: number;
      readonly rowCount: number;
      readonly columnCount: number;
    };

/** What was measured; null for a job that only writes. */
export type JobAnswer = number | null;

/** Does jobs, with synchronous writes: they are many and small where a matrix is transposed. */
export class JobPerformer {
  readonly #source: WeightSource;
  readonly #descriptors = new Map<string, number>();

  constructor(source: WeightSource) {
    this.#source = source;
  }

  async perform(job: ExportJob): Promise<JobAnswer> {
    switch (job.kind) {
      case 'slice': {
        const descriptor = this.#open(job.dataFile);
        await runSlice(job.slice, this.#source, (bytes, offset) => writeAll(descriptor, bytes, offset));
        return null;
      }
      case 'encode': {
        // Loaded where it is needed, a worker as a rule: loading the protobuf library takes tens of milliseconds.
        const { encodeModel } = await import('./onnx/onnx-proto.js');
        writeFileSync(job.file, encodeModel(job.model));
        return null;
      }
      case 'measure': {
        const rows = await this.#source.readRows(job.tensor, job.firstRow, job.rowCount);
        try {
          return largestInt8Error(rows, job.columnCount);
        } catch (error) {
          throw withPlace(error, this.#source, job.tensor, job.firstRow);
        }
      }
    }
  }

  /** Files stay open until close(). */
  close(): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
  }

  #open(file: string): number {
    const descriptor = this.#descriptors.get(file) ?? openSync(file, 'r+');
    this.#descriptors.set(file, descriptor);
    return descriptor;
  }
}

function writeAll(descriptor: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
  }
}
