/**
 * Counts the bytes that cross between the host's memory and a device's: for each tensor bound to a run, where ONNX
 * Runtime says that it is. What a graph moves between its own nodes is not seen here.
 */
import type { Transfers } from '../engine.js';
import { takePointer, type OrtApi, type Pointer } from './c-api.js';

/** As ONNX Runtime calls plain memory. */
const HOST_MEMORY = 'Cpu';

export class TransferCounter implements Transfers {
  runs = 0;
  toDeviceBytes = 0;
  toHostBytes = 0;
  readonly #api: OrtApi;

  constructor(api: OrtApi) {
    this.#api = api;
  }

  startRun(): void {
    this.runs += 1;
  }

  countInput(value: Pointer, bytes: number): void {
    if (this.#isInHostMemory(value)) this.toDeviceBytes += bytes;
  }

  countOutput(value: Pointer, bytes: number): void {
    if (this.#isInHostMemory(value)) this.toHostBytes += bytes;
  }

  #isInHostMemory(value: Pointer): boolean {
    const info = takePointer((out) => this.#api.GetTensorMemoryInfo(value, out));
    const name: [string | null] = [null];
    this.#api.MemoryInfoGetName(info, name);
    return name[0] === HOST_MEMORY;
  }
}
