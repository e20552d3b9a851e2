/**
/**
 * Opens a folder with an ONNX decoder as an Engine on one of ONNX Runtime's execution providers. The folder is one that
 * onnxruntime-genai's model builder, aipc's exporter, Microsoft, optimum or onnx-community made. It converts and
 * downloads nothing.
 */
import path from 'node:path';
import { EngineError, OptionError, UnsupportedError } from '../../errors.js';
import { checkChoice, checkNumber, refuseUnknownKeys } from '../../options.js';
import { defaultContextTokens } from '../default-context.js';
import { createEngine } from '../engine-core.js';
import type { Engine, EngineInfo, EngineLimits } from '../engine.js';
import { MappedByLoad } from '../mapped-files.js';
import { requireMemory } from '../memory.js';
import { appendProvider, type ProviderDevice } from './append-provider.js';
import { ELEMENT_TYPE, loadOrtApi, type OrtApi, type Pointer } from './c-api.js';
import { readDecoderIo, type DecoderIo, type FloatType } from './decoder-io.js';
import { describeDevice } from './describe-device.js';
import { folderProviderOptions, joinedTableOffset } from './folder-provider-options.js';
import type { GenaiConfig } from './genai-config.js';
import { refuseUnsupported, sharesKv } from './graph-check.js';
import { checkHeadSize } from './graph-head-size.js';
import { checkGraphSizes } from './graph-sizes.js';
import { GrowingBackend } from './growing-backend.js';
import { kvBytesPerPosition } from './kv-memory.js';
import { readOnnxFolder } from './onnx-folder.js';
import { readOnnxGraph, type OnnxGraph } from './onnx-graph.js';
import { OnnxRuntimeBackend } from './onnxruntime-backend.js';
import { appendPlugin, describePluginDevice, openPlugin, type Plugin, type PluginQuery } from './plugin-provider.js';
import { PROVIDER_PROFILES, PROVIDERS, type ProviderName, type ProviderProfile } from './providers.js';
import { findRopeSwitch, type RopeSwitch } from './rope-switch.js';
import {
  createSessionOptions,
  MAX_THREADS,
  refuseCustomOperators,
  resolveSessionOptions,
  type SessionOptions,
} from './session-options.js';

export interface OnnxRuntimeEngineOptions {
  /** The execution provider: cpu, dml, webgpu, cuda. Default cpu. Nothing else takes its place where it is missing. */
  readonly provider?: ProviderName;
  /**
   * An execution provider that comes as a library of its own, in place of `provider`: the caller's name for it and the
   * library's path; which of the devices that it offers (default: the first), `index` counting those of `kind`.
   */
  readonly plugin?: PluginQuery;
  /** Which of the provider's devices, 0 to 63 by the runtime's own counting. Default: its best one. */
  readonly deviceIndex?: number;
  /** The provider's own options; they win over aipc's. */
  readonly providerOptions?: Readonly<Record<string, string>>;
  /**
   * Most tokens that one sequence can hold. Most: the model's context length; default: that, or 8192 where it is longer,
   * since the KV cache of a whole long context does not fit into most machines.
   */
  readonly contextTokens?: number;
  /** Threads that compute, 1 to 1024. Default: one for each physical core that this process may use. */
  readonly threads?: number;
  /**
   * Sequences with a KV cache at once, 1 to 64. Default on the CPU 4: memory is taken as they grow; on other devices 1:
   * each takes the whole of contextTokens with its first token.
   */
  readonly maxSlots?: number;
  /**
   * Tokens of a prompt in one native run, 1 to 4096. Default: the folder's search.chunk_size, else 128: longer ones take more memory and let other
   * sequences in later, and were not faster (64 to 1024 tokens, int4: the same within 10 %).
   */
  readonly prefillChunkTokens?: number;
  /**
   * Options of ONNX Runtime's session: graph_optimization_level, enable_cpu_mem_arena, enable_mem_pattern,
   * intra_op_num_threads, log_severity_level, and configuration entries such as session.intra_op.allow_spinning.
   * They win over those in the folder.
   */
  readonly sessionOptions?: SessionOptions;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EngineLoadProgress) => void;
}

