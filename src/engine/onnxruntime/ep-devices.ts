/**
 * Which hardware each execution provider of the loaded ONNX Runtime can drive, as the runtime itself lists it
 * (GetEpDevices): those that are built in, and plug-ins that were registered. It registers none and creates no session.
 */
import koffi from 'koffi';
import { takePointer, type OrtApi, type Pointer } from './c-api.js';

export interface EpDevice {
  /** As registered: `DmlExecutionProvider`. */
  readonly provider: string;
  /** Who made the provider. */
  readonly providerVendor: string;
  /** What the provider tells of itself and the device, e.g. `ov_device`. */
  readonly providerMetadata: Readonly<Record<string, string>>;
  readonly kind: 'cpu' | 'gpu' | 'npu';
  /** Who made the hardware; empty: not told. */
  readonly vendor: string;
  /** Of PCI, or the system's stand-in for it; 0: not told. */
  readonly vendorId: number;
  readonly deviceId: number;
  /** `DxgiAdapterNumber`, `DxgiVideoMemory`, `Discrete`, `Description` on Windows; `card_idx`, `pci_bus_id` on Linux. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** With the runtime's own object, which lives as long as its environment. */
export interface NativeEpDevice extends EpDevice {
  readonly pointer: Pointer;
}

const KINDS = ['cpu', 'gpu', 'npu'] as const; // OrtHardwareDeviceType
const MOST_DEVICES = 64;
const MOST_PAIRS = 64;

/** Throws RUNTIME_FAILED. */
export function listEpDevices(api: OrtApi): readonly NativeEpDevice[] {
  const count: [number | bigint] = [0];
  const list = takePointer((out) => api.GetEpDevices(api.env, out, count)); // the environment's own
  return Array.from({ length: Math.min(Number(count[0]), MOST_DEVICES) }, (_, index) => {
    const pointer = pointerAt(list, index);
    const hardware = api.EpDevice_Device(pointer);
    return {
      provider: api.EpDevice_EpName(pointer),
      providerVendor: api.EpDevice_EpVendor(pointer),
      providerMetadata: readPairs(api, api.EpDevice_EpMetadata(pointer)),
      kind: KINDS[api.HardwareDevice_Type(hardware)] ?? 'cpu',
      vendor: api.HardwareDevice_Vendor(hardware),
      vendorId: api.HardwareDevice_VendorId(hardware),
      deviceId: api.HardwareDevice_DeviceId(hardware),
      metadata: readPairs(api, api.HardwareDevice_Metadata(hardware)),
      pointer,
    };
  });
}

function pointerAt(list: Pointer, index: number): Pointer {
  return koffi.decode(list, index * koffi.sizeof('void *'), 'void *') as Pointer;
}

function readPairs(api: OrtApi, pairs: Pointer | null): Readonly<Record<string, string>> {
  if (pairs === null) return {};
  const [keys, values]: [[Pointer | null], [Pointer | null]] = [[null], [null]];
  const count: [number | bigint] = [0];
  api.GetKeyValuePairs(pairs, keys, values, count);
  const text = (list: Pointer | null, index: number): string =>
    list === null ? '' : koffi.decode.string(pointerAt(list, index));
  return Object.fromEntries(
    Array.from(
      { length: Math.min(Number(count[0]), MOST_PAIRS) },
      (_, index) => [text(keys[0], index), text(values[0], index)] as const,
    ),
  );
}
