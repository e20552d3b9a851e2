/**
 * Weight compression as NNCF 3.4 does it without data, bit for bit (nncf/openvino/optimized_functions/models.py,
 * _build_integer_quantization_model): int4 and int8, symmetric with a signed scale and asymmetric, in groups along the
 * input features. Pure functions on rows; it does no I/O and knows no file format.
 *
 * NNCF computes in f32 throughout. The quotient of two f32 numbers, computed in f64 and rounded to f32, is the f32
 * quotient (53 bits are more than twice 24 plus 2), so Math.fround after each step gives the same numbers.
 */
import { ModelFormatError, UnsupportedError } from '../../errors.js';
import { MAX_FLOAT16, toFloat16Bits } from '../float16.js';
import { maximum, minimum } from '../row-scan.js';

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

/** Smallest magnitude of a scale: FLT_EPSILON, as NNCF has it. */
const SMALLEST_SCALE = 2 ** -23;
/** Added and subtracted, it rounds a number of magnitude under 2^51 to the nearest integer, halves to even. */
const ROUNDER = 1.5 * 2 ** 52;

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
  const groupCount = rowCount * groupsPerRow;
  const values = new Uint8Array(packedBytes(weights.length, bits));
  const scales = new Uint16Array(groupCount);
  const zeroPoints = symmetric ? null : new Uint8Array(packedBytes(groupCount, bits));
  const low = symmetric ? -(2 ** (bits - 1)) : 0;
  const high = low + 2 ** bits - 1;
  for (let group = 0; group < groupCount; group++) {
    const start = group * groupSize;
    const end = start + groupSize;
    const min = minimum(weights, start, end);
    const max = maximum(weights, start, end);
    if (!Number.isFinite(min)) throw notFinite(Math.floor(group / groupsPerRow));
    let scale: number;
    let zeroPoint = 0;
    if (symmetric) {
      scale = signedScale(min, max, -low);
    } else {
      scale = asymmetricScale(min, max, high);
      zeroPoint = asymmetricZeroPoint(min, scale, high);
      if (zeroPoints !== null) {
        if (bits === 8) zeroPoints[group] = zeroPoint;
        else (zeroPoints[group >> 1] as number) |= zeroPoint << ((group & 1) * 4);
      }
    }
    if (Math.abs(scale) > MAX_FLOAT16) throw scaleTooLarge(scale, Math.floor(group / groupsPerRow));
    scales[group] = toFloat16Bits(scale);
    if (bits === 8) {
      for (let i = start; i < end; i++) values[i] = quantise(weights[i] as number, scale, zeroPoint, low, high);
    } else {
      quantiseNibbles(weights, start, end, scale, zeroPoint, low, high, values);
    }
  }
  return { values, scales, zeroPoints };
}

/**
 * The largest over all rows of mean((w' - w)^2), w' being w after compression to int8, asymmetric, a scale a row: what
 * NNCF's data-free criterion ranks layers by (get_integer_quantization_error, "max_mean"). Elements are computed in f32
 * as NNCF does; the mean is exact and rounded to f32, where NNCF's own depends on the order in which its CPU sums.
 * Throws FILE_MALFORMED as compressRows does.
 */
export function largestInt8Error(weights: Float32Array, columnCount: number): number {
  const rowCount = weights.length / columnCount;
  let largest = 0;
  for (let row = 0; row < rowCount; row++) {
    const start = row * columnCount;
    const end = start + columnCount;
    const min = minimum(weights, start, end);
    const max = maximum(weights, start, end);
    if (!Number.isFinite(min)) throw notFinite(row);
    const scale = asymmetricScale(min, max, 255);
    const zeroPoint = asymmetricZeroPoint(min, scale, 255);
    let sum = 0;
    for (let i = start; i < end; i++) {
      const weight = weights[i] as number;
      const restored = Math.fround((quantise(weight, scale, zeroPoint, 0, 255) - zeroPoint) * scale);
      const difference = Math.fround(restored - weight);
      sum += Math.fround(difference * difference);
    }
    largest = Math.max(largest, Math.fround(sum / columnCount));
  }
  return largest;
}

/** The larger half goes to the negative side, which has one step more. */
function signedScale(min: number, max: number, levels: number): number {
  const magnitude = Math.abs(min);
  return awayFromZero(Math.fround((magnitude >= max ? magnitude : -max) / levels));
}

/** The range is widened to contain 0, so that a weight of 0 stays exactly 0. */
function asymmetricScale(min: number, max: number, levels: number): number {
  return awayFromZero(Math.fround(Math.fround(Math.max(0, max) - Math.min(0, min)) / levels));
}

function asymmetricZeroPoint(min: number, scale: number, high: number): number {
  const rounded = -roundHalfEven(Math.fround(Math.min(0, min) / scale));
  return rounded > high ? high : rounded > 0 ? rounded : 0;
}

function awayFromZero(scale: number): number {
  return Math.abs(scale) < SMALLEST_SCALE ? SMALLEST_SCALE : scale;
}

function roundHalfEven(value: number): number {
  return value + ROUNDER - ROUNDER;
}

/** Clamped before it is rounded, which for integer bounds is the same. */
function quantise(weight: number, scale: number, zeroPoint: number, low: number, high: number): number {
  const q = Math.fround(Math.fround(weight / scale) + zeroPoint);
  return roundHalfEven(q > low ? (q < high ? q : high) : low);
}

function quantiseNibbles(
  weights: Float32Array,
  start: number,
  end: number,
  scale: number,
  zeroPoint: number,
  low: number,
  high: number,
  values: Uint8Array,
): void {
  let i = start;
  // A group of odd length leaves its neighbour half a byte.
  if ((i & 1) === 1) {
    (values[i >> 1] as number) |= (quantise(weights[i] as number, scale, zeroPoint, low, high) & 15) << 4;
    i++;
  }
  for (; i + 1 < end; i += 2) {
    const first = quantise(weights[i] as number, scale, zeroPoint, low, high);
    const second = quantise(weights[i + 1] as number, scale, zeroPoint, low, high);
    values[i >> 1] = (first & 15) | ((second & 15) << 4);
  }
  if (i < end) values[i >> 1] = quantise(weights[i] as number, scale, zeroPoint, low, high) & 15;
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
