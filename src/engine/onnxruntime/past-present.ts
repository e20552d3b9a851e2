/**
 * The keys and values of one sequence for graphs that write them anew at every run: for each layer two buffers each for
 * keys and values, one read as the past and one written as the present, which change places after a run. The tensors
 * are views of exactly as many positions as there are. It knows neither tokens nor graphs.
 */
import { copyNativeMemory } from '../native-library.js';
import { ELEMENT_TYPE, takePointer, type OrtApi, type Pointer } from './c-api.js';
import type { LayerNames } from './decoder-io.js';
import { elementBytes, type KvShape } from './kv-memory.js';

/** The first capacity; from there it doubles. */
const FIRST_CAPACITY = 256;

/** All layers' keys and values of one length, in buffers of `capacity` positions each. */
interface Side {
  readonly capacity: number;
  readonly buffers: readonly { readonly value: Pointer; readonly data: Pointer }[];
}

export class PastPresent {
  readonly #api: OrtApi;
  readonly #shape: KvShape;
  readonly #maxCapacity: number;
  #past: Side | undefined;
  #present: Side | undefined;
  #views: Pointer[] = [];
  /** Positions in the past. */
  #length = 0;

  constructor(api: OrtApi, shape: KvShape, maxCapacity: number) {
    this.#api = api;
    this.#shape = shape;
    this.#maxCapacity = maxCapacity;
  }

  /** Keeps the first `length` positions, by copying them once. */
  async cut(length: number): Promise<void> {
    if (length >= this.#length) return;
    const from = this.#past;
    if (length > 0 && from !== undefined) {
      const to = this.#sideFor(this.#present, length);
      this.#present = to;
      await this.#copy(from, to, length);
      this.#past = to;
      this.#present = from;
    }
    this.#length = length;
  }

  /** Makes room for a present of `length` positions, and, where it has to grow, for `expected`. */
  reserve(length: number, expected: number): void {
    this.#past ??= this.#sideFor(undefined, FIRST_CAPACITY);
    if (this.#present !== undefined && this.#present.capacity >= length) return;
    this.#present = this.#sideFor(this.#present, Math.max(length, Math.min(expected, 2 * length)));
  }

  /** Binds the past as it is and a present of `length` positions; unbind() must follow, after the run. */
  bind(binding: Pointer, layers: readonly LayerNames[], length: number): void {
    for (const [layer, names] of layers.entries()) {
      for (const [kind, past, present] of [
        [0, names.pastKey, names.presentKey],
        [1, names.pastValue, names.presentValue],
      ] as const) {
        this.#api.BindInput(binding, past, this.#view(this.#past, 2 * layer + kind, this.#length));
        this.#api.BindOutput(binding, present, this.#view(this.#present, 2 * layer + kind, length));
      }
    }
  }

  unbind(): void {
    for (const view of this.#views) this.#api.ReleaseValue(view);
    this.#views = [];
  }

  /** The present, which the run has filled, becomes the past. */
  advance(length: number): void {
    [this.#past, this.#present] = [this.#present, this.#past];
    this.#length = length;
  }

  /** Gives all memory back. The contents are gone. */
  release(): void {
    this.#releaseSide(this.#past);
    this.#releaseSide(this.#present);
    this.#past = this.#present = undefined;
    this.#length = 0;
  }

  #view(side: Side | undefined, index: number, positions: number): Pointer {
    const buffer = side?.buffers[index];
    if (buffer === undefined) throw new RangeError(`no KV buffer ${index}`);
    const { kvHeads, headSize, type } = this.#shape;
    const bytes = kvHeads * positions * headSize * elementBytes(type);
    const dims = BigInt64Array.from([1, kvHeads, positions, headSize].map(BigInt));
    const view = takePointer((out) =>
      this.#api.CreateTensorWithDataAsOrtValue(
        this.#api.cpuMemory,
        buffer.data,
        bytes,
        dims,
        dims.length,
        ELEMENT_TYPE[type],
        out,
      ),
    );
    this.#views.push(view);
    return view;
  }

  /** `side` if it has room for `positions`, else a new one in its place; its contents do not matter. */
  #sideFor(side: Side | undefined, positions: number): Side {
    if (side !== undefined && side.capacity >= positions) return side;
    this.#releaseSide(side);
    if (side === this.#present) this.#present = undefined; // should the next line throw
    let capacity = FIRST_CAPACITY;
    while (capacity < positions) capacity *= 2;
    return this.#allocate(Math.max(positions, Math.min(capacity, this.#maxCapacity)));
  }

  #allocate(capacity: number): Side {
    const { layers, kvHeads, headSize, type } = this.#shape;
    const dims = BigInt64Array.from([1, kvHeads, capacity, headSize].map(BigInt));
    const buffers: { value: Pointer; data: Pointer }[] = [];
    try {
      for (let index = 0; index < 2 * layers; index += 1) {
        const value = takePointer((out) =>
          this.#api.CreateTensorAsOrtValue(this.#api.allocator, dims, dims.length, ELEMENT_TYPE[type], out),
        );
        buffers.push({ value, data: 0n });
        buffers[index] = { value, data: takePointer((out) => this.#api.GetTensorMutableData(value, out)) };
      }
    } catch (error) {
      this.#releaseSide({ capacity, buffers });
      throw error;
    }
    return { capacity, buffers };
  }

  #releaseSide(side: Side | undefined): void {
    for (const { value } of side?.buffers ?? []) this.#api.ReleaseValue(value);
  }

  /** Head by head: the tensors are as long as what they hold. */
  async #copy(from: Side, to: Side, length: number): Promise<void> {
    const { kvHeads, headSize, type } = this.#shape;
    const positionBytes = headSize * elementBytes(type);
    for (const [index, source] of from.buffers.entries()) {
      const target = to.buffers[index];
      if (target === undefined) throw new RangeError(`no KV buffer ${index}`);
      for (let head = 0; head < kvHeads; head += 1) {
        await copyNativeMemory(
          target.data + BigInt(head * length * positionBytes),
          source.data + BigInt(head * this.#length * positionBytes),
          length * positionBytes,
        );
      }
    }
  }
}
