/**
 * What one native run reads and writes, bound by name: a range of rows of the KV pool as past and present, and the
 * small tensors of tokens, mask and logits. Bound once, and bound anew only where a shape or a buffer has changed,
 * so that a decoded token costs the main thread microseconds. It decides nothing about what to run.
 */
import { ELEMENT_TYPE, takePointer, type OrtApi, type Pointer } from './c-api.js';
import type { DecoderIo } from './decoder-io.js';
import { elementBytes, type KvBuffer } from './kv-pool.js';

type HostArray = BigInt64Array | Float32Array | Uint16Array;

interface BoundTensor {
  readonly array: HostArray;
  readonly dims: readonly number[];
  readonly value: Pointer;
}

export class RunBinding {
  /** The KV pool's generation that is bound. */
  readonly generation: number;
  readonly #api: OrtApi;
  readonly #binding: Pointer;
  readonly #kvValues: Pointer[] = [];
  readonly #tensors = new Map<string, BoundTensor>();

  /** Binds rows [firstRow, firstRow + rows) of `buffers`, which must outlive the binding's use. */
  constructor(
    api: OrtApi,
    session: Pointer,
    io: DecoderIo,
    kv: { readonly buffers: readonly KvBuffer[]; readonly generation: number },
    firstRow: number,
    rows: number,
  ) {
    this.#api = api;
    this.generation = kv.generation;
    this.#binding = takePointer((out) => api.CreateIoBinding(session, out));
    try {
      for (const [layer, names] of io.layers.entries()) {
        this.#bindShared(names.pastKey, names.presentKey, kv.buffers[2 * layer], io, firstRow, rows);
        this.#bindShared(names.pastValue, names.presentValue, kv.buffers[2 * layer + 1], io, firstRow, rows);
      }
    } catch (error) {
      this.release();
      throw error;
    }
  }

  get pointer(): Pointer {
    return this.#binding;
  }

  /** Binds the first elements of `array` as an input of shape `dims`; the array must live until the next bind. */
  bindInput(name: string, array: HostArray, dims: readonly number[]): void {
    this.#bind(name, array, dims, (value) => this.#api.BindInput(this.#binding, name, value));
  }

  /** As bindInput(), for an output that the run fills. */
  bindOutput(name: string, array: HostArray, dims: readonly number[]): void {
    this.#bind(name, array, dims, (value) => this.#api.BindOutput(this.#binding, name, value));
  }

  release(): void {
    this.#api.ReleaseIoBinding(this.#binding);
    for (const value of this.#kvValues) this.#api.ReleaseValue(value);
    for (const { value } of this.#tensors.values()) this.#api.ReleaseValue(value);
    this.#kvValues.length = 0;
    this.#tensors.clear();
  }

  /** The same memory as past and present: GroupQueryAttention then appends in place. */
  #bindShared(
    past: string,
    present: string,
    buffer: KvBuffer | undefined,
    { kvHeads, headSize, kvType }: DecoderIo,
    firstRow: number,
    rows: number,
  ): void {
    if (buffer === undefined) throw new RangeError(`no KV buffer for ${past}`);
    const rowBytes = kvHeads * buffer.capacity * headSize * elementBytes(kvType);
    const dims = [rows, kvHeads, buffer.capacity, headSize];
    const value = this.#createTensor(
      buffer.data + BigInt(firstRow * rowBytes),
      rows * rowBytes,
      dims,
      ELEMENT_TYPE[kvType],
    );
    this.#kvValues.push(value);
    this.#api.BindInput(this.#binding, past, value);
    this.#api.BindOutput(this.#binding, present, value);
  }

  #bind(name: string, array: HostArray, dims: readonly number[], bind: (value: Pointer) => void): void {
    const bound = this.#tensors.get(name);
    if (bound?.array === array && bound.dims.every((size, i) => size === dims[i])) return;
    const count = dims.reduce((product, size) => product * size, 1);
    if (count > array.length) throw new RangeError(`${name}: ${count} elements in an array of ${array.length}`);
    const value = this.#createTensor(array, count * array.BYTES_PER_ELEMENT, dims, elementTypeOf(array));
    bind(value); // the binding keeps its own reference to the tensor, not to the memory
    if (bound !== undefined) this.#api.ReleaseValue(bound.value);
    this.#tensors.set(name, { array, dims, value });
  }

  #createTensor(data: Pointer | HostArray, bytes: number, dims: readonly number[], elementType: number): Pointer {
    const shape = BigInt64Array.from(dims, BigInt);
    return takePointer((out) =>
      this.#api.CreateTensorWithDataAsOrtValue(this.#api.cpuMemory, data, bytes, shape, shape.length, elementType, out),
    );
  }
}

function elementTypeOf(array: HostArray): number {
  if (array instanceof BigInt64Array) return ELEMENT_TYPE.i64;
  return array instanceof Float32Array ? ELEMENT_TYPE.f32 : ELEMENT_TYPE.f16;
}
