/**
 * The memory of the KV caches of all slots: for each layer two tensors [rows, kvHeads, capacity, headSize], one row
 * for each slot, so that neighbouring rows can be bound as one batch. Capacity and rows grow as sequences do, on every
 * system alike, and all is given back when no sequence holds a token. It knows neither tokens nor graphs.
 */
import { copyNativeMemory } from '../native-library.js';
import { fitsMemory, requireMemory } from '../memory.js';
import { ELEMENT_TYPE, takePointer, type OrtApi, type Pointer } from './c-api.js';
import {
  elementBytes,
  kvBytesPerPosition,
  type KvMemory,
  type KvRange,
  type KvShape,
  type KvView,
} from './kv-memory.js';

/** The first capacity; from there it doubles. A page of memory holds a few positions of one head. */
const FIRST_CAPACITY = 256;

/** One layer's keys or values. */
export interface KvBuffer {
  readonly value: Pointer;
  readonly data: Pointer;
  readonly rows: number;
  readonly capacity: number;
}

export class KvPool implements KvMemory {
  readonly #api: OrtApi;
  readonly #shape: KvShape;
  readonly #maxCapacity: number;
  #buffers: KvBuffer[] = [];
  /** Changes whenever a buffer is replaced: what is bound to the old ones is void. */
  generation = 0;

  constructor(api: OrtApi, shape: KvShape, maxCapacity: number) {
    this.#api = api;
    this.#shape = shape;
    this.#maxCapacity = maxCapacity;
  }

  /** Keys and values of layer 0, of layer 1 and so on; empty until reserve(). */
  get buffers(): readonly KvBuffer[] {
    return this.#buffers;
  }

  get bytes(): number {
    const { kvHeads, headSize, type } = this.#shape;
    const positions = this.#buffers.reduce((sum, { rows, capacity }) => sum + rows * capacity, 0);
    return positions * kvHeads * headSize * elementBytes(type);
  }

  get #rows(): number {
    return Math.min(...this.#buffers.map(({ rows }) => rows));
  }

  get #capacity(): number {
    return Math.min(...this.#buffers.map(({ capacity }) => capacity));
  }

