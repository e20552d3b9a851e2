/**
 * The units of an export's heavy work: read rows of a tensor, transform them, write them at a known place of the
 * data file. Tasks are plain data (they go to worker threads) and independent of each other, so the file's bytes do
 * not depend on how many workers ran them or in which order. It does not decide what is written where.
 */
import type { WeightSource } from '../weights/weights.js';
import { ModelFormatError, UnsupportedError } from '../errors.js';
import { MAX_FLOAT16, toFloat16Array } from './float16.js';
import { compressRows, packedBytes, type CompressedFormat } from './openvino/compress-weights.js';
import { quantiseRows, quantisedRowLayout, type BlockFormat } from './quantise.js';
import { inverseFrequencies } from './rope.js';

interface RowsOfTensor {
  readonly tensor: string;
  readonly rowCount: number;
  /** Elements of a row; 1 for a vector. */
  readonly columnCount: number;
}

/** Offsets are those of the first row (of the first column, where transposed). */
export type TensorTask =
  | (RowsOfTensor & {
      readonly kind: 'copy';
      readonly dtype: 'fp16' | 'fp32';
      readonly offsetBytes: number;
    })
  | (RowsOfTensor & {
      /** Row r becomes column firstColumn + r of a matrix [columnCount, outputColumnCount]. */
      readonly kind: 'transpose';
      readonly dtype: 'fp16' | 'fp32';
      readonly offsetBytes: number;
      readonly firstColumn: number;
      readonly outputColumnCount: number;
    })
  | (RowsOfTensor & {
      readonly kind: 'quantise';
      readonly block: BlockFormat;
      readonly scaleDtype: 'fp16' | 'fp32';
      readonly valuesOffsetBytes: number;
      readonly scalesOffsetBytes: number;
      /** Unused when symmetric. */
      readonly zeroPointsOffsetBytes: number;
    })
  | (RowsOfTensor & {
      /** NNCF's layout; where the first row is not that of the matrix, an even number of weights and groups precede it. */
      readonly kind: 'compress';
      readonly format: CompressedFormat;
      readonly valuesOffsetBytes: number;
      readonly scalesOffsetBytes: number;
      /** Unused when symmetric. */
      readonly zeroPointsOffsetBytes: number;
    })
  | {
      /** [rowCount = positions, columnCount = rotarySize / 2] of magnitude times cos or sin of the rotary angles. */
      readonly kind: 'rope';
      readonly dtype: 'fp16' | 'fp32';
      readonly function: 'cos' | 'sin';
      readonly theta: number;
      /** As decoder.ts's Rope. */
      readonly factors: readonly number[] | null;
      readonly magnitude: number;
      readonly rowCount: number;
      readonly columnCount: number;
      readonly offsetBytes: number;
    };

/** Some consecutive rows of a task: what a worker does at a time. */
export interface TensorSlice {
  readonly task: TensorTask;
  readonly firstRow: number;
  readonly rowCount: number;
}

/**
 * f32 elements that a slice reads at most, unless one row (of 4-bit weights two) is longer: 4 MiB. Memory is about three times that in
 * each worker; smaller slices cost more messages, larger ones make an abort wait longer (a slice takes about 10 ms).
 */
export const MAX_SLICE_ELEMENTS = 1 << 20;

/** Cuts tasks into slices, in order. */
export function* sliceTasks(tasks: Iterable<TensorTask>): Generator<TensorSlice> {
  for (const task of tasks) {
    // Two rows of 4-bit weights may share a byte.
    for (const rows of sliceRows(task, task.kind === 'compress' ? 2 : 1)) yield { task, ...rows };
  }
}

