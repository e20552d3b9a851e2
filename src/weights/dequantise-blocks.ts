/**
 * ggml's types of 32 values to a block -> f32 (ggml-common.h and ggml-quants.c; d and m are f16):
 *   Q8_0  34 bytes: d, 32 x int8 q                                value[j] = d * q[j]
 *   Q4_0  18 bytes: d, 16 bytes of two 4-bit q                    value[j] = d * (q[j] - 8)
 *   Q4_1  20 bytes: d, m, 16 bytes of two 4-bit q                 value[j] = d * q[j] + m
 *   Q5_0  22 bytes: d, 32 fifth bits, 16 bytes of two 4-bit q     value[j] = d * (q[j] - 16)
 *   Q5_1  24 bytes: d, m, 32 fifth bits, 16 bytes of two 4-bit q  value[j] = d * q[j] + m
 * Byte j of the 4- and 5-bit types holds value j in its low and value j + 16 in its high half.
 *
 * Results equal ggml's bit for bit: every product and sum above is exact in a double, so that storing it rounds once.
 * Nothing is allocated for a block.
 */
import type { Blocks } from './block-views.js';

const BLOCK = 32;
const HALF = BLOCK / 2;
// Reads are in bounds by the loops' limits: `as number` instead of a check on each.

export function dequantiseQ8(
  { count, blockBytes, signed, halves, f16 }: Blocks,
  target: Float32Array,
  targetOffset: number,
): void {
  for (let block = 0; block < count; block++) {
    const start = block * blockBytes;
    const scale = f16[halves[start >> 1] as number] as number;
    const out = targetOffset + block * BLOCK;
    for (let j = 0; j < BLOCK; j++) target[out + j] = scale * (signed[start + 2 + j] as number);
  }
}

/** Q4_1 where `hasMinimum`, else Q4_0. */
export function dequantiseQ4(
  { count, blockBytes, bytes, halves, f16 }: Blocks,
  target: Float32Array,
  targetOffset: number,
  hasMinimum: boolean,
): void {
  const headerBytes = hasMinimum ? 4 : 2;
  const zeroPoint = hasMinimum ? 0 : 8;
  for (let block = 0; block < count; block++) {
    const start = block * blockBytes;
    const scale = f16[halves[start >> 1] as number] as number;
    // -0 keeps the sign of a zero product, as leaving the addition out does.
    const minimum = hasMinimum ? (f16[halves[(start >> 1) + 1] as number] as number) : -0;
    const out = targetOffset + block * BLOCK;
    for (let j = 0; j < HALF; j++) {
      const pair = bytes[start + headerBytes + j] as number;
      target[out + j] = scale * ((pair & 15) - zeroPoint) + minimum;
      target[out + j + HALF] = scale * ((pair >> 4) - zeroPoint) + minimum;
    }
  }
}

/** Q5_1 where `hasMinimum`, else Q5_0. */
export function dequantiseQ5(
  { count, blockBytes, bytes, halves, f16 }: Blocks,
  target: Float32Array,
  targetOffset: number,
  hasMinimum: boolean,
): void {
  const headerBytes = hasMinimum ? 4 : 2;
  const zeroPoint = hasMinimum ? 0 : 16;
  for (let block = 0; block < count; block++) {
    const start = block * blockBytes;
    const header = start >> 1;
    const scale = f16[halves[header] as number] as number;
    const minimum = hasMinimum ? (f16[halves[header + 1] as number] as number) : -0;
    const fifthBits = (start + headerBytes) >> 1;
    const lowBits = halves[fifthBits] as number;
    const highBits = halves[fifthBits + 1] as number;
    const quants = start + headerBytes + 4;
    const out = targetOffset + block * BLOCK;
    for (let j = 0; j < HALF; j++) {
      const pair = bytes[quants + j] as number;
      target[out + j] = scale * (((pair & 15) | (((lowBits >> j) & 1) << 4)) - zeroPoint) + minimum;
      target[out + j + HALF] = scale * (((pair >> 4) | (((highBits >> j) & 1) << 4)) - zeroPoint) + minimum;
    }
  }
}