  requireRoom(row: number, capacityTokens: number, others: readonly number[]): void {
    const rows =
      Math.max(
        row,
        others.findLastIndex((tokens) => tokens > 0),
      ) + 1;
    const wanted = rows * Math.max(capacityTokens, ...others) * kvBytesPerPosition(this.#shape);
    requireMemory(
      `A KV cache of ${capacityTokens} tokens beside ${others.filter((tokens) => tokens > 0).length} others`,
      wanted - this.bytes,
      'Open the slot with a smaller capacityTokens, or dispose other slots.',
    );
  }

  /**
   * Rows of one tensor have one capacity: all of them grow together, those of slots beyond the range too.
   * Throws MEMORY_INSUFFICIENT before it claims anything.
   */
  async reserve(range: KvRange, capacities: readonly number[], lengths: readonly number[]): Promise<void> {
    const { positions } = range;
    const rows = Math.max(range.firstRow + range.rows, capacities.findLastIndex((tokens) => tokens > 0) + 1);
    const isEmpty = this.#buffers.length === 0;
    const oldRows = isEmpty ? 0 : this.#rows;
    const oldCapacity = isEmpty ? 0 : this.#capacity;
    if (rows <= oldRows && positions <= oldCapacity) return;
    const newRows = Math.max(rows, oldRows);
    const newCapacity = this.#affordableCapacity(newRows, positions, oldRows, oldCapacity);
    this.generation += 1;
    try {
      for (let index = 0; index < 2 * this.#shape.layers; index += 1) {
        await this.#growBuffer(index, newRows, newCapacity, lengths);
      }
    } catch (error) {
      // Nothing was held in buffers that are being made for the first time. Grown ones and others go together.
      if (this.#buffers.length < 2 * this.#shape.layers) this.release();
      throw error;
    }
  }

  view(firstRow: number, rows: number): KvView {
    const { kvHeads, headSize, type } = this.#shape;
    const tensors = this.#buffers.map(({ data, capacity }) => {
      const rowBytes = kvHeads * capacity * headSize * elementBytes(type);
      const dims = BigInt64Array.from([rows, kvHeads, capacity, headSize], BigInt);
      const start = data + BigInt(firstRow * rowBytes);
      const bytes = rows * rowBytes;
      const value = takePointer((out) =>
        this.#api.CreateTensorWithDataAsOrtValue(
          this.#api.cpuMemory,
          start,
          bytes,
          dims,
          dims.length,
          ELEMENT_TYPE[type],
          out,
        ),
      );
      return { value, bytes };
    });
    return { tensors, release: () => tensors.forEach(({ value }) => this.#api.ReleaseValue(value)) };
  }

  /** Rows are parts of tensors: they go when all do. */
  releaseRow(): void {
    return;
  }

  release(): void {
    if (this.#buffers.length === 0) return;
    this.generation += 1;
    for (const { value } of this.#buffers) this.#api.ReleaseValue(value);
    this.#buffers = [];
  }

  dispose(): void {
    this.release();
  }

  /** Doubling makes copying rare; where the doubled size does not fit, what is needed may still. */
  #affordableCapacity(rows: number, positions: number, oldRows: number, oldCapacity: number): number {
    const { layers } = this.#shape;
    const bytesPerPosition = kvBytesPerPosition(this.#shape);
    const wanted = Math.max(positions, oldCapacity);
    let doubled = FIRST_CAPACITY;
    while (doubled < wanted) doubled *= 2;
    const choices = [
      Math.min(doubled, this.#maxCapacity),
      Math.min(wanted + FIRST_CAPACITY, this.#maxCapacity),
      wanted,
    ];
    const neededBytes = (capacity: number): number => {
      const old = oldRows * oldCapacity * bytesPerPosition;
      // One old buffer of 2 * layers is still there while it is copied.
      return rows * capacity * bytesPerPosition - old + old / (2 * layers);
    };
    const affordable = choices.find((capacity) => fitsMemory(neededBytes(capacity)));
    if (affordable !== undefined) return affordable;
    requireMemory(
      `Growing the KV cache to ${wanted} tokens for ${rows} ${rows === 1 ? 'sequence' : 'sequences'}`,
      neededBytes(wanted),
      'Shorten the conversation, dispose other slots, or load the model with a smaller contextTokens.',
    );
    return wanted;
  }

  async #growBuffer(index: number, rows: number, capacity: number, lengths: readonly number[]): Promise<void> {
    const old = this.#buffers[index];
    // Growth that failed half-way has left this one large enough.
    if (old !== undefined && old.rows >= rows && old.capacity >= capacity) return;
    const grown = this.#allocate(rows, capacity);
    if (old !== undefined) {
      try {
        await this.#copy(old, grown, lengths);
      } catch (error) {
        this.#api.ReleaseValue(grown.value);
        throw error;
      }
      this.#api.ReleaseValue(old.value);
    }
    this.#buffers[index] = grown;
  }

  #allocate(rows: number, capacity: number): KvBuffer {
    const { kvHeads, headSize, type } = this.#shape;
    const dims = BigInt64Array.from([rows, kvHeads, capacity, headSize].map(BigInt));
    const value = takePointer((out) =>
      this.#api.CreateTensorAsOrtValue(this.#api.allocator, dims, dims.length, ELEMENT_TYPE[type], out),
    );
    return { value, data: takePointer((out) => this.#api.GetTensorMutableData(value, out)), rows, capacity };
  }

  /** Head by head: the stride between heads is the capacity. */
  async #copy(from: KvBuffer, to: KvBuffer, lengths: readonly number[]): Promise<void> {
    const { kvHeads, headSize, type } = this.#shape;
    const positionBytes = headSize * elementBytes(type);
    for (let row = 0; row < from.rows; row += 1) {
      const bytes = (lengths[row] ?? 0) * positionBytes;
      if (bytes === 0) continue;
      for (let head = 0; head < kvHeads; head += 1) {
        const at = ({ data, capacity }: KvBuffer): Pointer =>
          data + BigInt((row * kvHeads + head) * capacity * positionBytes);
        await copyNativeMemory(at(to), at(from), bytes);
      }
    }
  }
}
