/**
 * Which hardware each execution provider of the loaded ONNX Runtime can drive, as the runtime itself lists it
 * (GetEpDevices, API version 22). It creates no session.
 * Source of ordinals and signatures: struct OrtApi in onnxruntime_c_api.h.
 */
import koffi from 'koffi';
import { EngineError } from '../../errors.js';
import type { OrtApi } from './c-api.js';

export interface EpDevice {
  /** As registered: `DmlExecutionProvider`. */
  readonly provider: string;
  readonly kind: 'cpu' | 'gpu' | 'npu';
  /** Of PCI, or the system's stand-in for it. */
  readonly vendorId: number;
  readonly deviceId: number;
  /** `DxgiAdapterNumber`, `DxgiVideoMemory`, `Discrete`, `Description` on Windows; `card_idx`, `pci_bus_id` on Linux. */
  readonly metadata: Readonly<Record<string, string>>;
}

const ORDINAL = {
  GetErrorMessage: 2,
  ReleaseStatus: 93,
  GetKeyValuePairs: 298,
  GetEpDevices: 303,
  HardwareDevice_Type: 307,
  HardwareDevice_VendorId: 308,
  HardwareDevice_DeviceId: 310,
  HardwareDevice_Metadata: 311,
  EpDevice_EpName: 312,
  EpDevice_Device: 316,
} as const;

const API_VERSION = 22;
const KINDS = ['cpu', 'gpu', 'npu'] as const; // OrtHardwareDeviceType
const MOST_DEVICES = 64;
const MOST_PAIRS = 64;

type KoffiFunction = ReturnType<OrtApi['library']['func']>;

/** Throws RUNTIME_FAILED. */
export function listEpDevices({
  library,
  env,
  version,
}: Pick<OrtApi, 'library' | 'env' | 'version'>): readonly EpDevice[] {
  const pointer = 'void *';
  const at = (
    table: unknown,
    ordinal: number,
    result: string,
    parameters: readonly (string | object)[],
  ): KoffiFunction =>
    koffi.decode(
      koffi.decode(table, ordinal * koffi.sizeof(pointer), pointer),
      koffi.proto(result, [...parameters] as string[]),
    ) as KoffiFunction;
  const base: unknown = library.func('OrtGetApiBase', pointer, [])();
  const table: unknown = at(base, 0, pointer, ['uint32_t'])(API_VERSION);
  const get = (name: keyof typeof ORDINAL, result: string, parameters: readonly (string | object)[]): KoffiFunction =>
    at(table, ORDINAL[name], result, parameters);
  const outPointer = koffi.out(koffi.pointer(koffi.pointer('void')));
  const outSize = koffi.out(koffi.pointer('size_t'));
  const list: [bigint | null] = [null];
  const count: [number | bigint] = [0];
  const status: unknown = get('GetEpDevices', pointer, [pointer, outPointer, outSize])(env, list, count);
  if (status !== null) {
    const message = String(get('GetErrorMessage', 'str', [pointer])(status));
    get('ReleaseStatus', 'void', [pointer])(status);
    throw new EngineError('RUNTIME_FAILED', `ONNX Runtime ${version}, GetEpDevices: ${message}`);
  }
  const nameOf = get('EpDevice_EpName', 'str', [pointer]);
  const deviceOf = get('EpDevice_Device', pointer, [pointer]);
  const typeOf = get('HardwareDevice_Type', 'int', [pointer]);
  const vendorOf = get('HardwareDevice_VendorId', 'uint32_t', [pointer]);
  const idOf = get('HardwareDevice_DeviceId', 'uint32_t', [pointer]);
  const metadataOf = get('HardwareDevice_Metadata', pointer, [pointer]);
  const pairsOf = get('GetKeyValuePairs', 'void', [pointer, outPointer, outPointer, outSize]);
  const readPairs = (metadata: unknown): Readonly<Record<string, string>> => {
    const keys: [bigint | null] = [null];
    const values: [bigint | null] = [null];
    const size: [number | bigint] = [0];
    if (metadata === null) return {};
    pairsOf(metadata, keys, values, size);
    const length = Math.min(Number(size[0]), MOST_PAIRS);
    if (keys[0] === null || values[0] === null || length === 0) return {};
    const names = koffi.decode(keys[0], koffi.array('str', length)) as readonly string[];
    const texts = koffi.decode(values[0], koffi.array('str', length)) as readonly string[];
    return Object.fromEntries(names.map((name, index) => [name, texts[index] ?? '']));
  };
  const length = Math.min(Number(count[0]), MOST_DEVICES);
  if (list[0] === null || length === 0) return [];
  return (koffi.decode(list[0], koffi.array(pointer, length)) as readonly unknown[]).map((epDevice): EpDevice => {
    const hardware: unknown = deviceOf(epDevice);
    return {
      provider: String(nameOf(epDevice)),
      kind: KINDS[Number(typeOf(hardware))] ?? 'cpu',
      vendorId: Number(vendorOf(hardware)),
      deviceId: Number(idOf(hardware)),
      metadata: readPairs(metadataOf(hardware)),
    };
  });
}
