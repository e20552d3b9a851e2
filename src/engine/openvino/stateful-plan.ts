/**
 * How the CPU and GPU plug-ins run a stateful decoder: with which properties and under which limits.
 */
import { availableParallelism, cpus } from 'node:os';
import { OptionError } from '../../errors.js';
import { checkNumber } from '../../options.js';
import { createEngine } from '../engine-core.js';
import type { EngineInfo, EngineLimits } from '../engine.js';
import type { Properties } from './c-api.js';
import { readCompiledFacts } from './compile.js';
import { checkDecoderInputs, type DecoderInputs } from './decoder-inputs.js';
import type { DevicePlan, PlanRequest } from './device-plan.js';
import { activationGroupSize, DEVICE_PROFILES } from './device-profiles.js';
import { deviceKind, requireDevice } from './devices.js';
import type { IrOutline } from './ir-outline.js';
import { StatefulBackend } from './stateful-backend.js';

const DEFAULT_MAX_SLOTS = 4;
const MAX_SLOTS = 64;
const MAX_THREADS = 1024;
const MAX_PREFILL_CHUNK_TOKENS = 4096;
/** An abort waits for the end of a run of so many, unless it is cancelled. */
const DEFAULT_PREFILL_CHUNK_TOKENS = 256;
/**
 * The CPU plug-in multiplies the queries of a run by the keys as matrices only where the run starts on an empty cache;
 * over a past it takes query by query, for which longer runs gain nothing (docs/benchmarks). So a prompt goes in whole, up
 * to a length whose memory is bearable: 0.25 MB a token for Phi-3-mini. An abort cancels the run.
 */
const CPU_FIRST_CHUNK_TOKENS = MAX_PREFILL_CHUNK_TOKENS;

/** Throws OPTION_INVALID, and for graphs that are no decoder TENSOR_MISSING, DTYPE_*, MODEL_FEATURE_UNSUPPORTED. */
export function planStateful(request: PlanRequest): DevicePlan {
  const inputs = checkDecoderInputs(request.outline);
  const canMark = canMarkRegime(request, inputs);
  const limits = resolveLimits(request, inputs, canMark);
  const profile = DEVICE_PROFILES[deviceKind(request.device)];
  return {
    properties: {
      ...profile.properties,
      ...dynamicQuantization(request),
      ...threadProperties(request),
      ...request.ovConfig,
    },
    unlistedProperties: [],
    isEmulated: false,
    cacheBytes: 0,
    warnings: [],
    requireDevice: (api) => requireDevice(api, request.device),
    readFacts: readCompiledFacts,
    createEngine: async ({ api, compiledModel, info }) => {
      // A GPU keeps the cache in its own memory, or pages it in from ours as it grows.
      const kvBytesPerToken = request.device === 'CPU' ? kvBytes(request.outline, info.kvDtype) : 0;
      const canCancel = limits.abort === 'inside-run';
      const backend = new StatefulBackend({
        ...{ api, compiledModel, inputs, info, limits },
        ...{ kvBytesPerToken, canMark, canCancel },
      });
      await backend.warmUp();
      return createEngine(backend);
    },
  };
}

/** A marker counts in a sliding window like a hidden position, and a graph that counts positions itself places it wrong. */
function canMarkRegime({ config }: PlanRequest, inputs: DecoderInputs): boolean {
  return inputs.hasPositionIds && (config.slidingWindowTokens ?? Infinity) >= config.contextTokens;
}

