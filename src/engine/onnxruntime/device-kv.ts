/**
 * KV caches in a device's memory: for each slot and buffer a tensor [1, kvHeads, capacity, headSize] from the session's
 * own allocator, bound as past and present, so that no part of it ever comes to the host. A device's memory has no
 * addresses to count in, so rows cannot be bound together and a slot has its full capacity from its first token on.
 */
import { EngineError, ResourceError } from '../../errors.js';
import { formatBytes } from '../memory.js';
import { ELEMENT_TYPE, takePointer, type OrtApi, type Pointer } from './c-api.js';
import {
  elementBytes,
  kvBytesPerPosition,
  type KvMemory,
  type KvRange,
  type KvShape,
  type KvView,
} from './kv-memory.js';

const DEVICE_ALLOCATOR = 0; // OrtDeviceAllocator
const DEFAULT_MEMORY = 0; // OrtMemTypeDefault

interface Row {
  readonly capacity: number;
  readonly values: readonly Pointer[];
}

export class DeviceKv implements KvMemory {
  readonly #api: OrtApi;
  readonly #shape: KvShape;
  readonly #memoryInfo: Pointer;
  readonly #allocator: Pointer;
  readonly #rows = new Map<number, Row>();
  generation = 0;

  /** `memoryName` as CreateMemoryInfo takes it; `deviceId` is the runtime's. Throws RUNTIME_FAILED. */
  constructor(api: OrtApi, session: Pointer, shape: KvShape, memoryName: string, deviceId: number) {
    this.#api = api;
    this.#shape = shape;
    this.#memoryInfo = takePointer((out) =>
      api.CreateMemoryInfo(memoryName, DEVICE_ALLOCATOR, deviceId, DEFAULT_MEMORY, out),
    );
    try {
      this.#allocator = takePointer((out) => api.CreateAllocator(session, this.#memoryInfo, out));
    } catch (error) {
      api.ReleaseMemoryInfo(this.#memoryInfo);
      throw error;
    }
  }

  get bytes(): number {
    let positions = 0;
    for (const { capacity } of this.#rows.values()) positions += capacity;
    return positions * kvBytesPerPosition(this.#shape);
  }

  /** Nothing tells what a device has left: allocating is how to know. */
  requireRoom(): void {
    return;
  }

  reserve({ firstRow, rows }: KvRange, capacities: readonly number[]): Promise<void> {
    for (let row = firstRow; row < firstRow + rows; row += 1) {
      if (!this.#rows.has(row)) this.#allocateRow(row, capacities[row] ?? 0);
    }
    return Promise.resolve();
  }

  view(firstRow: number, rows: number): KvView {
    const row = this.#rows.get(firstRow);
    if (row === undefined || rows !== 1) throw new RangeError(`no view of ${rows} rows from ${firstRow}`);
    const bytes = this.#bufferBytes(row.capacity);
    return { tensors: row.values.map((value) => ({ value, bytes })), release: () => undefined };
  }

  releaseRow(row: number): void {
    const found = this.#rows.get(row);
    if (found === undefined) return;
    this.generation += 1;
    this.#rows.delete(row);
    for (const value of found.values) this.#api.ReleaseValue(value);
  }

  release(): void {
    for (const row of [...this.#rows.keys()]) this.releaseRow(row);
  }

  /** Before the session's own release. */
  dispose(): void {
    this.release();
    this.#api.ReleaseAllocator(this.#allocator);
    this.#api.ReleaseMemoryInfo(this.#memoryInfo);
  }

  #bufferBytes(capacity: number): number {
    const { kvHeads, headSize, type } = this.#shape;
    return kvHeads * capacity * headSize * elementBytes(type);
  }

  #allocateRow(row: number, capacity: number): void {
    const { layers, kvHeads, headSize, type } = this.#shape;
    const dims = BigInt64Array.from([1, kvHeads, capacity, headSize], BigInt);
    const values: Pointer[] = [];
    try {
      for (let index = 0; index < 2 * layers; index += 1) {
        values.push(
          takePointer((out) =>
            this.#api.CreateTensorAsOrtValue(this.#allocator, dims, dims.length, ELEMENT_TYPE[type], out),
          ),
        );
      }
    } catch (error) {
      for (const value of values) this.#api.ReleaseValue(value);
      throw error instanceof EngineError
        ? deviceFull(capacity * kvBytesPerPosition(this.#shape), capacity, error)
        : error;
    }
    this.generation += 1;
    this.#rows.set(row, { capacity, values });
  }
}

function deviceFull(neededBytes: number, capacity: number, cause: EngineError): ResourceError {
  return new ResourceError(
    'MEMORY_INSUFFICIENT',
    `A KV cache of ${capacity} tokens needs ${formatBytes(neededBytes)} of the device's memory, which it did not give. ` +
      `Load the model with a smaller contextTokens or fewer slots, or close other programs. ${cause.message}`,
    { cause, details: { neededBytes, capacityTokens: capacity } },
  );
}
