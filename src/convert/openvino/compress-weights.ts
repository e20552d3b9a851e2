/**
 * Weight compression as NNCF 3.4 does it without data, bit for bit (nncf/openvino/optimized_functions/models.py,
 * _build_integer_quantization_model): int4 and int8, symmetric with a signed scale and asymmetric, in groups along the
 * input features. Pure functions on rows; it does no I/O and knows no file format. The arithmetic, f32 throughout, is
 * in assembly/quantise.ts.
 */
import { ModelFormatError, UnsupportedError } from '../../errors.js';
import { MAX_FLOAT16, toFloat16Array } from '../float16.js';
import { int8ErrorSums, NotFiniteWeight, quantiseInGroups } from '../quantise-kernels.js';

export interface CompressedFormat {
  /** Bits of one stored weight. */
  readonly bits: 4 | 8;
  /** Symmetric: signed weights without zero point. Asymmetric: unsigned weights and zero points of as many bits. */
  readonly symmetric: boolean;
  /** Consecutive weights of a row that share a scale; divides the row. */
  readonly groupSize: number;
}

export interface CompressedRows {
  /** [rows, columns] as i4, u4, i8 or u8; of two 4-bit weights the first is in the low nibble, rows follow without gap. */
  readonly values: Uint8Array;
  /** f16 bits [rows, groups]; negative where the weight of largest magnitude is positive (symmetric). */
  readonly scales: Uint16Array;
  /** u4 or u8 [rows, groups], packed like the values; null when symmetric. */
  readonly zeroPoints: Uint8Array | null;
}

/** Bytes of `count` packed numbers of `bits` bits. */
export function packedBytes(count: number, bits: 4 | 8): number {
  return Math.ceil((count * bits) / 8);
}

/**
 * Compresses whole rows. `weights` is f32 [rows, columnCount], row-major. Each row depends on itself alone, so a matrix
 * may be compressed in slices of rows; with 4 bits the slices before the last must hold an even number of weights and
 * of groups, or they would share a byte.
 *
 * Throws FILE_MALFORMED on NaN or infinity, naming the row within `weights`, and DTYPE_UNSUPPORTED where a scale is
 * beyond f16, which NNCF would store as infinity.
 */
export function compressRows(weights: Float32Array, columnCount: number, format: CompressedFormat): CompressedRows {
  const rowCount = weights.length / columnCount;
  const { bits, symmetric, groupSize } = format;
  const groupsPerRow = columnCount / groupSize;
  if (!Number.isInteger(rowCount) || !Number.isInteger(groupsPerRow)) {
    throw new RangeError(`${weights.length} weights are not rows of ${columnCount} in groups of ${groupSize}.`);
  }
  const groups = attempt(
    () => quantiseInGroups('compressGroups', weights, { bits, symmetric, groupSize }),
    groupsPerRow,
  );
  const { halves, largest } = toFloat16Array(groups.scales);
  if (largest > MAX_FLOAT16) {
    const group = groups.scales.findIndex((scale) => Math.abs(scale) > MAX_FLOAT16);
    throw scaleTooLarge(largest, Math.floor(group / groupsPerRow));
  }
  const { values, zeroPoints } = groups;
  return {
    values,
    scales: halves,
    zeroPoints: zeroPoints !== null && bits === 4 ? packNibbles(zeroPoints) : zeroPoints,
  };
}

/**
 * The largest over all rows of mean((w' - w)^2), w' being w after compression to int8, asymmetric, a scale a row: what
 * NNCF's data-free criterion ranks layers by (get_integer_quantization_error, "max_mean"). Elements are computed in f32
 * as NNCF does; the mean is exact and rounded to f32, where NNCF's own depends on the order in which its CPU sums.
 * Throws FILE_MALFORMED as compressRows does.
 */
export function largestInt8Error(weights: Float32Array, columnCount: number): number {
  const sums = attempt(() => int8ErrorSums(weights, columnCount), 1);
  return sums.reduce((largest, sum) => Math.max(largest, Math.fround(sum / columnCount)), 0);
}

/** Turns the kernels' complaint into one that names the row. */
function attempt<T>(compute: () => T, groupsPerRow: number): T {
  try {
    return compute();
  } catch (error) {
    if (error instanceof NotFiniteWeight) throw notFinite(Math.floor(error.group / groupsPerRow));
    throw error;
  }
}

function packNibbles(nibbles: Uint8Array): Uint8Array {
  const packed = new Uint8Array(packedBytes(nibbles.length, 4));
  nibbles.forEach((nibble, index) => {
    (packed[index >> 1] as number) |= nibble << ((index & 1) * 4);
  });
  return packed;
}

function notFinite(row: number): ModelFormatError {
  return new ModelFormatError('FILE_MALFORMED', `Weights contain NaN or infinity in row ${row} of the slice.`, {
    details: { row },
  });
}

function scaleTooLarge(scale: number, row: number): UnsupportedError {
  return new UnsupportedError(
    'DTYPE_UNSUPPORTED',
    `Weights are so large (row ${row} of the slice needs a scale of ${scale}) that their scale does not fit in fp16. ` +
      "Use weightFormat 'fp32'.",
    { details: { row, scale } },
  );
}
