/**
 * A process of its own that loads one runtime and tells which devices it drives: a driver that crashes takes nothing
 * else with it. Arguments: `openvino`, `onnxruntime`, or `plugin` with the name and the library of a plug-in provider.
 */
import path from 'node:path';
import { loadOrtApi } from '../engine/onnxruntime/c-api.js';
import { availableProviders, missingCudaLibrary } from '../engine/onnxruntime/append-provider.js';
import { listEpDevices, type EpDevice, type NativeEpDevice } from '../engine/onnxruntime/ep-devices.js';
import { isSoftwareDevice, pluginDevices } from '../engine/onnxruntime/plugin-provider.js';
import { loadOvApi, type OvApi } from '../engine/openvino/c-api.js';
import { AipcError } from '../errors.js';
import type {
  OnnxRuntimeAnswer,
  OpenvinoAnswer,
  OpenvinoDeviceFacts,
  PluginAnswer,
  Problem,
} from './runtime-answer.js';

async function askOpenvino(): Promise<OpenvinoAnswer> {
  const api = await loadOvApi();
  const names = await api.async.availableDevices();
  const devices: OpenvinoDeviceFacts[] = [];
  for (const name of names) devices.push(await factsOf(api, name));
  return { version: api.version, libraryFile: api.file, devices };
}

async function factsOf(api: OvApi, name: string): Promise<OpenvinoDeviceFacts> {
  /** Not every device has every property; OpenVINO refuses those that are not there. */
  const property = (key: string): Promise<string | null> => api.async.deviceProperty(name, key).catch(() => null);
  const isNpu = name.startsWith('NPU');
  const isGpu = name.startsWith('GPU');
  const memory = isNpu ? 'NPU_DEVICE_TOTAL_MEM_SIZE' : isGpu ? 'GPU_DEVICE_TOTAL_MEM_SIZE' : null;
  const bytes = Number((memory === null ? null : await property(memory)) ?? 'NaN');
  return {
    name,
    fullName: await property('FULL_DEVICE_NAME'),
    luid: isNpu || isGpu ? await property('DEVICE_LUID') : null,
    pciInfo: isNpu || isGpu ? await property('DEVICE_PCI_INFO') : null,
    totalMemoryBytes: Number.isFinite(bytes) && bytes > 0 ? bytes : null,
    npuDriverVersion: isNpu ? await property('NPU_DRIVER_VERSION') : null,
  };
}

async function askOnnxRuntime(): Promise<OnnxRuntimeAnswer> {
  const api = await loadOrtApi();
  let epDevices: readonly EpDevice[] | null = null;
  try {
    epDevices = listEpDevices(api).map(withoutPointer);
  } catch (error) {
    if (!(error instanceof AipcError)) throw error;
  }
  const providers = availableProviders(api);
  const cudaProblem = providers.includes('CUDAExecutionProvider')
    ? (missingCudaLibrary(path.dirname(api.file)) ?? null)
    : null;
  return { version: api.version, libraryFile: api.file, providers, cudaProblem, epDevices };
}

async function askPlugin(name: string, library: string): Promise<PluginAnswer> {
  const api = await loadOrtApi();
  const devices = await pluginDevices(api, name, library);
  return {
    version: api.version,
    devices: devices.map((device) => ({ ...withoutPointer(device), isSoftware: isSoftwareDevice(device) })),
  };
}

/** A pointer means nothing to another process. */
function withoutPointer({ pointer: _, ...facts }: NativeEpDevice): EpDevice {
  return facts;
}

type Answer = OpenvinoAnswer | OnnxRuntimeAnswer | PluginAnswer;

async function answer(runtime: string | undefined, name = '', library = ''): Promise<Answer | Problem> {
  try {
    if (runtime === 'plugin') return await askPlugin(name, library);
    return await (runtime === 'openvino' ? askOpenvino() : askOnnxRuntime());
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { problem: message, code: error instanceof AipcError ? error.code : null };
  }
}

process.send?.(await answer(process.argv[2], process.argv[3], process.argv[4]));
process.disconnect();
