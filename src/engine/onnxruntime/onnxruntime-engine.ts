/**
 * Opens a folder with an ONNX decoder as an Engine on ONNX Runtime's CPU provider. The folder is one that
 * onnxruntime-genai's model builder, aipc's exporter or Microsoft made. It converts and downloads nothing.
 */
import { cpus } from 'node:os';
import { EngineError, OptionError, UnsupportedError } from '../../errors.js';
import { checkNumber, refuseUnknownKeys } from '../../options.js';
import { createEngine } from '../engine-core.js';
import type { Engine, EngineInfo, EngineLimits } from '../engine.js';
import { requireMemory } from '../memory.js';
import { ELEMENT_TYPE, loadOrtApi, type OrtApi, type Pointer } from './c-api.js';
import { readDecoderIo, type DecoderIo, type FloatType } from './decoder-io.js';
import { readGenaiConfig, type GenaiConfig } from './genai-config.js';
import { kvBytesPerPosition } from './kv-pool.js';
import { readModelOutline, type ModelOutline } from './model-outline.js';
import { OnnxRuntimeBackend } from './onnxruntime-backend.js';
import { createSessionOptions, MAX_THREADS, resolveSessionOptions, type SessionOptions } from './session-options.js';

export interface OnnxRuntimeEngineOptions {
  /** Most tokens that one sequence can hold. Default and most: the model's context length. */
  readonly contextTokens?: number;
  /** Threads that compute, 1 to 1024. Default: one for each physical core that this process may use. */
  readonly threads?: number;
  /** Sequences with a KV cache at once, 1 to 64. Default 4: memory is taken as they grow. */
  readonly maxSlots?: number;
  /**
   * Tokens of a prompt in one native run, 1 to 4096. Longer chunks read the weights less often, shorter ones need
   * less memory and let an abort or another sequence in earlier. Default 256.
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
  readonly phase: 'check' | 'load' | 'ready';
  /** Size of the model's files. */
  readonly modelBytes: number;
}

const WHERE = 'createOnnxRuntimeEngine';
const DEFAULT_MAX_SLOTS = 4;
const MAX_SLOTS = 64;
const DEFAULT_PREFILL_CHUNK_TOKENS = 256;
const MAX_PREFILL_CHUNK_TOKENS = 4096;

/** Memory of a loaded session over the size of its files. */
const WEIGHT_MEMORY_FACTOR = 1.5;

interface ResolvedOptions {
  readonly contextTokens: number;
  readonly maxSlots: number;
  readonly prefillChunkTokens: number;
}

function resolveOptions(options: OnnxRuntimeEngineOptions, config: GenaiConfig): ResolvedOptions {
  const count = (option: string, value: number | undefined, fallback: number, max: number): number =>
    value === undefined ? fallback : checkNumber(WHERE, option, value, { min: 1, max, integer: true });
  const contextTokens = count('contextTokens', options.contextTokens, config.contextTokens, config.contextTokens);
  return {
    contextTokens,
    maxSlots: count('maxSlots', options.maxSlots, DEFAULT_MAX_SLOTS, MAX_SLOTS),
    prefillChunkTokens: Math.min(
      contextTokens,
      count('prefillChunkTokens', options.prefillChunkTokens, DEFAULT_PREFILL_CHUNK_TOKENS, MAX_PREFILL_CHUNK_TOKENS),
    ),
  };
}

/**
 * Opens the model in `folder`. Rejects with MODEL_FILE_MISSING, FILE_TRUNCATED, FILE_MALFORMED, TENSOR_*,
 * MODEL_FEATURE_UNSUPPORTED, DTYPE_UNSUPPORTED, OPTION_*, MEMORY_INSUFFICIENT (before anything is claimed),
 * RUNTIME_LIBRARY_NOT_FOUND, RUNTIME_INCOMPATIBLE, RUNTIME_FAILED, or the signal's reason.
 * The caller disposes the engine.
 */