/** Loading does not tell how far it is, only which part it is at. */
export interface EngineLoadProgress {
  readonly phase: 'check' | 'load';
  /** Size of the model's files. */
  readonly modelBytes: number;
}

const WHERE = 'createOnnxRuntimeEngine';
/**
 * Most tokens in one run on a software Vulkan device: from 32 on, ONNX Runtime 1.30's WebGPU attention takes another
 * kernel, whose results are wrong there (relative error 0.1 to 0.3 on models with grouped heads, 1e-6 below).
 */
const SOFTWARE_PREFILL_TOKENS = 31;
const MAX_DEVICE_INDEX = 63;
const MAX_SLOTS = 64;
const DEFAULT_PREFILL_CHUNK_TOKENS = 128;
const MAX_PREFILL_CHUNK_TOKENS = 4096;

/**
 * Memory of loaded weights over their size in the files, by element type, measured at the peak of loading: the runtime
 * repacks quantised weights (1.33) and f32 matrices (1.05), and widens f16 weights where activations are f32 (2.15).
 * Rounded up.
 */
const WEIGHT_MEMORY_FACTOR = { quantised: 1.4, f32: 1.1, f16: 1.2, f16Widened: 2.2 };

interface ResolvedOptions {
  readonly plugin: Plugin | undefined;
  readonly profile: ProviderProfile;
  readonly device: ProviderDevice;
  readonly contextTokens: number;
  readonly maxSlots: number;
  readonly prefillChunkTokens: number;
}

function resolveOptions(
  options: OnnxRuntimeEngineOptions,
  config: GenaiConfig,
  plugin: Plugin | undefined,
): ResolvedOptions {
  const count = (option: string, value: number | undefined, fallback: number, max: number): number =>
    value === undefined ? fallback : checkNumber(WHERE, option, value, { min: 1, max, integer: true });
  const profile =
    plugin?.profile ?? PROVIDER_PROFILES[checkChoice(WHERE, 'provider', options.provider ?? 'cpu', PROVIDERS)];
  const index = options.deviceIndex;
  if (index !== undefined) checkNumber(WHERE, 'deviceIndex', index, { min: 0, max: MAX_DEVICE_INDEX, integer: true });
  const contextTokens = contextOf(options.contextTokens, config, profile);
  return {
    plugin,
    profile,
    device: {
      index,
      options: {
        ...folderProviderOptions(config, profile.name),
        ...stringsOf('providerOptions', options.providerOptions),
      },
    },
    contextTokens,
    maxSlots: count('maxSlots', options.maxSlots, profile.defaultMaxSlots, MAX_SLOTS),
    prefillChunkTokens: Math.min(
      contextTokens,
      count(
        'prefillChunkTokens',
        options.prefillChunkTokens,
        Math.min(config.search.chunkTokens ?? DEFAULT_PREFILL_CHUNK_TOKENS, MAX_PREFILL_CHUNK_TOKENS),
        MAX_PREFILL_CHUNK_TOKENS,
      ),
    ),
  };
}

