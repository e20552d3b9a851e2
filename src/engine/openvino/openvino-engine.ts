/**
 * Opens a folder with an OpenVINO IR as an Engine on a CPU, GPU or NPU. The folder is one that `aipc export openvino`,
 * optimum-cli or Intel made. It converts and downloads nothing.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { EngineError } from '../../errors.js';
import { checkNumber, refuseUnknownKeys } from '../../options.js';
import { createEngine } from '../engine-core.js';
import type { Engine, EngineInfo, EngineLimits } from '../engine.js';
import { requireMemory } from '../memory.js';
import { loadOvApi, type OvApi, type Pointer } from './c-api.js';
import { compileIr, readCompiledFacts, type CompiledFacts } from './compile.js';
import { checkDecoderInputs, type DecoderInputs } from './decoder-inputs.js';
import { openvinoDeviceName, requireDevice, type OpenvinoDevice } from './devices.js';
import { LOGITS_ROWS_XML, MODEL_XML, readIrOutline, type IrOutline } from './ir-outline.js';
import { readOpenvinoModelConfig, type OpenvinoModelConfig } from './model-config.js';
import { resolveProperties, type OvConfig } from './ov-config.js';
import { StatefulBackend } from './stateful-backend.js';

export interface OpenvinoEngineOptions {
  readonly device: OpenvinoDevice;
  /** Most tokens that one sequence can hold. Default and most: the model's context length. */
  readonly contextTokens?: number;
  /** Sequences with a KV cache at once, 1 to 64. Default 4: memory is taken as they grow. */
  readonly maxSlots?: number;
  /** Tokens of a prompt in one native run, 1 to 4096. An abort waits for the end of a run. */
  readonly prefillChunkTokens?: number;
  /** Threads that compute, 1 to 1024; for the CPU. Default: one for each physical core that this process may use. */
  readonly threads?: number;
  /** Properties of OpenVINO by name, e.g. `{ KV_CACHE_PRECISION: 'f16' }`. They win over aipc's defaults. */
  readonly ovConfig?: OvConfig;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: OpenvinoLoadProgress) => void;
}

/** Loading does not tell how far it is, only which part it is at. */
export interface OpenvinoLoadProgress {
  readonly phase: 'check' | 'compile';
  /** Size of the model's files. */
  readonly modelBytes: number;
}

const WHERE = 'createOpenvinoEngine';
const DEFAULT_MAX_SLOTS = 4;
const MAX_SLOTS = 64;
const MAX_THREADS = 1024;
const DEFAULT_PREFILL_CHUNK_TOKENS = 256;
const MAX_PREFILL_CHUNK_TOKENS = 4096;

/**
 * Opens the model in `folder`. Rejects with MODEL_FILE_MISSING, FILE_*, TENSOR_*, DTYPE_UNSUPPORTED,
 * MODEL_FEATURE_UNSUPPORTED, OPTION_*, DEVICE_NOT_FOUND, MEMORY_INSUFFICIENT (before anything is claimed),
 * RUNTIME_LIBRARY_NOT_FOUND, RUNTIME_INCOMPATIBLE, RUNTIME_FAILED, or the signal's reason.
 * The caller disposes the engine.
 */
export async function createOpenvinoEngine(folder: string, options: OpenvinoEngineOptions): Promise<Engine> {
  const { ovConfig = {}, threads, signal, onProgress } = options;
  refuseUnknownKeys(WHERE, options, [
    'device',
    'contextTokens',
    'maxSlots',
    'prefillChunkTokens',
    'threads',
    'ovConfig',
    'signal',
    'onProgress',
  ]);
  const device = openvinoDeviceName(WHERE, options.device);
  if (threads !== undefined) checkNumber(WHERE, 'threads', threads, { min: 1, max: MAX_THREADS, integer: true });
  signal?.throwIfAborted();
  const config = await readOpenvinoModelConfig(folder);
  const outline = await readIrOutline(
    folder,
    existsSync(path.join(folder, LOGITS_ROWS_XML)) ? LOGITS_ROWS_XML : MODEL_XML,
  );
  const inputs = checkDecoderInputs(outline);
  const limits = resolveLimits(options, config, inputs);
  const modelBytes = outline.xmlBytes + outline.binBytes;
  onProgress?.({ phase: 'check', modelBytes });
  const api = await loadOvApi();
  await requireDevice(api, device);
  const supported = (await api.async.deviceProperty(device, 'SUPPORTED_PROPERTIES')).split(' ');
  const properties = resolveProperties({ where: WHERE, device, ovConfig, threads, supported });
  requireMemory(outline.xmlFile, modelBytes, 'Close other programs, or export the model with int4 weights.');
  onProgress?.({ phase: 'compile', modelBytes });
  const { xmlFile, binFile } = outline;
  const compiledModel = await compileIr({ api, xmlFile, binFile, device, properties, ovConfig, signal });
  try {
    const facts = await readCompiledFacts(api, compiledModel);
    refuseOtherDevice(options.device, facts);
    const info = infoOf(api, options.device, facts, outline);
    const kvBytesPerToken = device === 'CPU' ? kvBytes(outline, facts.kvDtype) : 0;
    return createEngine(new StatefulBackend({ api, compiledModel, inputs, info, limits, kvBytesPerToken }));
  } catch (error) {
    await freeAfter(api, compiledModel);
    throw error;
  }
}

