/**
 * Calls the vectorised loops of assembly/quantise.ts, a piece of the weights at a time, so that a piece and its result
 * stay in the processor's cache and the module's memory stays small. It does not know what the numbers are for.
 */
import { readFileSync } from 'node:fs';
import { ResourceError } from '../errors.js';

export interface GroupFormat {
  /** Bits of one stored weight. */
  readonly bits: 4 | 8;
  /** Asymmetric groups have zero points. */
  readonly symmetric: boolean;
  /** Consecutive weights that share a scale. */
  readonly groupSize: number;
}

export interface QuantisedGroups {
  /** Packed without gaps; of two 4-bit weights the first is in the low nibble. */
  readonly values: Uint8Array;
  /** f32 [groups] */
  readonly scales: Float32Array;
  /** u8 [groups], one a byte; null when symmetric. */
  readonly zeroPoints: Uint8Array | null;
}

/** NNCF's arithmetic, or ONNX Runtime's. */
export type GroupKernel = 'compressGroups' | 'quantiseGroups';

type QuantiseFunction = (
  weights: number,
  groupCount: number,
  groupSize: number,
  bits: number,
  symmetric: boolean,
  values: number,
  scales: number,
  zeroPoints: number,
) => number;

interface Kernels {
  readonly memory: WebAssembly.Memory;
  readonly compressGroups: QuantiseFunction;
  readonly quantiseGroups: QuantiseFunction;
  readonly int8Errors: (weights: number, rowCount: number, columnCount: number, sums: number) => number;
}

/** Thrown where a weight is NaN or infinite; the caller says where that is in its own terms. */
export class NotFiniteWeight extends Error {
  /** Index of the first group (or row) that holds one. */
  readonly group: number;

  constructor(group: number) {
    super(`Group ${group} holds NaN or infinity.`);
    this.group = group;
  }
}

/** 256 KiB of weights: with the result they fit into a second-level cache. Longer groups are taken whole. */
const PIECE_ELEMENTS = 1 << 16;
const PAGE_BYTES = 1 << 16;
/** Vectors are loaded fastest from multiples of this. */
const ALIGNMENT = 16;

let loaded: Kernels | undefined;

function kernels(): Kernels {
  loaded ??= new WebAssembly.Instance(
    new WebAssembly.Module(readFileSync(new URL('./quantise-kernels.wasm', import.meta.url))),
  ).exports as unknown as Kernels;
  return loaded;
}

/**
 * Quantises f32 weights, a whole number of groups. `weights` is copied, not kept.
 * Throws NotFiniteWeight, MEMORY_INSUFFICIENT (for a group of hundreds of millions).
 */
export function quantiseInGroups(
  kernel: GroupKernel,
  weights: Float32Array,
  { bits, symmetric, groupSize }: GroupFormat,
): QuantisedGroups {
  const { memory, [kernel]: run } = kernels();
  const groupCount = weights.length / groupSize;
  const values = new Uint8Array(Math.ceil((weights.length * bits) / 8));
  const scales = new Float32Array(groupCount);
  const zeroPoints = symmetric ? null : new Uint8Array(groupCount);
  // An even number of groups, so that a piece begins with a byte of its own.
  const groupsPerPiece = 2 * Math.max(1, Math.floor(PIECE_ELEMENTS / groupSize / 2));
  const weightsAt = 0;
  const scalesAt = align(weightsAt + groupsPerPiece * groupSize * 4);
  const zeroPointsAt = align(scalesAt + groupsPerPiece * 4);
  const valuesAt = align(zeroPointsAt + groupsPerPiece);
  reserve(memory, valuesAt + groupsPerPiece * groupSize);
  for (let group = 0; group < groupCount; group += groupsPerPiece) {
    const count = Math.min(groupsPerPiece, groupCount - group);
    const first = group * groupSize;
    const valueBytes = Math.ceil((count * groupSize * bits) / 8);
    new Float32Array(memory.buffer, weightsAt).set(weights.subarray(first, first + count * groupSize));
    new Uint8Array(memory.buffer, valuesAt, valueBytes).fill(0);
    const failed = run(weightsAt, count, groupSize, bits, symmetric, valuesAt, scalesAt, zeroPointsAt);
    if (failed !== -1) throw new NotFiniteWeight(group + failed);
    values.set(new Uint8Array(memory.buffer, valuesAt, valueBytes), (first * bits) / 8);
    scales.set(new Float32Array(memory.buffer, scalesAt, count), group);
    zeroPoints?.set(new Uint8Array(memory.buffer, zeroPointsAt, count), group);
  }
  return { values, scales, zeroPoints };
}

/**
 * For each row of f32 [rows, columnCount] the sum of the square errors that NNCF's asymmetric int8 makes: f64 [rows].
 * Throws as quantiseInGroups does.
 */
export function int8ErrorSums(weights: Float32Array, columnCount: number): Float64Array {
  const { memory, int8Errors } = kernels();
  const rowCount = weights.length / columnCount;
  const sums = new Float64Array(rowCount);
  const rowsPerPiece = Math.max(1, Math.floor(PIECE_ELEMENTS / columnCount));
  const weightsAt = 0;
  const sumsAt = align(weightsAt + rowsPerPiece * columnCount * 4);
  reserve(memory, sumsAt + rowsPerPiece * 8);
  for (let row = 0; row < rowCount; row += rowsPerPiece) {
    const count = Math.min(rowsPerPiece, rowCount - row);
    new Float32Array(memory.buffer, weightsAt).set(weights.subarray(row * columnCount, (row + count) * columnCount));
    const failed = int8Errors(weightsAt, count, columnCount, sumsAt);
    if (failed !== -1) throw new NotFiniteWeight(row + failed);
    sums.set(new Float64Array(memory.buffer, sumsAt, count), row);
  }
  return sums;
}

function align(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

function reserve(memory: WebAssembly.Memory, sizeBytes: number): void {
  const missingBytes = sizeBytes - memory.buffer.byteLength;
  if (missingBytes <= 0) return;
  try {
    memory.grow(Math.ceil(missingBytes / PAGE_BYTES));
  } catch (error) {
    throw new ResourceError('MEMORY_INSUFFICIENT', `There is no memory for ${sizeBytes} bytes of weights at once.`, {
      cause: error,
      details: { bytes: sizeBytes },
    });
  }
}
