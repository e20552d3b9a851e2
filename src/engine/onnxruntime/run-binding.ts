/**
 * What one native run reads and writes, bound by name: a range of rows of the KV pool as past and present, and the
 * small tensors of tokens, mask and logits. Bound once, and bound anew only where a shape or a buffer has changed,
 * so that a decoded token costs the main thread microseconds. It decides nothing about what to run.
 */
import { ELEMENT_TYPE, takePointer, type OrtApi, type Pointer } from './c-api.js';
import type { DecoderIo } from './decoder-io.js';
import type { KvMemory, KvView } from './kv-memory.js';
import type { TransferCounter } from './transfer-counter.js';

type HostArray = BigInt64Array | Float32Array | Uint16Array;

interface BoundTensor {
  readonly array: HostArray;
  readonly dims: readonly number[];
  readonly bytes: number;
  readonly value: Pointer;
}

export class RunBinding {
  /** The KV memory's generation that is bound. */
  readonly generation: number;
  readonly #api: OrtApi;
  readonly #binding: Pointer;
  readonly #kv: KvView;
  readonly #inputs = new Map<string, BoundTensor>();
  readonly #outputs = new Map<string, BoundTensor>();
  /** Undefined: the run computes in plain memory, and reads inputs where they are. */
  readonly #transfers: TransferCounter | undefined;

  /** Binds rows [firstRow, firstRow + rows) of `kv`, which must outlive the binding's use. */
  constructor(
    api: OrtApi,
    session: Pointer,
    io: DecoderIo,
    kv: Pick<KvMemory, 'generation' | 'view'>,
    firstRow: number,
    rows: number,
    transfers: TransferCounter | undefined,
  ) {
    this.#api = api;
    this.generation = kv.generation;
    this.#transfers = transfers;
    this.#kv = kv.view(firstRow, rows);
    this.#binding = takePointer((out) => api.CreateIoBinding(session, out));
    try {
      for (const [layer, names] of io.layers.entries()) {
        this.#bindShared(names.pastKey, names.presentKey, this.#kv.tensors[2 * layer]?.value);
        this.#bindShared(names.pastValue, names.presentValue, this.#kv.tensors[2 * layer + 1]?.value);
      }
    } catch (error) {
      this.release();
      throw error;
    }
  }

  get pointer(): Pointer {
    return this.#binding;
  }

  /**
   * Binds the first elements of `array` as an input of shape `dims`; the array must live until the next bind. Where the
   * run computes in a device's memory they are copied there now: later changes of the array do not count.
   */
  bindInput(name: string, array: HostArray, dims: readonly number[]): void {
    this.#bind(this.#inputs, name, array, dims, this.#transfers !== undefined, (value) =>
      this.#api.BindInput(this.#binding, name, value),
    );
  }

  /** As bindInput(), for an output that the run fills. */
  bindOutput(name: string, array: HostArray, dims: readonly number[]): void {
    this.#bind(this.#outputs, name, array, dims, false, (value) => this.#api.BindOutput(this.#binding, name, value));
  }

  /** Counts what one run with this binding moves between host and device, by where each bound tensor really is. */
  countTransfers(): void {
    const transfers = this.#transfers;
    if (transfers === undefined) return;
    transfers.startRun();
    for (const { value, bytes } of this.#inputs.values()) transfers.countInput(value, bytes);
    for (const { value, bytes } of this.#outputs.values()) transfers.countOutput(value, bytes);
    for (const { value, bytes } of this.#kv.tensors) {
      transfers.countInput(value, bytes);
      transfers.countOutput(value, bytes);
    }
  }

  release(): void {
    this.#api.ReleaseIoBinding(this.#binding);
    this.#kv.release();
    for (const bound of [this.#inputs, this.#outputs]) {
      for (const { value } of bound.values()) this.#api.ReleaseValue(value);
      bound.clear();
    }
  }

  /** The same memory as past and present: GroupQueryAttention then appends in place. */
  #bindShared(past: string, present: string, value: Pointer | undefined): void {
    if (value === undefined) throw new RangeError(`no KV buffer for ${past}`);
    this.#api.BindInput(this.#binding, past, value);
    this.#api.BindOutput(this.#binding, present, value);
  }

  #bind(
    to: Map<string, BoundTensor>,
    name: string,
    array: HostArray,
    dims: readonly number[],
    always: boolean,
    bind: (value: Pointer) => void,
  ): void {
    const bound = to.get(name);
    const isSame = bound?.array === array && bound.dims.every((size, i) => size === dims[i]);
    if (isSame) {
      if (always) bind(bound.value);
      return;
    }
    const count = dims.reduce((product, size) => product * size, 1);
    if (count > array.length) throw new RangeError(`${name}: ${count} elements in an array of ${array.length}`);
    const bytes = count * array.BYTES_PER_ELEMENT;
    const shape = BigInt64Array.from(dims, BigInt);
    const value = takePointer((out) =>
      this.#api.CreateTensorWithDataAsOrtValue(
        this.#api.cpuMemory,
        array,
        bytes,
        shape,
        shape.length,
        elementTypeOf(array),
        out,
      ),
    );
    bind(value); // the binding keeps its own reference to the tensor, not to the memory
    if (bound !== undefined) this.#api.ReleaseValue(bound.value);
    to.set(name, { array, dims, bytes, value });
  }
}

function elementTypeOf(array: HostArray): number {
  if (array instanceof BigInt64Array) return ELEMENT_TYPE.i64;
  return array instanceof Float32Array ? ELEMENT_TYPE.f32 : ELEMENT_TYPE.f16;
}