/** Consecutive ranges of rows within MAX_SLICE_ELEMENTS, as far as possible, each a multiple of `multiple` but the last. */
export function* sliceRows(
  { rowCount, columnCount }: Pick<RowsOfTensor, 'rowCount' | 'columnCount'>,
  multiple = 1,
): Generator<{ firstRow: number; rowCount: number }> {
  const rowsPerSlice = multiple * Math.max(1, Math.floor(MAX_SLICE_ELEMENTS / columnCount / multiple));
  for (let firstRow = 0; firstRow < rowCount; firstRow += rowsPerSlice) {
    yield { firstRow, rowCount: Math.min(rowsPerSlice, rowCount - firstRow) };
  }
}

/** Bytes that a slice puts into the data file; the sum over all slices is the progress total. */
export function sliceBytes({ task, rowCount }: TensorSlice): number {
  switch (task.kind) {
    case 'copy':
    case 'transpose':
    case 'rope':
      return rowCount * task.columnCount * elementBytes(task.dtype);
    case 'quantise': {
      const layout = quantisedRowLayout(task.columnCount, task.block);
      return (
        rowCount *
        (layout.valueBytesPerRow + layout.blocksPerRow * elementBytes(task.scaleDtype) + layout.zeroPointBytesPerRow)
      );
    }
    case 'compress': {
      const { bits, symmetric, groupSize } = task.format;
      const groups = (rowCount * task.columnCount) / groupSize;
      return packedBytes(rowCount * task.columnCount, bits) + groups * 2 + (symmetric ? 0 : packedBytes(groups, bits));
    }
  }
}

/** Where bytes go. Must write all of them. */
export type WriteAt = (bytes: Uint8Array, offsetBytes: number) => Promise<void> | void;

/** Does one slice. Throws what the source throws, FILE_MALFORMED on NaN or infinity, DTYPE_UNSUPPORTED over fp16. */
export async function runSlice(slice: TensorSlice, source: WeightSource, write: WriteAt): Promise<void> {
  const { task, firstRow, rowCount } = slice;
  if (task.kind === 'rope') {
    const table = convert(ropeRows(task, firstRow, rowCount), task.dtype);
    return write(bytesOf(table), task.offsetBytes + firstRow * task.columnCount * elementBytes(task.dtype));
  }
  const rows = await source.readRows(task.tensor, firstRow, rowCount);
  if (rows.length !== rowCount * task.columnCount) {
    throw new RangeError(
      `${task.tensor}: ${rows.length} elements read for ${rowCount} rows of ${task.columnCount}: the source is wrong.`,
    );
  }
  try {
    switch (task.kind) {
      case 'copy': {
        const elements = convert(rows, task.dtype);
        await write(bytesOf(elements), task.offsetBytes + firstRow * task.columnCount * elements.BYTES_PER_ELEMENT);
        return;
      }
      case 'transpose': {
        const elements = convert(transpose(rows, rowCount, task.columnCount), task.dtype);
        const size = elements.BYTES_PER_ELEMENT;
        for (let column = 0; column < task.columnCount; column++) {
          await write(
            bytesOf(elements.subarray(column * rowCount, (column + 1) * rowCount)),
            task.offsetBytes + (column * task.outputColumnCount + task.firstColumn + firstRow) * size,
          );
        }
        return;
      }
      case 'quantise': {
        const layout = quantisedRowLayout(task.columnCount, task.block);
        const { values, scales, zeroPoints } = quantiseRows(rows, task.columnCount, task.block);
        await write(values, task.valuesOffsetBytes + firstRow * layout.valueBytesPerRow);
        await write(
          bytesOf(convert(scales, task.scaleDtype)),
          task.scalesOffsetBytes + firstRow * layout.blocksPerRow * elementBytes(task.scaleDtype),
        );
        if (zeroPoints !== null) {
          await write(zeroPoints, task.zeroPointsOffsetBytes + firstRow * layout.zeroPointBytesPerRow);
        }
        return;
      }
      case 'compress': {
        const { bits, groupSize } = task.format;
        const firstWeight = firstRow * task.columnCount;
        const firstGroup = firstWeight / groupSize;
        const { values, scales, zeroPoints } = compressRows(rows, task.columnCount, task.format);
        await write(values, task.valuesOffsetBytes + packedBytes(firstWeight, bits));
        await write(bytesOf(scales), task.scalesOffsetBytes + firstGroup * 2);
        if (zeroPoints !== null) await write(zeroPoints, task.zeroPointsOffsetBytes + packedBytes(firstGroup, bits));
        return;
      }
    }
  } catch (error) {
    throw withPlace(error, source, task.tensor, firstRow);
  }
}