export async function createOnnxRuntimeEngine(folder: string, options: OnnxRuntimeEngineOptions = {}): Promise<Engine> {
  const { threads, sessionOptions = {}, signal, onProgress } = options;
  refuseUnknownKeys(WHERE, options, [
    'contextTokens',
    'threads',
    'maxSlots',
    'prefillChunkTokens',
    'sessionOptions',
    'signal',
    'onProgress',
  ]);
  if (threads !== undefined) checkNumber(WHERE, 'threads', threads, { min: 1, max: MAX_THREADS, integer: true });
  for (const [key, value] of Object.entries<unknown>({ ...sessionOptions })) {
    if (typeof value === 'string') continue;
    throw new OptionError('OPTION_INVALID', `${WHERE}: sessionOptions.${key} must be a string.`, {
      details: { option: `sessionOptions.${key}` },
    });
  }
  signal?.throwIfAborted();
  const config = await readGenaiConfig(folder);
  const resolved = resolveOptions(options, config);
  const outline = await readModelOutline(config.modelFile);
  onProgress?.({ phase: 'check', modelBytes: outline.fileBytes });
  refuseUnsupported(config, outline);
  requireMemoryFor(config, outline, resolved.contextTokens);
  const api = loadOrtApi();
  signal?.throwIfAborted();
  onProgress?.({ phase: 'load', modelBytes: outline.fileBytes });
  const session = await openSession(
    api,
    config.modelFile,
    resolveSessionOptions(config.sessionOptions, sessionOptions, threads),
    signal,
  );
  try {
    const io = readDecoderIo(api, session, config);
    const engine = createEngine(
      new OnnxRuntimeBackend({ api, session, io, info: infoOf(api, io), limits: limitsOf(io, resolved) }),
    );
    onProgress?.({ phase: 'ready', modelBytes: outline.fileBytes });
    return engine;
  } catch (error) {
    await api.async.releaseSession(session);
    throw error;
  }
}

function refuseUnsupported(config: GenaiConfig, { operators }: ModelOutline): void {
  if (!operators.has('GroupQueryAttention')) {
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${config.modelFile} has no GroupQueryAttention, whose KV cache aipc shares between past and present. ` +
        "Export the model with `aipc export onnx` or onnxruntime-genai's model builder for CPU.",
      { details: { file: config.modelFile } },
    );
  }
  if (operators.has('If')) {
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${config.modelFile} chooses between two rotary tables by the length of the sequence (longrope), ` +
        'which this engine does not run yet. Use a model with a 4k context.',
      { details: { file: config.modelFile } },
    );
  }
}

/** Weights and one sequence's KV cache at the asked context must fit before either is claimed. */
function requireMemoryFor(config: GenaiConfig, outline: ModelOutline, contextTokens: number): void {
  const pastKey = config.pastKey.replace('%d', '0');
  const type: FloatType = outline.inputTypes.get(pastKey) === ELEMENT_TYPE.f16 ? 'f16' : 'f32';
  const kvBytes = contextTokens * kvBytesPerPosition({ ...config, type });
  requireMemory(
    `${config.modelFile} with a context of ${contextTokens} tokens`,
    outline.fileBytes * WEIGHT_MEMORY_FACTOR + kvBytes,
    'Give a smaller contextTokens, close other programs, or export the model with int4 weights.',
  );
}

async function openSession(
  api: OrtApi,
  modelFile: string,
  sessionOptions: SessionOptions,
  signal: AbortSignal | undefined,
): Promise<Pointer> {
  const options = createSessionOptions(api, sessionOptions);
  const cancel = (): void => api.SessionOptionsSetLoadCancellationFlag(options, true);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
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

function infoOf(api: OrtApi, io: DecoderIo): EngineInfo {
  return {
    provider: 'cpu',
    runtimeVersion: `ONNX Runtime ${api.version}`,
    requestedDevice: 'cpu',
    device: 'cpu',
    deviceName: cpus()[0]?.model.trim() ?? 'unknown CPU',
    emulated: false,
    vocabularySize: io.vocabularySize,
    activationDtype: io.logitsType,
    kvDtype: io.kvType,
  };
}

function limitsOf(io: DecoderIo, { contextTokens, maxSlots, prefillChunkTokens }: ResolvedOptions): EngineLimits {
  return {
    contextTokens,
    maxSlots,
    maxBatch: maxSlots,
    minFirstTokens: 1,
    maxPromptTokens: contextTokens,
    maxAppendTokens: contextTokens,
    prefillChunkTokens,
    rewind: 'exact',
    logits: io.logitsRows === 'last' ? 'last' : 'any',
    ropeBoundaries: [],
    abort: 'inside-run',
  };
}
