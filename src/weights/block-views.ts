/**
 * Stored blocks as the loops over them need them: the same bytes as signed, unsigned and two at a time. It computes nothing.
 */
import { f16Values } from './float16-table.js';

export interface Blocks {
  readonly count: number;
  readonly blockBytes: number;
  readonly bytes: Uint8Array;
  readonly signed: Int8Array;
  readonly halves: Uint16Array;
  /** The value of each f16 by its bits. */
  readonly f16: Float32Array;
}

/** `count` blocks from `sourceOffset` on, which is a multiple of 2, as `blockBytes` is. */
export function viewBlocks(source: ArrayBuffer, sourceOffset: number, count: number, blockBytes: number): Blocks {
  const length = count * blockBytes;
  return {
    count,
    blockBytes,
    bytes: new Uint8Array(source, sourceOffset, length),
    signed: new Int8Array(source, sourceOffset, length),
    halves: new Uint16Array(source, sourceOffset, length / 2),
    f16: f16Values(),
  };
}
