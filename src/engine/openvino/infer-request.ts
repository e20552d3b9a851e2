/**
 * One ov::InferRequest with inputs and outputs bound by name to memory of this process. Bound once, and anew only where
 * a shape or a buffer has changed. Its state (the KV cache) lives in the runtime and goes with it.
 */
import { ELEMENT_TYPE, shapeOf, takePointer, type OvApi, type Pointer } from './c-api.js';

export type HostArray = BigInt64Array | Int32Array | Float32Array;

interface Bound {
  /** Holds the memory as long as the request may use it. */
  readonly array: HostArray;
  readonly dims: readonly number[];
}

export class InferRequest {
  readonly #api: OvApi;
  readonly #pointer: Pointer;
  readonly #bound = new Map<string, Bound>();

  /** Takes no memory for the cache yet: that comes with the first tokens. */
  constructor(api: OvApi, compiledModel: Pointer) {
    this.#api = api;
    this.#pointer = takePointer((out) => api.ov_compiled_model_create_infer_request(compiledModel, out));
  }

  /** Binds the first elements of `array` as the input or output `name` of shape `dims`. Throws RUNTIME_FAILED. */
  bind(name: string, array: HostArray, dims: readonly number[]): void {
    const bound = this.#bound.get(name);
    if (bound !== undefined && isSameMemory(bound.array, array) && bound.dims.every((size, i) => size === dims[i])) {
      return;
    }
    const count = dims.reduce((product, size) => product * size, 1);
    if (count > array.length) throw new RangeError(`${name}: ${count} elements in an array of ${array.length}`);
    const tensor = takePointer((out) =>
      this.#api.ov_tensor_create_from_host_ptr(elementTypeOf(array), shapeOf(dims), array, out),
    );
    try {
      this.#api.ov_infer_request_set_tensor(this.#pointer, name, tensor);
    } finally {
      this.#api.ov_tensor_free(tensor); // the request keeps a reference of its own
    }
    this.#bound.set(name, { array, dims });
  }

  /** Runs on one of libuv's threads. The bound memory must not change meanwhile. */
  infer(): Promise<void> {
    return this.#api.async.infer(this.#pointer);
  }

  /** Asks the run in flight to fail soon; without effect before it has begun. What it leaves: see graph-mending.ts. */
  cancel(): void {
    this.#api.ov_infer_request_cancel(this.#pointer);
  }

  /** Gives the state's memory back. Not while it infers, and once only. */
  free(): void {
    this.#api.ov_infer_request_free(this.#pointer);
    this.#bound.clear();
  }
}

function isSameMemory(a: HostArray, b: HostArray): boolean {
  return a.buffer === b.buffer && a.byteOffset === b.byteOffset;
}

function elementTypeOf(array: HostArray): number {
  if (array instanceof BigInt64Array) return ELEMENT_TYPE.i64;
  return array instanceof Int32Array ? ELEMENT_TYPE.i32 : ELEMENT_TYPE.f32;
}
