/**
 * Block-wise weight quantisation, pure functions on rows: int4 and int8, symmetric and asymmetric, laid out as
 * ONNX Runtime's MatMulNBits reads it and bit for bit as ONNX Runtime's own round-to-nearest quantiser writes it
 * (onnxruntime/core/mlas/lib/q4_dq.cpp, BlockwiseQuantizer; reached from Python as MatMulNBitsQuantizer with the
 * default configuration, which onnxruntime-genai's builder uses). It does no I/O and knows no file format. The
 * arithmetic, f32 throughout, is in assembly/quantise.ts.
 */
import { ModelFormatError } from '../errors.js';
import { NotFiniteWeight, quantiseInGroups, type QuantisedGroups } from './quantise-kernels.js';

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
  const zeroPointsOfRows = (unpacked: Uint8Array | null): Uint8Array | null =>
    unpacked === null || bits === 8 ? unpacked : packZeroPoints(unpacked, blocksPerRow, zeroPointBytesPerRow);
  if (columnCount % blockSize === 0) {
    const { values, scales, zeroPoints } = quantiseBlocks(weights, format, (block) => [
      Math.floor(block / blocksPerRow),
      (block % blocksPerRow) * blockSize,
    ]);
    return { values, scales, zeroPoints: zeroPointsOfRows(zeroPoints) };
  }
  // Each row ends in a shorter block, which is quantised for itself; its padding is 0.
  const values = new Uint8Array(rowCount * valueBytesPerRow);
  const scales = new Float32Array(rowCount * blocksPerRow);
  const zeroPoints = symmetric ? null : new Uint8Array(rowCount * blocksPerRow);
  const tailColumns = columnCount % blockSize;
  for (let row = 0; row < rowCount; row++) {
    const end = (row + 1) * columnCount;
    const tail = end - tailColumns;
    const pieces = [
      { from: row * columnCount, to: tail, size: blockSize },
      { from: tail, to: end, size: tailColumns },
    ];
    for (const { from, to, size } of pieces) {
      if (from === to) continue;
      const firstColumn = from - row * columnCount;
      const firstBlock = row * blocksPerRow + firstColumn / blockSize;
      const part = quantiseBlocks(weights.subarray(from, to), { bits, symmetric, blockSize: size }, (block) => [
        row,
        firstColumn + block * size,
      ]);
      values.set(part.values, row * valueBytesPerRow + (firstColumn * bits) / 8);
      scales.set(part.scales, firstBlock);
      if (part.zeroPoints !== null) zeroPoints?.set(part.zeroPoints, firstBlock);
    }
  }
  return { values, scales, zeroPoints: zeroPointsOfRows(zeroPoints) };
}

/** `placeOf`: the row and the first column of a block, for errors. */
function quantiseBlocks(
  weights: Float32Array,
  { bits, symmetric, blockSize }: { readonly bits: 4 | 8; readonly symmetric: boolean; readonly blockSize: number },
  placeOf: (block: number) => readonly [row: number, column: number],
): QuantisedGroups {
  let groups: QuantisedGroups;
  try {
    groups = quantiseInGroups('quantiseGroups', weights, { bits, symmetric, groupSize: blockSize });
  } catch (error) {
    if (error instanceof NotFiniteWeight) throw notFinite(...placeOf(error.group), blockSize);
    throw error;
  }
  // The range of finite weights may be beyond f32 all the same.
  const overflow = groups.scales.findIndex((scale) => !Number.isFinite(scale));
  if (overflow !== -1) throw notFinite(...placeOf(overflow), blockSize);
  return groups;
}

/** Low nibble first; with an odd number of blocks ONNX Runtime fills the unused high nibble with the midpoint. */
function packZeroPoints(zeroPoints: Uint8Array, blocksPerRow: number, bytesPerRow: number): Uint8Array {
  const packed = new Uint8Array((zeroPoints.length / blocksPerRow) * bytesPerRow);
  for (let at = 0; at < packed.length; at++) {
    const block = (at % bytesPerRow) * 2;
    const index = Math.floor(at / bytesPerRow) * blocksPerRow + block;
    packed[at] = (zeroPoints[index] ?? 0) | ((block + 1 < blocksPerRow ? (zeroPoints[index + 1] ?? 0) : 8) << 4);
  }
  return packed;
}

function notFinite(row: number, firstColumn: number, count: number): ModelFormatError {
  return new ModelFormatError(
    'FILE_MALFORMED',
    `Weights contain NaN or infinity at row ${row}, columns ${firstColumn} to ${firstColumn + count - 1}.`,
    { details: { row } },
  );
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
