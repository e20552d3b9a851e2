/**
 * What an export asks of its workers, as plain data, and the doing of it: the same code in a worker thread and inline.
 */
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import type { WeightSource } from '../weights/weights.js';
import type { OnnxModel } from './onnx/onnx-model.js';
import { runSlice, type TensorSlice } from './tensor-task.js';

export type ExportJob =
  | { readonly kind: 'slice'; readonly slice: TensorSlice }
  | { readonly kind: 'encode'; readonly model: OnnxModel; readonly file: string };

/** Does jobs on one open data file, with synchronous writes: they are many and small where a matrix is transposed. */
export class JobPerformer {
  readonly #source: WeightSource;
  readonly #descriptor: number;

  /** The file must exist. */
  constructor(source: WeightSource, dataFile: string) {
    this.#source = source;
    this.#descriptor = openSync(dataFile, 'r+');
  }

  async perform(job: ExportJob): Promise<void> {
    if (job.kind === 'slice') {
      await runSlice(job.slice, this.#source, (bytes, offset) => this.#writeAll(bytes, offset));
    } else {
      // Loaded where it is needed, a worker as a rule: loading the protobuf library takes tens of milliseconds.
      const { encodeModel } = await import('./onnx/onnx-proto.js');
      writeFileSync(job.file, encodeModel(job.model));
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #writeAll(bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length;) {
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, offset + done);
    }
  }
}