/** Names tensor and rows in errors about weights; others stay as they are. */
export function withPlace(error: unknown, source: WeightSource, tensor: string, firstRow: number): unknown {
  const options = { cause: error, details: { tensor, firstRow, location: source.location } };
  const place = `${source.location}: tensor '${tensor}', from row ${firstRow}`;
  if (error instanceof ModelFormatError && error.code === 'FILE_MALFORMED') {
    return new ModelFormatError('FILE_MALFORMED', `${place}: ${error.message}`, options);
  }
  if (error instanceof UnsupportedError && error.code === 'DTYPE_UNSUPPORTED') {
    return new UnsupportedError('DTYPE_UNSUPPORTED', `${place}: ${error.message}`, options);
  }
  return error;
}

function elementBytes(dtype: 'fp16' | 'fp32'): number {
  return dtype === 'fp16' ? 2 : 4;
}

/** All platforms that Node runs on are little-endian, as both ONNX and the data file are. */
function bytesOf(array: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function transpose(rows: Float32Array, rowCount: number, columnCount: number): Float32Array {
  const result = new Float32Array(rows.length);
  for (let row = 0; row < rowCount; row++) {
    for (let column = 0; column < columnCount; column++) {
      result[column * rowCount + row] = rows[row * columnCount + column] as number;
    }
  }
  return result;
}

function convert(rows: Float32Array, dtype: 'fp16' | 'fp32'): Float32Array | Uint16Array {
  if (dtype === 'fp32') {
    if (!areFinite(rows)) throw notFinite();
    return rows;
  }
  const { halves, largest } = toFloat16Array(rows);
  if (!Number.isFinite(largest)) throw notFinite();
  if (largest > MAX_FLOAT16) {
    throw new UnsupportedError(
      'DTYPE_UNSUPPORTED',
      `There is a weight of magnitude ${largest}, which fp16 cannot hold (at most ${MAX_FLOAT16}). ` +
        "Use weightFormat 'fp32', 'int8' or 'int4'.",
      { details: { found: largest, max: MAX_FLOAT16 } },
    );
  }
  return halves;
}

function areFinite(rows: Float32Array): boolean {
  let sum = 0; // v - v is 0 for every finite v and NaN for any other
  for (let i = 0; i < rows.length; i++) {
    const v = rows[i] as number; // in bounds: a check on each read would halve the speed
    sum += v - v;
  }
  return sum === 0;
}

function notFinite(): ModelFormatError {
  return new ModelFormatError('FILE_MALFORMED', 'Weights contain NaN or infinity.');
}

/** Angles position * frequency, every step rounded to f32: at position 4,095 f64 would differ by up to 2e-4 rad. */
function ropeRows(
  task: Extract<TensorTask, { kind: 'rope' }>,
  firstPosition: number,
  positionCount: number,
): Float32Array {
  const { columnCount } = task;
  const f = task.function === 'cos' ? Math.cos : Math.sin;
  const frequencies = inverseFrequencies(task.theta, 2 * columnCount, task.factors);
  const table = new Float32Array(positionCount * columnCount);
  for (let p = 0; p < positionCount; p++) {
    for (let i = 0; i < columnCount; i++) {
      table[p * columnCount + i] = task.magnitude * f(Math.fround((firstPosition + p) * (frequencies[i] ?? 0)));
    }
  }
  return table;
}
