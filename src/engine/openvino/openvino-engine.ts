/**
 * Opens a folder with an OpenVINO IR as an Engine on a CPU, GPU or NPU. The folder is one that `aipc export openvino`,
 * optimum-cli or Intel made. It converts and downloads nothing; what each kind of device does is its plan's.
 */
import path from 'node:path';
import { EngineError, OptionError } from '../../errors.js';
import { refuseUnknownKeys } from '../../options.js';
import type { Engine, EngineInfo } from '../engine.js';
import { MappedByLoad } from '../mapped-files.js';
import { requireMemory } from '../memory.js';
import { loadOvApi, type Properties } from './c-api.js';
import { compileIr, type CompiledFacts } from './compile.js';
import { openCompiledCache, type OpenvinoWarning } from './compiled-cache.js';
import type { DevicePlan, PlanRequest, SizeOptions } from './device-plan.js';
import { openvinoDeviceName, requireDevice, type OpenvinoDevice } from './devices.js';
import { openModelFolder } from './model-folder.js';
import { checkOvConfig, refuseUnknownProperties, type OvConfig } from './ov-config.js';
import { requireNpu } from './npu-driver.js';
import { isNpu, knownNpuProperties, npuwDevices } from './npuw-properties.js';
import { planNpu, type NpuOptions } from './npuw-plan.js';
import { planStateful } from './stateful-plan.js';

export interface OpenvinoEngineOptions extends SizeOptions {
  readonly device: OpenvinoDevice;
  /**
   * Most tokens that one sequence can hold, at most the model's context length. Default: that; on the NPU what its
   * two lengths make.
   */
  readonly contextTokens?: number;
  /** Sequences with a KV cache at once, 1 to 64. Default 4: memory is taken as they grow. The NPU has one. */
  readonly maxSlots?: number;
  /**
   * Tokens of a prompt in one native run, 1 to 4096; on the NPU a power of two from 16. Default 256; on the CPU 4096 in
   * the first run of a prompt from its start, which an abort cancels. An abort waits for the end of any other run.
   */
  readonly prefillChunkTokens?: number;
  /** Threads that compute, 1 to 1024; for the CPU. Default: one for each physical core that this process may use. */
  readonly threads?: number;
  /**
   * Properties of OpenVINO by name, e.g. `{ KV_CACHE_PRECISION: 'f16' }`. They win over aipc's defaults.
   * CACHE_DIR names the folder for compiled models instead of compiledCacheFolder; '' turns that cache off.
   */
  readonly ovConfig?: OvConfig;
  /** For the device npu alone. */
  readonly npu?: NpuOptions;
  /** Where compiled models for GPU and NPU are kept. Default: `compiled` in aipc's cache. */
  readonly compiledCacheFolder?: string | undefined;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: OpenvinoLoadProgress) => void;
  /** Told what went otherwise than expected, though the model runs. */
  readonly onWarning?: (warning: OpenvinoWarning) => void;
}

/** Loading does not tell how far it is, only which part it is at. */
export interface OpenvinoLoadProgress {
  readonly phase: 'check' | 'compile';
  /** Size of the model's files. */
  readonly modelBytes: number;
}

const WHERE = 'createOpenvinoEngine';

/**
 * Opens the model in `folder`. Rejects with MODEL_FILE_MISSING, FILE_*, TENSOR_*, DTYPE_UNSUPPORTED,
 * MODEL_FEATURE_UNSUPPORTED, OPTION_*, DEVICE_NOT_FOUND, MEMORY_INSUFFICIENT (before anything is claimed),
 * RUNTIME_LIBRARY_NOT_FOUND, RUNTIME_INCOMPATIBLE, RUNTIME_FAILED, or the signal's reason.
 * The caller disposes the engine.
 */
