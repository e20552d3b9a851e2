/** What the runtimes answer when asked which devices they drive: crosses a process, plain values alone. */
import type { EpDevice } from '../engine/onnxruntime/ep-devices.js';

export interface OpenvinoDeviceFacts {
  /** OpenVINO's own: `CPU`, `GPU`, `GPU.1`, `NPU`. */
  readonly name: string;
  readonly fullName: string | null;
  /** As OpenVINO prints it: eight bytes of the LUID in memory order, hexadecimal. */
  readonly luid: string | null;
  /** `{domain: 0 bus: 3 device: 0x0 function: 0}` */
  readonly pciInfo: string | null;
  readonly totalMemoryBytes: number | null;
  /** NPU_DRIVER_VERSION. */
  readonly npuDriverVersion: string | null;
}

export interface OpenvinoAnswer {
  readonly version: string;
  readonly libraryFile: string;
  readonly devices: readonly OpenvinoDeviceFacts[];
}

export interface OnnxRuntimeAnswer {
  readonly version: string;
  readonly libraryFile: string;
  /** As registered: `CPUExecutionProvider`, `DmlExecutionProvider`... */
  readonly providers: readonly string[];
  /** Why the CUDA provider cannot start, which is registered even where its libraries are missing; null: it can. */
  readonly cudaProblem: string | null;
  /** Null: this version does not list them. */
  readonly epDevices: readonly EpDevice[] | null;
}

/** Of one plug-in. */
export interface PluginAnswer {
  /** Of ONNX Runtime. */
  readonly version: string;
  /** What the plug-in offers, in its own order. */
  readonly devices: readonly (EpDevice & { readonly isSoftware: boolean })[];
}

export interface AskedPlugin {
  /** The caller's own. */
  readonly name: string;
  /** Absolute path of its library. */
  readonly library: string;
  readonly answer: PluginAnswer | Problem;
}

export interface Problem {
  /** The error's message, and its code; null: no error of aipc's, the process itself ended, say. */
  readonly problem: string;
  readonly code: string | null;
}

export interface RuntimeAnswer {
  readonly openvino: OpenvinoAnswer | Problem;
  readonly onnxruntime: OnnxRuntimeAnswer | Problem;
  readonly plugins: readonly AskedPlugin[];
}