/** Only WebGPU's kernel reads the second of two joined rotary tables: elsewhere the first serves, as far as it goes. */
function contextOf(asked: number | undefined, config: GenaiConfig, { name, label }: ProviderProfile): number {
  const offset = name === 'webgpu' ? undefined : joinedTableOffset(config);
  const most = Math.min(config.contextTokens, offset ?? Infinity);
  if (asked !== undefined && offset !== undefined && asked > most && asked <= config.contextTokens) {
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${config.file}: this folder was made for WebGPU, whose kernel chooses between its two rotary tables ` +
        `(multiRotaryCacheConcatOffset); on ${label} it serves ${most} tokens, and ${asked} are asked. Use the provider ` +
        'webgpu, or the folder for the CPU.',
      { details: { file: config.file, contextTokens: asked, limit: most } },
    );
  }
  return asked === undefined
    ? defaultContextTokens(most)
    : checkNumber(WHERE, 'contextTokens', asked, { min: 1, max: most, integer: true });
}

/**
 * Opens the model in `folder`, or that of an .onnx file there. Rejects with MODEL_FILE_MISSING, FILE_TRUNCATED,
 * FILE_MALFORMED, TENSOR_*, MODEL_FEATURE_UNSUPPORTED, DTYPE_UNSUPPORTED, OPTION_*, MEMORY_INSUFFICIENT (before anything is claimed),
 * DEVICE_NOT_FOUND (the provider is missing or does not start), RUNTIME_LIBRARY_NOT_FOUND, RUNTIME_INCOMPATIBLE, RUNTIME_FAILED, or the signal's reason.
 * The caller disposes the engine.
 */
export async function createOnnxRuntimeEngine(folder: string, options: OnnxRuntimeEngineOptions = {}): Promise<Engine> {
  const { threads, sessionOptions = {}, signal, onProgress } = options;
  refuseUnknownKeys(WHERE, options, [
    'provider',
    'plugin',
    'deviceIndex',
    'providerOptions',
    'contextTokens',
    'threads',
    'maxSlots',
    'prefillChunkTokens',
    'sessionOptions',
    'signal',
    'onProgress',
  ]);
  if (threads !== undefined) checkNumber(WHERE, 'threads', threads, { min: 1, max: MAX_THREADS, integer: true });
  stringsOf('sessionOptions', sessionOptions);
  signal?.throwIfAborted();
  const config = await readOnnxFolder(folder);
  const plugin = await pluginOf(options);
  const resolved = resolveOptions(options, config, plugin);
  const graph = await readOnnxGraph(config.modelFile);
  onProgress?.({ phase: 'check', modelBytes: graph.fileBytes });
  refuseUnsupported(config.modelFile, graph);
  refuseCustomOperators(config.file, config.sessionOptions);
  checkHeadSize(config, graph);
  if (!sharesKv(graph)) refuseOffCpu(config.modelFile, resolved.profile);
  const ropeSwitch = findRopeSwitch(config.modelFile, graph) ?? kernelSwitch(config, resolved.profile);
  if (resolved.profile.device === 'cpu') requireMemoryFor(config, graph, resolved.contextTokens);
  checkGraphSizes(config, graph);
  const api = await loadOrtApi();
  onProgress?.({ phase: 'load', modelBytes: graph.fileBytes });
  using mapped = new MappedByLoad();
  const session = await openSession(
    api,
    config.modelFile,
    resolveSessionOptions(config.sessionOptions, sessionOptions, threads),
    resolved,
    signal,
  );
  try {
    await mapped.returnPages(path.dirname(config.modelFile));
    const io = readDecoderIo(api, session, config);
    const { memoryName } = resolved.profile;
    const limits = limitsOf(io, resolved, graph, ropeSwitch);
    const parts = { api, session, io, info: infoOf(api, io, resolved), limits };
    if (!sharesKv(graph)) {
      return createEngine(new GrowingBackend({ ...parts, limits: plainLimits(parts.limits, config.ropeBoundaries) }));
    }
    return createEngine(
      new OnnxRuntimeBackend({
        ...parts,
        regimeByPositions: ropeSwitch?.by === 'positions',
        deviceMemory: memoryName === undefined ? undefined : { name: memoryName, deviceId: memoryDeviceId(resolved) },
      }),
    );
  } catch (error) {
    await api.async.releaseSession(session);
    throw error;
  }
}

async function pluginOf({ plugin, provider, deviceIndex }: OnnxRuntimeEngineOptions): Promise<Plugin | undefined> {
  if (plugin === undefined) return undefined;
  if (provider !== undefined || deviceIndex !== undefined) {
    throw new OptionError('OPTION_INVALID', `${WHERE}: plugin excludes provider and deviceIndex; it has an index.`, {
      details: { option: 'plugin' },
    });
  }
  return openPlugin(await loadOrtApi(), plugin);
}

/** The version of the library that would run, e.g. `1.30.0`. Throws RUNTIME_LIBRARY_NOT_FOUND, RUNTIME_INCOMPATIBLE. */
export async function onnxRuntimeVersion(): Promise<string> {
  return (await loadOrtApi()).version;
}

/** WebGPU's kernel chooses between joined rotary tables by the length of each run, which nothing in the graph shows. */
function kernelSwitch(config: GenaiConfig, { name }: ProviderProfile): RopeSwitch | undefined {
  const boundaryTokens = name === 'webgpu' ? joinedTableOffset(config) : undefined;
  return boundaryTokens === undefined ? undefined : { boundaryTokens, by: 'positions' };
}

/**
 * Of graphs with plain attention, whose configuration tells of boundaries that no comparison in them shows: a run takes
 * the rotary factors for its own highest position, so a prompt that crosses a boundary is one run.
 */
function plainLimits(limits: EngineLimits, configured: readonly number[]): EngineLimits {
  if (limits.ropeBoundaries.length > 0) return { ...limits, maxBatch: 1 };
  const ropeBoundaries = configured.filter((boundary) => boundary < limits.contextTokens);
  const chunkTokens = ropeBoundaries.length > 0 ? limits.contextTokens : limits.prefillChunkTokens;
  return { ...limits, maxBatch: 1, ropeBoundaries, prefillChunkTokens: chunkTokens, firstChunkTokens: chunkTokens };
}

/** A graph that copies its cache at every run would copy it from and to a device, too. */
function refuseOffCpu(file: string, { device, label }: ProviderProfile): void {
  if (device === 'cpu') return;
  throw new UnsupportedError(
    'MODEL_FEATURE_UNSUPPORTED',
    `${file} has no GroupQueryAttention: it copies its KV cache at every token, which aipc does on the CPU alone, not on ` +
      `${label}. Use the provider cpu, or a folder of onnxruntime-genai's model builder for this provider.`,
    { details: { file, provider: label } },
  );
}

