/**
 * Stored values -> f32: how large the blocks of each storage type are, and the way to the loop that reads them.
 * Pure and synchronous; callers slice their work. Bytes are taken as little endian, like every platform aipc runs on.
 * The block types' own loops: dequantise-blocks.ts (32 values to a block), dequantise-k-blocks.ts (256).
 */
import { viewBlocks, type Blocks } from './block-views.js';
import { dequantiseQ4, dequantiseQ5, dequantiseQ8 } from './dequantise-blocks.js';
import { dequantiseQ4K, dequantiseQ5K, dequantiseQ6K } from './dequantise-k-blocks.js';
import { f16Bits } from './float16-table.js';
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
  Q5_0: { blockElements: 32, blockBytes: 22 },
  Q5_1: { blockElements: 32, blockBytes: 24 },
  Q4_K: { blockElements: 256, blockBytes: 144 },
  Q5_K: { blockElements: 256, blockBytes: 176 },
  Q6_K: { blockElements: 256, blockBytes: 210 },
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
  const { blockElements, blockBytes } = BLOCK_LAYOUTS[dtype];
  const blocks = (): Blocks => viewBlocks(source, sourceOffset, elements / blockElements, blockBytes);
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
      dequantiseQ8(blocks(), target, targetOffset);
      return;
    case 'Q4_0':
    case 'Q4_1':
      dequantiseQ4(blocks(), target, targetOffset, dtype === 'Q4_1');
      return;
    case 'Q5_0':
    case 'Q5_1':
      dequantiseQ5(blocks(), target, targetOffset, dtype === 'Q5_1');
      return;
    case 'Q4_K':
      dequantiseQ4K(blocks(), target, targetOffset);
      return;
    case 'Q5_K':
      dequantiseQ5K(blocks(), target, targetOffset);
      return;
    case 'Q6_K':
      dequantiseQ6K(blocks(), target, targetOffset);
      return;
  }
}

// Bit patterns rather than floats are copied, so that a NaN keeps its payload.
function bitsOf(target: Float32Array): Uint32Array {
  return new Uint32Array(target.buffer, target.byteOffset, target.length);
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