function resolveLimits(
  { where, device, sizes, config }: PlanRequest,
  inputs: DecoderInputs,
  canMark: boolean,
): EngineLimits {
  const count = (option: string, value: number | undefined, fallback: number, max: number): number =>
    value === undefined ? fallback : checkNumber(where, option, value, { min: 1, max, integer: true });
  const contextTokens = count('contextTokens', sizes.contextTokens, config.contextTokens, config.contextTokens);
  const chunkTokens = count(
    'prefillChunkTokens',
    sizes.prefillChunkTokens,
    DEFAULT_PREFILL_CHUNK_TOKENS,
    MAX_PREFILL_CHUNK_TOKENS,
  );
  const isCpu = device === 'CPU';
  const firstChunkTokens = isCpu && sizes.prefillChunkTokens === undefined ? CPU_FIRST_CHUNK_TOKENS : chunkTokens;
  const ropeBoundaries = config.ropeBoundaries.filter((boundary) => boundary < contextTokens);
  // The graph takes the rope factors from the positions of one run: without markers a long prompt must be one.
  const mustBeOne = ropeBoundaries.length > 0 && !canMark;
  // Hidden positions count in a sliding window, and a graph that counts positions itself counts them too.
  const isWindowed = config.slidingWindowTokens !== undefined && config.slidingWindowTokens < contextTokens;
  return {
    contextTokens,
    maxSlots: count('maxSlots', sizes.maxSlots, DEFAULT_MAX_SLOTS, MAX_SLOTS),
    maxBatch: 1,
    minFirstTokens: 1,
    maxPromptTokens: contextTokens,
    maxAppendTokens: contextTokens,
    prefillChunkTokens: mustBeOne ? contextTokens : Math.min(contextTokens, chunkTokens),
    firstChunkTokens: mustBeOne ? contextTokens : Math.min(contextTokens, firstChunkTokens),
    rewind: isWindowed || !inputs.hasPositionIds ? 'none' : 'masked',
    logits: 'any',
    ropeBoundaries,
    // Cancelling was tried on the CPU plug-in alone; it is for runs on an empty cache.
    abort: isCpu ? 'inside-run' : 'between-runs',
  };
}

/** The group of activations that share a scale on the CPU; the caller's properties that decide it win. */
function dynamicQuantization({ device, outline, ovConfig }: PlanRequest): Properties {
  if (device !== 'CPU' || ovConfig['EXECUTION_MODE_HINT'] !== undefined) return {};
  const channels = activationGroupSize(outline.weights);
  return channels === undefined ? {} : { DYNAMIC_QUANTIZATION_GROUP_SIZE: String(channels) };
}

function threadProperties({ where, device, sizes: { threads }, ovConfig }: PlanRequest): Properties {
  if (threads === undefined) return device === 'CPU' ? defaultThreads() : {};
  checkNumber(where, 'threads', threads, { min: 1, max: MAX_THREADS, integer: true });
  const asked = ovConfig['INFERENCE_NUM_THREADS'];
  if (device !== 'CPU' || (asked !== undefined && asked !== String(threads))) {
    throw new OptionError(
      'OPTION_INVALID',
      device === 'CPU'
        ? `${where}: threads is ${threads} and ovConfig.INFERENCE_NUM_THREADS is '${asked ?? ''}'. Give one of them.`
        : `${where}: threads are for the device cpu; this is ${device.toLowerCase()}.`,
      { details: { option: 'threads', found: threads, device } },
    );
  }
  return { INFERENCE_NUM_THREADS: String(threads) };
}

/** OpenVINO starts a thread for each physical core, but does not see what a container leaves of them. */
function defaultThreads(): Properties {
  const threads = availableParallelism();
  return threads < cpus().length ? { INFERENCE_NUM_THREADS: String(threads) } : {};
}

const KV_BITS: Readonly<Record<EngineInfo['kvDtype'], number>> = { f32: 32, f16: 16, bf16: 16, i8: 8, u8: 8, u4: 4 };
/** Scale and zero point, f32, for each head of each token. */
const KV_SCALE_BYTES = 8;

function kvBytes({ layers, kvHeads, headSize }: IrOutline, dtype: EngineInfo['kvDtype']): number {
  const bits = KV_BITS[dtype];
  return 2 * layers * kvHeads * ((headSize * bits) / 8 + (bits <= 8 ? KV_SCALE_BYTES : 0));
}