/** Weights and one sequence's KV cache at the asked context must fit before either is claimed. */
function requireMemoryFor(config: GenaiConfig, graph: OnnxGraph, contextTokens: number): void {
  const kvType: FloatType =
    graph.inputTypes.get(config.pastKey.replace('%d', '0')) === ELEMENT_TYPE.f16 ? 'f16' : 'f32';
  const factors: Readonly<Record<number, number>> = {
    [ELEMENT_TYPE.f32]: WEIGHT_MEMORY_FACTOR.f32,
    [ELEMENT_TYPE.f16]: kvType === 'f16' ? WEIGHT_MEMORY_FACTOR.f16 : WEIGHT_MEMORY_FACTOR.f16Widened,
  };
  const kvBytes = contextTokens * kvBytesPerPosition({ ...config, type: kvType });
  let weightBytes = 0;
  for (const [elementType, bytes] of graph.weightBytes) {
    weightBytes += bytes * (factors[elementType] ?? WEIGHT_MEMORY_FACTOR.quantised);
  }
  requireMemory(
    `${config.modelFile} with a context of ${contextTokens} tokens`,
    Math.max(weightBytes, graph.fileBytes) + kvBytes, // a file may leave out how long its tensors are
    'Give a smaller contextTokens, close other programs, or export the model with int4 weights.',
  );
}

