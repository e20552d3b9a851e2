/**
 * Block-wise weight quantisation, pure functions on rows: int4 and int8, symmetric and asymmetric, laid out as
 * ONNX Runtime's MatMulNBits reads it and bit for bit as ONNX Runtime's own round-to-nearest quantiser writes it
 * (onnxruntime/core/mlas/lib/q4_dq.cpp, BlockwiseQuantizer; reached from Python as MatMulNBitsQuantizer with the
 * default configuration, which onnxruntime-genai's builder uses). It does no I/O and knows no file format.
 */
import { ModelFormatError } from '../errors.js';
import { maximum, minimum } from './row-scan.js';

/** Block sizes that MatMulNBits takes, in weights along the input features. */
export const BLOCK_SIZES = [16, 32, 64, 128, 256] as const;
export type BlockSize = (typeof BLOCK_SIZES)[number];

export interface BlockFormat {
  /** Bits of one stored weight. */
  readonly bits: 4 | 8;
  /** Consecutive weights of a row that share a scale. */
  readonly blockSize: BlockSize;
  /** Symmetric: the zero point is the middle of the range (8 or 128) and is not stored. */
  readonly symmetric: boolean;
}

/** How many bytes and scales one row of `columnCount` weights takes. The last block is padded to full size. */
export interface QuantisedRowLayout {
  readonly blocksPerRow: number;
  readonly valueBytesPerRow: number;
  /** 0 when symmetric. */
  readonly zeroPointBytesPerRow: number;
}

export function quantisedRowLayout(columnCount: number, format: BlockFormat): QuantisedRowLayout {
  const blocksPerRow = Math.ceil(columnCount / format.blockSize);
  return {
    blocksPerRow,
    valueBytesPerRow: (blocksPerRow * format.blockSize * format.bits) / 8,
    zeroPointBytesPerRow: format.symmetric ? 0 : Math.ceil((blocksPerRow * format.bits) / 8),
  };
}

export interface QuantisedRows {
  /** u8 [rows, blocksPerRow, blockSize * bits / 8]; of two 4-bit weights the first is in the low nibble. */
  readonly values: Uint8Array;
  /** f32 [rows, blocksPerRow]; negative where the weight of largest magnitude is positive (symmetric). */
  readonly scales: Float32Array;
  /** u8 [rows, zeroPointBytesPerRow], low nibble first, or null when symmetric. */
  readonly zeroPoints: Uint8Array | null;
}

/**
 * Quantises whole rows. `weights` is f32 [rows, columnCount], row-major.
 * Each row depends on itself alone, so a matrix may be quantised in slices of rows.
 * Bytes equal ONNX Runtime's for an even `columnCount` (for an odd one its last padding nibble is arbitrary,
 * here it is 0). Throws FILE_MALFORMED on NaN or infinity, naming the row within `weights`.
 */
export function quantiseRows(weights: Float32Array, columnCount: number, format: BlockFormat): QuantisedRows {
  const rowCount = weights.length / columnCount;
  if (!Number.isInteger(rowCount)) {
    throw new RangeError(`quantiseRows: ${weights.length} weights are not whole rows of ${columnCount}.`);
  }
  const { blocksPerRow, valueBytesPerRow, zeroPointBytesPerRow } = quantisedRowLayout(columnCount, format);
  const { bits, blockSize, symmetric } = format;
  const values = new Uint8Array(rowCount * valueBytesPerRow);
  const scales = new Float32Array(rowCount * blocksPerRow);
  const zeroPoints = symmetric ? null : new Uint8Array(rowCount * zeroPointBytesPerRow);
  const midpoint = 1 << (bits - 1);
  const maxValue = (1 << bits) - 1;

  const bitPatterns = new Int32Array(weights.buffer, weights.byteOffset, weights.length);

  for (let row = 0; row < rowCount; row++) {
    for (let block = 0; block < blocksPerRow; block++) {
      const start = row * columnCount + block * blockSize;
      const end = Math.min(start + blockSize, (row + 1) * columnCount);
      let scale: number;
      let zeroPoint = midpoint;
      if (symmetric) {
        // The larger half goes to the negative side, which has one step more.
        scale = Math.fround(-signedAbsMax(weights, bitPatterns, start, end) / midpoint);
      } else {
        const low = Math.min(minimum(weights, start, end), 0);
        const high = Math.max(maximum(weights, start, end), 0);
        // Widened to contain 0, so that a weight of 0 stays exactly 0.
        scale = Math.fround(Math.fround(high - low) / maxValue);
        zeroPoint = scale === 0 ? 0 : Math.min(Math.floor(Math.fround(-low / scale) + 0.5), maxValue);
      }
      if (!Number.isFinite(scale)) throw notFinite(row, start - row * columnCount, end - row * columnCount);
      scales[row * blocksPerRow + block] = scale;
      if (zeroPoints !== null) {
        const at = row * zeroPointBytesPerRow;
        if (bits === 8) zeroPoints[at + block] = zeroPoint;
        else (zeroPoints[at + (block >> 1)] as number) |= zeroPoint << ((block & 1) * 4);
      }
      const reciprocal = scale === 0 ? 0 : Math.fround(1 / scale);
      const target = row * valueBytesPerRow + (block * blockSize * bits) / 8;
      if (bits === 8) {
        for (let i = start; i < end; i++) {
          values[target + i - start] = round(weights[i] as number, reciprocal, zeroPoint, 255);
        }
      } else {
        const pairsEnd = start + ((end - start) & ~1);
        let at = target;
        for (let i = start; i < pairsEnd; i += 2) {
          const low = round(weights[i] as number, reciprocal, zeroPoint, 15);
          const high = round(weights[i + 1] as number, reciprocal, zeroPoint, 15);
          values[at++] = low | (high << 4);
        }
        if (pairsEnd < end) values[at] = round(weights[pairsEnd] as number, reciprocal, zeroPoint, 15);
      }
    }
    padLastZeroPoint(zeroPoints, format, row, blocksPerRow, zeroPointBytesPerRow);
  }
  return { values, scales, zeroPoints };
}