export async function createOpenvinoEngine(folder: string, options: OpenvinoEngineOptions): Promise<Engine> {
  const { signal, onProgress, onWarning = () => undefined, compiledCacheFolder } = options;
  refuseUnknownKeys(WHERE, options, [
    ...[
      'device',
      'contextTokens',
      'maxSlots',
      'prefillChunkTokens',
      'threads',
      'ovConfig',
      'npu',
      'compiledCacheFolder',
    ],
    ...['signal', 'onProgress', 'onWarning'],
  ]);
  const device = openvinoDeviceName(WHERE, options.device);
  const ovConfig = checkOvConfig(WHERE, options.ovConfig);
  signal?.throwIfAborted();
  await using model = await openModelFolder(folder, device);
  const { config, outline } = model;
  const plan = planFor({ where: WHERE, device, sizes: options, ovConfig, config, outline }, options.npu);
  const modelBytes = outline.xmlBytes + outline.binBytes;
  onProgress?.({ phase: 'check', modelBytes });

  const api = await loadOvApi();
  await plan.requireDevice(api);
  const listed = (await api.async.deviceProperty(device, 'SUPPORTED_PROPERTIES')).split(' ');
  refuseUnknownProperties(WHERE, ovConfig, { device, listed, unlisted: plan.unlistedProperties });
  const { xmlFile: modelFile, binFile } = outline;
  requireMemory(
    modelFile,
    modelBytes + plan.cacheBytes,
    'Close other programs, or export the model with int4 weights.',
  );
  for (const warning of plan.warnings) onWarning(warning);
  const cacheDir = ovConfig['CACHE_DIR'] ?? (plan.lostInCache === undefined ? undefined : '');
  if (cacheDir !== undefined && cacheDir !== '' && plan.lostInCache !== undefined) {
    throw new OptionError(
      'OPTION_INVALID',
      `${WHERE}: ovConfig.CACHE_DIR and ovConfig.${plan.lostInCache} exclude each other in an emulation: the runtime ` +
        'loads what it kept without that property. Leave one out.',
      { details: { option: 'ovConfig.CACHE_DIR', found: cacheDir, lost: plan.lostInCache } },
    );
  }
  const cache = await openCompiledCache({ api, device, cacheDir, compiledCacheFolder, outline, signal, onWarning });
  const properties = { ...without(plan.properties, 'CACHE_DIR'), ...cache?.properties };
  onProgress?.({ phase: 'compile', modelBytes });
  const { xmlFile } = model;
  using mapped = new MappedByLoad();
  const compiledModel = await compileIr({
    api,
    xmlFile,
    binFile,
    modelFile,
    device,
    properties,
    ovConfig,
    signal,
    mapped,
  });
  let engine: Engine;
  try {
    await cache?.record();
    const facts = await plan.readFacts(api, compiledModel);
    if (!plan.isEmulated) refuseOtherDevice(options.device, facts);
    const info: EngineInfo = {
      provider: 'openvino',
      runtimeVersion: `OpenVINO ${api.version}`,
      requestedDevice: options.device,
      device: facts.devices.join(','),
      deviceName: facts.deviceName,
      emulated: plan.isEmulated,
      vocabularySize: outline.vocabularySize,
      activationDtype: facts.activationDtype,
      kvDtype: facts.kvDtype,
    };
    engine = await plan.createEngine({ api, compiledModel, info });
  } catch (error) {
    await api.async.freeCompiledModel(compiledModel);
    throw error;
  }
  try {
    // The runtime has packed the weights when the engine's requests are there, not before.
    await mapped.returnPages(path.dirname(binFile));
    signal?.throwIfAborted();
  } catch (error) {
    await engine.dispose();
    throw error;
  }
  return engine;
}

/**
 * Refuses at once what createOpenvinoEngine() would refuse only with the model at hand: a device that is not there, a
 * property that does not exist. Throws OPTION_*, DEVICE_NOT_FOUND, RUNTIME_*.
 */
export async function checkOpenvinoDevice(
  options: Pick<OpenvinoEngineOptions, 'device' | 'ovConfig' | 'npu'>,
): Promise<void> {
  const device = openvinoDeviceName(WHERE, options.device);
  const ovConfig = checkOvConfig(WHERE, options.ovConfig);
  const api = await loadOvApi();
  if (device !== 'NPU') await requireDevice(api, device);
  else if (npuwDevices(ovConfig).some(isNpu)) {
    await requireNpu(api, { allowUnsupported: options.npu?.allowUnsupported ?? false });
  }
  const listed = (await api.async.deviceProperty(device, 'SUPPORTED_PROPERTIES')).split(' ');
  const unlisted = device === 'NPU' ? knownNpuProperties() : [];
  refuseUnknownProperties(WHERE, ovConfig, { device, listed, unlisted });
}

/** The version of the library that would run, e.g. `2026.4.1`. Throws RUNTIME_LIBRARY_NOT_FOUND, RUNTIME_INCOMPATIBLE. */
export async function openvinoVersion(): Promise<string> {
  return (await loadOvApi()).version;
}

function planFor(request: PlanRequest, npu: NpuOptions | undefined): DevicePlan {
  if (request.device === 'NPU') return planNpu(request, npu);
  if (npu === undefined) return planStateful(request);
  throw new OptionError(
    'OPTION_INVALID',
    `${request.where}: npu has options for the device npu; this is ${request.device.toLowerCase()}.`,
    { details: { option: 'npu', device: request.device } },
  );
}

function without(properties: Properties, name: string): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([key]) => key !== name));
}

/** Never a silent run elsewhere. */
function refuseOtherDevice(requested: OpenvinoDevice, { devices, deviceName }: CompiledFacts): void {
  const isRequested = (device: string): boolean =>
    device === requested || (requested === 'gpu' && device.startsWith('gpu.'));
  if (devices.length > 0 && devices.every(isRequested)) return;
  throw new EngineError(
    'RUNTIME_FAILED',
    `OpenVINO compiled the model for ${devices.join(', ') || 'no device'} (${deviceName}), ${requested} was asked for.`,
    { details: { requested, devices } },
  );
}