async function openSession(
  api: OrtApi,
  modelFile: string,
  sessionOptions: SessionOptions,
  { plugin, profile, device }: ResolvedOptions,
  signal: AbortSignal | undefined,
): Promise<Pointer> {
  signal?.throwIfAborted();
  const options = createSessionOptions(api, { ...plugin?.profile.sessionEntries, ...sessionOptions });
  const cancel = (): void => api.SessionOptionsSetLoadCancellationFlag(options, true);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    if (plugin === undefined) appendProvider(api, options, profile, device);
    else appendPlugin(api, options, plugin, device.options);
    const session = await api.async.createSession(api.env, modelFile, options);
    if (signal?.aborted === true) await api.async.releaseSession(session);
    return session;
  } catch (error) {
    throw error instanceof EngineError
      ? new EngineError(error.code, `${modelFile} cannot be loaded. ${error.message}`, {
          cause: error,
          details: { ...error.details, file: modelFile },
        })
      : error;
  } finally {
    signal?.removeEventListener('abort', cancel);
    api.ReleaseSessionOptions(options);
    signal?.throwIfAborted();
  }
}

function stringsOf(option: string, values: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  for (const [key, value] of Object.entries<unknown>(values)) {
    if (typeof value === 'string') continue;
    throw new OptionError('OPTION_INVALID', `${WHERE}: ${option}.${key} must be a string.`, {
      details: { option: `${option}.${key}` },
    });
  }
  return values;
}

/** The memory of DirectML and WebGPU has id 0 whatever the adapter. */
function memoryDeviceId({ profile, device }: ResolvedOptions): number {
  return profile.name === 'cuda' ? (device.index ?? 0) : 0;
}

function infoOf(api: OrtApi, io: DecoderIo, { plugin, profile, device: { index } }: ResolvedOptions): EngineInfo {
  const device = plugin?.device.kind ?? (index === undefined ? profile.device : `${profile.device}.${index}`);
  return {
    provider: plugin?.name ?? profile.name,
    runtimeVersion: `ONNX Runtime ${api.version}`,
    requestedDevice: device,
    device,
    ...describeDevice(profile, index),
    ...(plugin === undefined ? {} : { deviceName: describePluginDevice(plugin.device) }),
    vocabularySize: io.vocabularySize,
    activationDtype: io.kvType, // GroupQueryAttention keeps its cache in the type of its activations
    kvDtype: io.kvType,
  };
}

/**
 * Whether a run's own tokens decide on its rope factors, so that a long prompt must be one run. Where past and present are
 * the same memory, the mask may be wider than the tokens and decides ahead of them.
 */
function isRegimeByRun(graph: OnnxGraph, ropeSwitch: RopeSwitch | undefined): boolean {
  return ropeSwitch !== undefined && (ropeSwitch.by === 'positions' || !sharesKv(graph));
}

function limitsOf(
  io: DecoderIo,
  { profile, device, contextTokens, maxSlots, prefillChunkTokens }: ResolvedOptions,
  graph: OnnxGraph,
  ropeSwitch: RopeSwitch | undefined,
): EngineLimits {
  const switches = ropeSwitch !== undefined && ropeSwitch.boundaryTokens < contextTokens;
  const isByRun = switches && isRegimeByRun(graph, ropeSwitch);
  const isWhole = profile.prefill === 'whole' || isByRun;
  const isSoftware = describeDevice(profile, device.index).emulated;
  const partTokens = isSoftware ? Math.min(prefillChunkTokens, SOFTWARE_PREFILL_TOKENS) : prefillChunkTokens;
  const chunkTokens = isWhole ? contextTokens : partTokens;
  return {
    contextTokens,
    maxSlots,
    maxBatch: profile.maxBatch === 'slots' ? maxSlots : profile.maxBatch,
    minFirstTokens: 1,
    maxPromptTokens: contextTokens,
    maxAppendTokens: profile.maxAppendTokens === 'context' ? contextTokens : profile.maxAppendTokens,
    prefillChunkTokens: chunkTokens,
    firstChunkTokens: chunkTokens,
    rewind: 'exact',
    logits: io.logitsRows === 'last' ? 'last' : 'any',
    ropeBoundaries: switches ? [ropeSwitch.boundaryTokens] : [],
    abort: 'inside-run',
  };
}