/**
 * Half away from zero, as C's roundf, in f32 arithmetic. Clamped first: with subnormal scales the reciprocal is
 * infinite, and the bit operation would turn infinity into 0.
 */
function round(weight: number, reciprocalScale: number, zeroPoint: number, max: number): number {
  const q = Math.fround(Math.fround(weight * reciprocalScale) + zeroPoint);
  return q > 0 ? (q < max ? (q + 0.5) | 0 : max) : 0;
}

/**
 * The value of largest magnitude, the negative one of two equals, the first of zeros; NaN or infinite if any value is.
 * Compares bit patterns with the sign moved below the magnitude, as integers: twice as fast as tracking two extremes.
 * Reads in bounds by construction, as the scans of row-scan.ts.
 */
function signedAbsMax(weights: Float32Array, bitPatterns: Int32Array, start: number, end: number): number {
  let largest = -0x80000000;
  let at = start;
  for (let i = start; i < end; i++) {
    const bits = bitPatterns[i] as number;
    const key = ((bits << 1) | (bits >>> 31)) ^ 0x80000000;
    if (key > largest) {
      largest = key;
      at = i;
    }
  }
  const value = weights[at] as number;
  return value === 0 ? (weights[start] as number) : value;
}

function notFinite(row: number, firstColumn: number, endColumn: number): ModelFormatError {
  return new ModelFormatError(
    'FILE_MALFORMED',
    `Weights contain NaN or infinity at row ${row}, columns ${firstColumn} to ${endColumn - 1}.`,
    { details: { row } },
  );
}

/** With an odd number of blocks ONNX Runtime fills the unused high nibble with the midpoint. */
function padLastZeroPoint(
  zeroPoints: Uint8Array | null,
  format: BlockFormat,
  row: number,
  blocksPerRow: number,
  zeroPointBytesPerRow: number,
): void {
  if (zeroPoints === null || format.bits === 8 || blocksPerRow % 2 === 0) return;
  (zeroPoints[(row + 1) * zeroPointBytesPerRow - 1] as number) |= 8 << 4;
}

/** The exact weights that a quantised matrix stands for, (q - zeroPoint) * scale in f32: f32 [rows, columnCount]. */
export function dequantiseRows(quantised: QuantisedRows, columnCount: number, format: BlockFormat): Float32Array {
  const { bits, blockSize } = format;
  const { blocksPerRow, valueBytesPerRow, zeroPointBytesPerRow } = quantisedRowLayout(columnCount, format);
  const rowCount = quantised.scales.length / blocksPerRow;
  const weights = new Float32Array(rowCount * columnCount);
  const element = (bytes: Uint8Array, base: number, index: number): number =>
    bits === 8 ? (bytes[base + index] ?? 0) : ((bytes[base + (index >> 1)] ?? 0) >> ((index & 1) * 4)) & 15;
  for (let row = 0; row < rowCount; row++) {
    for (let column = 0; column < columnCount; column++) {
      const block = Math.floor(column / blockSize);
      const zeroPoint =
        quantised.zeroPoints === null
          ? 1 << (bits - 1)
          : element(quantised.zeroPoints, row * zeroPointBytesPerRow, block);
      const q = element(quantised.values, row * valueBytesPerRow, column);
      weights[row * columnCount + column] = (q - zeroPoint) * (quantised.scales[row * blocksPerRow + block] ?? 0);
    }
  }
  return weights;
}