/** The version of the library that would run, e.g. `2026.4.1`. Throws RUNTIME_LIBRARY_NOT_FOUND, RUNTIME_INCOMPATIBLE. */
export async function openvinoVersion(): Promise<string> {
  return (await loadOvApi()).version;
}

function freeAfter(api: OvApi, compiledModel: Pointer): Promise<void> {
  return api.async.freeCompiledModel(compiledModel);
}

function resolveLimits(
  options: OpenvinoEngineOptions,
  config: OpenvinoModelConfig,
  inputs: DecoderInputs,
): EngineLimits {
  const count = (option: string, value: number | undefined, fallback: number, max: number): number =>
    value === undefined ? fallback : checkNumber(WHERE, option, value, { min: 1, max, integer: true });
  const contextTokens = count('contextTokens', options.contextTokens, config.contextTokens, config.contextTokens);
  const ropeBoundaries = config.ropeBoundaries.filter((boundary) => boundary < contextTokens);
  const chunk = count(
    'prefillChunkTokens',
    options.prefillChunkTokens,
    DEFAULT_PREFILL_CHUNK_TOKENS,
    MAX_PREFILL_CHUNK_TOKENS,
  );
  // Hidden positions count in a sliding window, and a graph that counts positions itself counts them too.
  const isWindowed = config.slidingWindowTokens !== undefined && config.slidingWindowTokens < contextTokens;
  return {
    contextTokens,
    maxSlots: count('maxSlots', options.maxSlots, DEFAULT_MAX_SLOTS, MAX_SLOTS),
    maxBatch: 1,
    minFirstTokens: 1,
    maxPromptTokens: contextTokens,
    maxAppendTokens: contextTokens,
    // The graph takes the rope factors from the positions of one run: a long prompt must be one.
    prefillChunkTokens: ropeBoundaries.length > 0 ? contextTokens : Math.min(contextTokens, chunk),
    rewind: isWindowed || !inputs.hasPositionIds ? 'none' : 'masked',
    logits: 'any',
    ropeBoundaries,
    abort: 'between-runs',
  };
}

/** Never a silent run elsewhere. */
function refuseOtherDevice(requested: OpenvinoDevice, { devices, deviceName }: CompiledFacts): void {
  const isRequested = devices.every(
    (device) => device === requested || (requested === 'gpu' && device.startsWith('gpu.')),
  );
  if (isRequested && devices.length > 0) return;
  throw new EngineError(
    'RUNTIME_FAILED',
    `OpenVINO compiled the model for ${devices.join(', ') || 'no device'} (${deviceName}) though ${requested} was asked for.`,
    { details: { requested, devices } },
  );
}

function infoOf(api: OvApi, requestedDevice: OpenvinoDevice, facts: CompiledFacts, outline: IrOutline): EngineInfo {
  return {
    provider: 'openvino',
    runtimeVersion: `OpenVINO ${api.version}`,
    requestedDevice,
    device: facts.devices[0] ?? requestedDevice,
    deviceName: facts.deviceName,
    emulated: false,
    vocabularySize: outline.vocabularySize,
    activationDtype: facts.activationDtype,
    kvDtype: facts.kvDtype,
  };
}

const KV_BITS: Readonly<Record<EngineInfo['kvDtype'], number>> = { f32: 32, f16: 16, bf16: 16, i8: 8, u8: 8, u4: 4 };
/** Scale and zero point, f32, for each head of each token. */
const KV_SCALE_BYTES = 8;

function kvBytes({ layers, kvHeads, headSize }: IrOutline, dtype: EngineInfo['kvDtype']): number {
  const bits = KV_BITS[dtype];
  return 2 * layers * kvHeads * ((headSize * bits) / 8 + (bits <= 8 ? KV_SCALE_BYTES : 0));
}
