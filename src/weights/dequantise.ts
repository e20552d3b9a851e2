/**
 * Stored values -> f32: the layouts of the storage types and one fast loop for each.
 * Pure and synchronous; callers slice their work. Bytes are taken as little endian, like every platform aipc runs on.
 *
 * Block layouts (ggml, ggml-common.h and ggml-quants.c; d and m are f16, 32 values to a block):
 *   Q8_0  34 bytes: d, 32 x int8 q                    value[j] = d * q[j]
 *   Q4_0  18 bytes: d, 16 bytes of two 4-bit q        value[j] = d * (q[j] - 8)
 *   Q4_1  20 bytes: d, m, 16 bytes of two 4-bit q     value[j] = d * q[j] + m
 * Byte j of the 4-bit types holds value j in its low and value j + 16 in its high half.
 *
 * Results equal ggml's bit for bit: every product and sum above is exact in a double, so that storing it rounds once.
 */
import type { DType } from './weights.js';

export interface BlockLayout {
  readonly blockElements: number;
  readonly blockBytes: number;
}

export const BLOCK_LAYOUTS: Readonly<Record<DType, BlockLayout>> = {
  F32: { blockElements: 1, blockBytes: 4 },
  F16: { blockElements: 1, blockBytes: 2 },
  BF16: { blockElements: 1, blockBytes: 2 },
  Q8_0: { blockElements: 32, blockBytes: 34 },
  Q4_0: { blockElements: 32, blockBytes: 18 },
  Q4_1: { blockElements: 32, blockBytes: 20 },
};

/** Bytes that `elements` (a multiple of the block) occupy. */
export function storedBytes(dtype: DType, elements: number): number {
  const { blockElements, blockBytes } = BLOCK_LAYOUTS[dtype];
  return (elements / blockElements) * blockBytes;
}

/**
 * Writes `elements` values, stored as `dtype` at `sourceOffset`, to `target` from `targetOffset` on.
 * `sourceOffset` must be a multiple of 4 for F32 and of 2 otherwise; `elements` a multiple of the block.
 */
export function dequantise(
  dtype: DType,
  source: ArrayBuffer,
  sourceOffset: number,
  elements: number,
  target: Float32Array,
  targetOffset: number,
): void {
  switch (dtype) {
    case 'F32':
      target.set(new Float32Array(source, sourceOffset, elements), targetOffset);
      return;
    case 'F16':
      expandF16(new Uint16Array(source, sourceOffset, elements), target, targetOffset);
      return;
    case 'BF16':
      expandBf16(new Uint16Array(source, sourceOffset, elements), target, targetOffset);
      return;
    case 'Q8_0':
      dequantiseQ8(source, sourceOffset, elements, target, targetOffset);
      return;
    case 'Q4_0':
      dequantiseQ4(source, sourceOffset, elements, target, targetOffset, 0);
      return;
    case 'Q4_1':
      dequantiseQ4(source, sourceOffset, elements, target, targetOffset, 1);
      return;
  }
}

// Bit patterns rather than floats are copied, so that a NaN keeps its payload.
function bitsOf(target: Float32Array): Uint32Array {
  return new Uint32Array(target.buffer, target.byteOffset, target.length);
}

let f16Table: Uint32Array | undefined;

/** The f32 bit pattern of every f16 bit pattern (IEEE 754 binary16): 256 KiB, made on first use. */
function f16Bits(): Uint32Array {
  if (f16Table !== undefined) return f16Table;
  const table = new Uint32Array(0x10000);
  const values = new Float32Array(table.buffer);
  for (let magnitude = 0; magnitude < 0x8000; magnitude++) {
    const exponent = magnitude >> 10;
    const fraction = magnitude & 0x3ff;
    if (exponent === 0) values[magnitude] = fraction * 2 ** -24;
    else if (exponent === 0x1f) table[magnitude] = 0x7f800000 | (fraction << 13);
    else table[magnitude] = ((exponent + 112) << 23) | (fraction << 13);
    table[magnitude | 0x8000] = (table[magnitude] ?? 0) | 0x80000000;
  }
  f16Table = table;
  return table;
}

function expandF16(source: Uint16Array, target: Float32Array, targetOffset: number): void {
  const table = f16Bits();
  const bits = bitsOf(target);
  // In bounds, here and below: checks on each read would halve the speed.
  for (let i = 0; i < source.length; i++) bits[targetOffset + i] = table[source[i] as number] as number;
}

function expandBf16(source: Uint16Array, target: Float32Array, targetOffset: number): void {
  const bits = bitsOf(target);
  for (let i = 0; i < source.length; i++) bits[targetOffset + i] = (source[i] as number) << 16;
}

const Q_BLOCK = 32;

function dequantiseQ8(
  source: ArrayBuffer,
  sourceOffset: number,
  elements: number,
  target: Float32Array,
  targetOffset: number,
): void {
  const { blockBytes } = BLOCK_LAYOUTS.Q8_0;
  const blocks = elements / Q_BLOCK;
  const quants = new Int8Array(source, sourceOffset, blocks * blockBytes);
  const halves = new Uint16Array(source, sourceOffset, (blocks * blockBytes) / 2);
  const f16 = new Float32Array(f16Bits().buffer);
  for (let block = 0; block < blocks; block++) {
    const start = block * blockBytes;
    const scale = f16[halves[start >> 1] ?? 0] ?? 0;
    const out = targetOffset + block * Q_BLOCK;
    for (let j = 0; j < Q_BLOCK; j++) target[out + j] = scale * (quants[start + 2 + j] ?? 0);
  }
}

/** Q4_0 (no stored minimum: q - 8) and Q4_1 (`minimumHalves` 1: the minimum follows the scale). */
function dequantiseQ4(
  source: ArrayBuffer,
  sourceOffset: number,
  elements: number,
  target: Float32Array,
  targetOffset: number,
  minimumHalves: 0 | 1,
): void {
  const headerBytes = 2 + 2 * minimumHalves;
  const blockBytes = headerBytes + Q_BLOCK / 2;
  const zeroPoint = minimumHalves === 1 ? 0 : 8;
  const blocks = elements / Q_BLOCK;
  const bytes = new Uint8Array(source, sourceOffset, blocks * blockBytes);
  const halves = new Uint16Array(source, sourceOffset, (blocks * blockBytes) / 2);
  const f16 = new Float32Array(f16Bits().buffer);
  for (let block = 0; block < blocks; block++) {
    const start = block * blockBytes;
    const scale = f16[halves[start >> 1] ?? 0] ?? 0;
    // -0 keeps the sign of a zero product, as leaving the addition out does.
    const minimum = minimumHalves === 1 ? (f16[halves[(start >> 1) + 1] ?? 0] ?? 0) : -0;
    const out = targetOffset + block * Q_BLOCK;
    for (let j = 0; j < Q_BLOCK / 2; j++) {
      const pair = bytes[start + headerBytes + j] ?? 0;
      target[out + j] = scale * ((pair & 15) - zeroPoint) + minimum;
      target[out + j + Q_BLOCK / 2] = scale * ((pair >> 4) - zeroPoint) + minimum;
    }
  }
}
