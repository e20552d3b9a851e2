/**
 * Reads tensors where a WeightIndex says they are: positional reads in slices, dequantised slice by slice.
 * It parses nothing and caches nothing.
 */
import { ModelFormatError, OptionError, ResourceError, UsageError } from '../errors.js';
import { dequantise, storedBytes } from './dequantise.js';
import { malformed, quoted } from './format-error.js';
import { ModelFile } from './model-file.js';
import { type PlacedTensor } from './tensor-layout.js';
import { type WeightIndex } from './weight-index.js';
import { type ModelConfig, type WeightSource } from './weights.js';

/**
 * Bytes read and dequantised between two turns of the event loop: one to two milliseconds for 4-bit blocks. At least a
 * row is taken at once.
 */
const SLICE_BYTES = 256 * 1024;

/**
 * A WeightSource over the files of an index. Files are opened at the first read. Reading is slower than the disk where
 * values are dequantised, so heavy users run it in worker threads: give each worker the `index` and let it call
 * reopenWeights().
 */
export class FileWeights implements WeightSource {
  /** Plain data: may be posted to a worker thread. */
  readonly index: WeightIndex;
  readonly tensors: ReadonlyMap<string, PlacedTensor>;
  readonly #files = new Map<number, Promise<ModelFile>>();
  #disposal: Promise<void> | undefined;

  constructor(index: WeightIndex) {
    this.index = index;
    this.tensors = new Map(index.tensors.map((tensor) => [tensor.name, tensor]));
  }

  get config(): ModelConfig {
    return this.index.config;
  }

  get location(): string {
    return this.index.location;
  }

  get files(): readonly string[] {
    return this.index.files;
  }

  async readRows(name: string, firstRow: number, rowCount: number, signal?: AbortSignal): Promise<Float32Array> {
    signal?.throwIfAborted();
    const tensor = this.#tensor(name);
    const [rows = 0, columns = 1] = tensor.shape;
    if (
      !(Number.isInteger(firstRow) && Number.isInteger(rowCount)) ||
      firstRow < 0 ||
      rowCount < 0 ||
      firstRow + rowCount > rows
    ) {
      throw new OptionError(
        'INPUT_INVALID',
        `readRows: rows ${firstRow} to ${firstRow + rowCount} of ${quoted(name)} do not exist: it has ${rows}.`,
        { details: { tensor: name, firstRow, rowCount, rows } },
      );
    }
    const file = await this.#file(tensor.dataFile);
    const result = allocate(name, rowCount * columns);
    const rowBytes = storedBytes(tensor.dtype, columns);
    const headSize = tensor.interleavedHeadSize;
    // Interleaved rows of one head lie anywhere in that head: whole heads are read.
    const group = headSize ?? 1;
    const end = Math.ceil((firstRow + rowCount) / group) * group;
    const start = Math.floor(firstRow / group) * group;
    const rowsPerSlice = Math.min(Math.max(1, Math.floor(SLICE_BYTES / rowBytes)), end - start);
    const slice = new ArrayBuffer(rowsPerSlice * rowBytes);
    for (let row = start; row < end; row += rowsPerSlice) {
      signal?.throwIfAborted();
      const sliceRows = Math.min(rowsPerSlice, end - row);
      this.#refuseIfDisposed();
      await file.read(
        new Uint8Array(slice, 0, sliceRows * rowBytes),
        tensor.offsetBytes + row * rowBytes,
        `the tensor ${quoted(name)}`,
      );
      if (headSize === null) {
        dequantise(tensor.dtype, slice, 0, sliceRows * columns, result, (row - firstRow) * columns);
        continue;
      }
      for (let i = 0; i < sliceRows; i++) {
        const target = orderedRow(row + i, headSize) - firstRow;
        if (target < 0 || target >= rowCount) continue;
        dequantise(tensor.dtype, slice, i * rowBytes, columns, result, target * columns);
      }
    }
    return result;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#closeAll();
    return this.#disposal;
  }

  async #closeAll(): Promise<void> {
    for (const opened of await Promise.allSettled(this.#files.values())) {
      if (opened.status === 'fulfilled') await opened.value[Symbol.asyncDispose]();
    }
  }

  #tensor(name: string): PlacedTensor {
    this.#refuseIfDisposed();
    const tensor = this.tensors.get(name);
    if (tensor === undefined) {
      throw new ModelFormatError('TENSOR_MISSING', `${this.location}: there is no tensor ${quoted(name)}.`, {
        details: { tensor: name },
      });
    }
    return tensor;
  }

  #file(dataFile: number): Promise<ModelFile> {
    let file = this.#files.get(dataFile);
    if (file === undefined) {
      file = this.#open(dataFile);
      this.#files.set(dataFile, file);
    }
    return file;
  }

  async #open(dataFile: number): Promise<ModelFile> {
    const expected = this.index.dataFiles[dataFile];
    if (expected === undefined) throw new RangeError(`WeightIndex has no data file ${dataFile}`);
    const file = await ModelFile.open(expected.path);
    const { sizeBytes, modifiedMs } = file.identity;
    if (sizeBytes === expected.sizeBytes && modifiedMs === expected.modifiedMs) return file;
    await file[Symbol.asyncDispose]();
    throw malformed(expected.path, 'the file was changed after its header was read.', {
      expected,
      found: file.identity,
    });
  }

  #refuseIfDisposed(): void {
    if (this.#disposal === undefined) return;
    throw new UsageError('DISPOSED', `${this.location}: weights were read after they were disposed.`);
  }
}

/** A source over weights that openWeights() indexed before, in any thread: cheap, parses nothing. */
export function reopenWeights(index: WeightIndex): FileWeights {
  return new FileWeights(index);
}

/** Undoes llama.cpp's interleaving: file row h * size + 2j + s is row h * size + s * size/2 + j. */
function orderedRow(fileRow: number, headSize: number): number {
  const inHead = fileRow % headSize;
  return fileRow - inHead + (inHead % 2) * (headSize / 2) + (inHead >> 1);
}

function allocate(name: string, elements: number): Float32Array {
  try {
    return new Float32Array(elements);
  } catch (error) {
    throw new ResourceError(
      'MEMORY_INSUFFICIENT',
      `There is no memory for ${elements * 4} bytes of ${quoted(name)}: read fewer rows at once.`,
      { cause: error, details: { tensor: name, bytes: elements * 4 } },
    );
  }
}
