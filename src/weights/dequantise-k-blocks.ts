/**
 * ggml's "K" types of 256 values to a block -> f32 (ggml-common.h and ggml-quants.c; d and dmin are f16):
 *   Q4_K  144 bytes: d, dmin, 12 bytes of eight 6-bit scales s and minimums m, 128 bytes of two 4-bit q
 *   Q5_K  176 bytes: the same with 32 bytes of fifth bits before the q
 *         Each s and m serves 32 values: value[j] = d * s * q[j] - dmin * m
 *   Q6_K  210 bytes: 128 bytes of lower halves, 64 bytes of upper bit pairs, 16 x int8 scale s, d
 *         Each s serves 16 values: value[j] = d * s * (q[j] - 32)
 *
 * Results equal ggml's bit for bit: products and sums are exact in a double, so that storing them rounds once.
 * Nothing is allocated for a block.
 */
import type { Blocks } from './block-views.js';

const BLOCK = 256;
// Reads are in bounds by the loops' limits: `as number` instead of a check on each.

/** The 6-bit scale of group 0 to 7: the lower four whole, the upper bits of the others above those. */
function scaleAt(bytes: Uint8Array, scales: number, group: number): number {
  const low = bytes[scales + group] as number;
  if (group < 4) return low & 63;
  return ((bytes[scales + group + 4] as number) & 15) | (((bytes[scales + group - 4] as number) >> 6) << 4);
}

function minimumAt(bytes: Uint8Array, scales: number, group: number): number {
  const low = bytes[scales + group + 4] as number;
  return group < 4 ? low & 63 : (low >> 4) | (((bytes[scales + group] as number) >> 6) << 4);
}

export function dequantiseQ4K(
  { count, blockBytes, bytes, halves, f16 }: Blocks,
  target: Float32Array,
  targetOffset: number,
): void {
  for (let block = 0; block < count; block++) {
    const start = block * blockBytes;
    const d = f16[halves[start >> 1] as number] as number;
    const dmin = f16[halves[(start >> 1) + 1] as number] as number;
    for (let group = 0; group < 8; group += 2) {
      const lowScale = d * scaleAt(bytes, start + 4, group);
      const lowMinimum = dmin * minimumAt(bytes, start + 4, group);
      const highScale = d * scaleAt(bytes, start + 4, group + 1);
      const highMinimum = dmin * minimumAt(bytes, start + 4, group + 1);
      const quants = start + 16 + group * 16;
      const out = targetOffset + block * BLOCK + group * 32;
      for (let j = 0; j < 32; j++) {
        const pair = bytes[quants + j] as number;
        target[out + j] = lowScale * (pair & 15) - lowMinimum;
        target[out + 32 + j] = highScale * (pair >> 4) - highMinimum;
      }
    }
  }
}

export function dequantiseQ5K(
  { count, blockBytes, bytes, halves, f16 }: Blocks,
  target: Float32Array,
  targetOffset: number,
): void {
  for (let block = 0; block < count; block++) {
    const start = block * blockBytes;
    const d = f16[halves[start >> 1] as number] as number;
    const dmin = f16[halves[(start >> 1) + 1] as number] as number;
    for (let group = 0; group < 8; group += 2) {
      const lowScale = d * scaleAt(bytes, start + 4, group);
      const lowMinimum = dmin * minimumAt(bytes, start + 4, group);
      const highScale = d * scaleAt(bytes, start + 4, group + 1);
      const highMinimum = dmin * minimumAt(bytes, start + 4, group + 1);
      // Byte j of the fifth bits holds those of value j of all eight groups.
      const fifthBits = start + 16;
      const quants = start + 48 + group * 16;
      const out = targetOffset + block * BLOCK + group * 32;
      for (let j = 0; j < 32; j++) {
        const pair = bytes[quants + j] as number;
        const fifth = (bytes[fifthBits + j] as number) >> group;
        target[out + j] = lowScale * ((pair & 15) | ((fifth & 1) << 4)) - lowMinimum;
        target[out + 32 + j] = highScale * ((pair >> 4) | ((fifth & 2) << 3)) - highMinimum;
      }
    }
  }
}

export function dequantiseQ6K(
  { count, blockBytes, bytes, signed, halves, f16 }: Blocks,
  target: Float32Array,
  targetOffset: number,
): void {
  for (let block = 0; block < count; block++) {
    const start = block * blockBytes;
    const d = f16[halves[(start + 208) >> 1] as number] as number;
    for (let half = 0; half < 2; half++) {
      const lower = start + half * 64;
      const upper = start + 128 + half * 32;
      for (let part = 0; part < 2; part++) {
        const scales = start + 192 + half * 8 + part;
        const scale0 = d * (signed[scales] as number);
        const scale1 = d * (signed[scales + 2] as number);
        const scale2 = d * (signed[scales + 4] as number);
        const scale3 = d * (signed[scales + 6] as number);
        const out = targetOffset + block * BLOCK + half * 128;
        for (let j = part * 16; j < part * 16 + 16; j++) {
          const first = bytes[lower + j] as number;
          const second = bytes[lower + 32 + j] as number;
          const pairs = bytes[upper + j] as number;
          target[out + j] = scale0 * (((first & 15) | ((pairs & 3) << 4)) - 32);
          target[out + 32 + j] = scale1 * (((second & 15) | ((pairs & 12) << 2)) - 32);
          target[out + 64 + j] = scale2 * (((first >> 4) | (pairs & 48)) - 32);
          target[out + 96 + j] = scale3 * (((second >> 4) | ((pairs & 192) >> 2)) - 32);
        }
      }
    }
  }
}
