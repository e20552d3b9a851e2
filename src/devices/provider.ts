/**
 * Which software drives which device: the types of the answer, which the runtimes themselves give (src/machine asks
 * them). It asks nobody.
 */
import type { DeviceId } from './device.js';

/** `cpu`, `dml`, `webgpu` and `cuda` are ONNX Runtime's; other names are plug-ins of it. */
export type ProviderName = 'cpu' | 'openvino' | 'dml' | 'webgpu' | 'cuda' | (string & {});

/** One device under the provider's own name or number. */
export interface DrivenDevice {
  readonly deviceId: DeviceId;
  /** What the provider calls it: `GPU.1` for OpenVINO, a DXGI or CUDA index for the others. */
  readonly providerDevice: string;
  /** The name that the provider gives it; null: it gives none. */
  readonly name: string | null;
  /** The CPU computes in its place (a software Vulkan device, say). Default false. */
  readonly isSoftware?: boolean;
}

/** A device that a plug-in offers, as ONNX Runtime's GetEpDevices tells of it. */
export interface OfferedDevice {
  /** aipc's own id: what `--device` takes. */
  readonly deviceId: DeviceId;
  /** By the plug-in's own counting: `gpu.0`, `npu.0`. */
  readonly providerDevice: string;
  readonly kind: 'cpu' | 'gpu' | 'npu';
  /** As the plug-in calls its provider: `OpenVINOExecutionProvider`. */
  readonly epName: string;
  readonly epVendor: string;
  readonly epMetadata: Readonly<Record<string, string>>;
  readonly hardware: {
    /** Empty: not told. */
    readonly vendor: string;
    /** Of PCI, or the system's stand-in for it; 0: not told. */
    readonly vendorId: number;
    readonly deviceId: number;
    readonly metadata: Readonly<Record<string, string>>;
  };
  /** The CPU computes in its place. */
  readonly isSoftware: boolean;
}

export interface ProviderStatus {
  readonly provider: ProviderName;
  /** `OpenVINO 2026.4.1`, `ONNX Runtime 1.30.0`; null where there is none. */
  readonly runtime: string | null;
  /** Absolute path of the library; null where there is none. */
  readonly libraryFile: string | null;
  readonly drives: readonly DrivenDevice[];
  /** Why it drives nothing, or not all that it might, with what would change that; null: nothing to say. */
  readonly problem: string | null;
  /** Of plug-ins, whose library `libraryFile` is: what each offers. */
  readonly offers?: readonly OfferedDevice[];
}
