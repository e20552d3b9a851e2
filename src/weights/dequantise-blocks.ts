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
 * `sourceOffset` is a multiple of 2, `elements` one of 32; nothing is allocated for a block.
 */
import { f16Values } from './float16-table.js';

const BLOCK = 32;
const HALF = BLOCK / 2;
// Reads are in bounds by the loops' limits: `as number` instead of a check on each.

export function dequantiseQ8(
  source: ArrayBuffer,
  sourceOffset: number,
  elements: number,
  target: Float32Array,
  targetOffset: number,
): void {
  const blockBytes = 34;
  const blocks = elements / BLOCK;
  const quants = new Int8Array(source, sourceOffset, blocks * blockBytes);
  const halves = new Uint16Array(source, sourceOffset, (blocks * blockBytes) / 2);
  const f16 = f16Values();
  for (let block = 0; block < blocks; block++) {
    const start = block * blockBytes;
    const scale = f16[halves[start >> 1] as number] as number;
    const out = targetOffset + block * BLOCK;
    for (let j = 0; j < BLOCK; j++) target[out + j] = scale * (quants[start + 2 + j] as number);
  }
}

/** Q4_1 where `hasMinimum`, else Q4_0. */
export function dequantiseQ4(
  source: ArrayBuffer,
  sourceOffset: number,
  elements: number,
  target: Float32Array,
  targetOffset: number,
  hasMinimum: boolean,
): void {
  const headerBytes = hasMinimum ? 4 : 2;
  const blockBytes = headerBytes + HALF;
  const zeroPoint = hasMinimum ? 0 : 8;
  const blocks = elements / BLOCK;
  const bytes = new Uint8Array(source, sourceOffset, blocks * blockBytes);
  const halves = new Uint16Array(source, sourceOffset, (blocks * blockBytes) / 2);
  const f16 = f16Values();
  for (let block = 0; block < blocks; block++) {
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
  source: ArrayBuffer,
  sourceOffset: number,
  elements: number,
  target: Float32Array,
  targetOffset: number,
  hasMinimum: boolean,
): void {
  const headerBytes = hasMinimum ? 4 : 2;
  const blockBytes = headerBytes + 4 + HALF;
  const zeroPoint = hasMinimum ? 0 : 16;
  const blocks = elements / BLOCK;
  const bytes = new Uint8Array(source, sourceOffset, blocks * blockBytes);
  const halves = new Uint16Array(source, sourceOffset, (blocks * blockBytes) / 2);
  const f16 = f16Values();
  for (let block = 0; block < blocks; block++) {
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
