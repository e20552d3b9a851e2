/**
 * Where the keys and values of all slots are, as the backend sees it: a pool in plain memory (kv-pool.ts) or tensors in
 * a device's memory (device-kv.ts). For each layer two buffers, keys and values; one row for each slot.
 */
import type { Pointer } from './c-api.js';
import type { FloatType } from './decoder-io.js';

export interface KvShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly type: FloatType;
}

/** Bytes that one position of one sequence takes, over all layers. */
export function kvBytesPerPosition({ layers, kvHeads, headSize, type }: KvShape): number {
  return 2 * layers * kvHeads * headSize * elementBytes(type);
}

export function elementBytes(type: FloatType): number {
  return type === 'f16' ? 2 : 4;
}

/** Rows [firstRow, firstRow + rows), which are to hold `positions` tokens each. */
export interface KvRange {
  readonly firstRow: number;
  readonly rows: number;
  readonly positions: number;
}

/** One layer's keys or values of some rows: [rows, kvHeads, capacity, headSize]. */
export interface KvTensor {
  readonly value: Pointer;
  readonly bytes: number;
}

export interface KvView {
  /** Keys and values of layer 0, of layer 1 and so on. */
  readonly tensors: readonly KvTensor[];
  /** Of the view, not of what it shows. */
  release(): void;
}

export interface KvMemory {
  /** Changes whenever a buffer is replaced: what is bound to the old ones is void. */
  readonly generation: number;
  readonly bytes: number;
  /** Throws MEMORY_INSUFFICIENT where a slot of this capacity cannot be promised beside others of these. */
  requireRoom(row: number, capacityTokens: number, others: readonly number[]): void;
  /**
   * Makes room in a range and keeps the first lengths[row] positions of every row of the pool. Whenever it throws
   * (MEMORY_INSUFFICIENT), all contents are still there.
   */
  reserve(range: KvRange, capacities: readonly number[], lengths: readonly number[]): Promise<void>;
  view(firstRow: number, rows: number): KvView;
  /** The sequence in this row is gone. */
  releaseRow(row: number): void;
  /** Gives the memory of all rows back. The contents are gone; reserve() may follow. */
  release(): void;
  /** For good; before the session's release. */
  dispose(): void;
}
