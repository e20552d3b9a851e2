/**
 * How a language model is compiled for the NPU: OpenVINO's NPUW cuts it into a prefill and a generate model of static
 * shapes, whose sizes and behaviour are properties. This turns aipc's options and the caller's properties into those
 * that are passed, and says what the result can do. It compiles nothing.
 * Defaults and rounding: OpenVINO 2026.4, src/plugins/intel_npu (npuw.hpp, llm_compiled_model.cpp).
 */
import { checkNumber } from '../../options.js';
import type { Properties } from './c-api.js';
import { DEVICE_PROFILES, NPU_LENGTHS } from './device-profiles.js';
import { CallerProperties, invalidNpuOption, isNpu, npuwDevices } from './npuw-properties.js';

export interface NpuLengthOptions {
  /**
   * Tokens of the longest prompt that is computed in chunks; what lies beyond goes in token by token. Rounded up to
   * whole chunks. Default 1024, NPUW's own, or less where the model's context is short.
   */
  readonly maxPromptTokens?: number;
  /**
   * Tokens that an answer to the longest prompt can have (and one more, which is never computed). Rounded up to 64.
   * Default 512: a long chat answer; shorter prompts leave more. Each token costs KV memory and some time per token,
   * since the generate model always attends to the whole, static length.
   */
  readonly minResponseTokens?: number;
}

export interface NpuwRequest extends NpuLengthOptions {
  /** Where the names of options in messages come from, e.g. `createOpenvinoEngine`. */
  readonly where: string;
  /** What the model was made for. */
  readonly modelContextTokens: number;
  /**
   * Lengths at which the rope factors change (longrope). The context ends at the first: NPUW would go on with keys of
   * both regimes in one cache.
   */
  readonly ropeBoundaries?: readonly number[];
  /** Most tokens of prompt and answer together. Where the two lengths are not given, they follow from it. */
  readonly contextTokens?: number;
  /** Tokens of a prompt in one native run, a power of two. Default 256. */
  readonly prefillChunkTokens?: number;
  /** The caller's properties: NPUW's names, those of openvino-genai, the plug-in's. */
  readonly ovConfig?: Properties;
}

export interface NpuwPlan {
  /** All properties to compile with, the caller's among them. */
  readonly properties: Properties;
  /** Longest prefill: NPUW_LLM_MAX_PROMPT_LEN. May be more than contextTokens, by rounding. */
  readonly maxPromptTokens: number;
  readonly minResponseTokens: number;
  /** Most tokens that the KV cache holds, at most what the model was made for. */
  readonly contextTokens: number;
  /** Tokens that one native run computes at most. */
  readonly chunkTokens: number;
  /** A prefill whose leading chunks were computed before does not compute them again. */
  readonly cachesPrefixes: boolean;
  /** There are generate models for several lengths of the KV cache; the length of the prompt decides which is used. */
  readonly hasGenerateVariants: boolean;
  /** The devices that NPUW may use, in lower case: `npu`; anything else is an emulation. */
  readonly devices: readonly string[];
  readonly isEmulated: boolean;
}

/** NPUW rounds both lengths up to a multiple of this, and the prompt's to whole chunks. */
const LENGTH_ALIGNMENT_TOKENS = 64;
const MIN_CHUNK_TOKENS = 16;
const MAX_CHUNK_TOKENS = 4096;
/** Generate models come in steps of so many prompt tokens: up to one step there is one model. */
const GENERATE_VARIANT_TOKENS = 1024;

function yesOrNo(value: boolean): string {
  return value ? 'YES' : 'NO';
}

function powerOfTwoBelow(tokens: number): number {
  return 2 ** (Math.ceil(Math.log2(tokens)) - 1);
}

function roundUp(tokens: number, multiple: number): number {
  return Math.ceil(tokens / multiple) * multiple;
}

interface Lengths {
  readonly prompt: number;
  readonly response: number;
}

/** The two lengths as asked for, or as they follow from the context; NPUW's rounding comes later. */
function chooseLengths(
  where: string,
  given: { prompt: number | undefined; response: number | undefined; context: number | undefined },
  modelContextTokens: number,
  chunk: number,
): Lengths {
  const { prompt, response, context } = given;
  for (const [option, value] of Object.entries({ maxPromptTokens: prompt, minResponseTokens: response })) {
    if (value !== undefined && value >= modelContextTokens) {
      throw invalidNpuOption(
        where,
        option,
        `${option} ${value} leaves no room: prompt and answer together have at most the ${modelContextTokens} tokens ` +
          'that the model was made for.',
      );
    }
  }
  const defaultTokens = (prompt ?? NPU_LENGTHS.maxPromptTokens) + (response ?? NPU_LENGTHS.minResponseTokens) - 1;
  // The last token of an answer is never computed: it takes no place in the cache.
  const total = Math.min(context ?? defaultTokens, modelContextTokens) + 1;
  if (prompt !== undefined) return { prompt, response: response ?? Math.max(1, total - prompt) };
  if (response !== undefined) return { prompt: Math.max(1, total - response), response };
  const rest = total - Math.min(NPU_LENGTHS.minResponseTokens, Math.floor(total / 2));
  const whole = rest > chunk ? Math.round(rest / chunk) * chunk : rest; // rounding up could add most of a chunk
  return { prompt: whole, response: total - whole };
}

/** The most tokens of one native run, as asked for. */
function askedChunk(request: NpuwRequest, caller: CallerProperties): number {
  const { where, prefillChunkTokens } = request;
  const chunk =
    caller.tokens('prefillChunkTokens', prefillChunkTokens, 'NPUW_LLM_PREFILL_CHUNK_SIZE') ??
    NPU_LENGTHS.prefillChunkTokens;
  if (chunk >= MIN_CHUNK_TOKENS && chunk <= MAX_CHUNK_TOKENS && Number.isInteger(Math.log2(chunk))) return chunk;
  throw invalidNpuOption(
    where,
    'prefillChunkTokens',
    `prefillChunkTokens must be a power of two from ${MIN_CHUNK_TOKENS} to ${MAX_CHUNK_TOKENS} on the NPU, ` +
      `found ${chunk}.`,
  );
}

/**
 * Decides lengths and properties. Throws OPTION_INVALID for what contradicts itself, the model or the way the engine
 * drives NPUW.
 */
export function planNpuw(request: NpuwRequest): NpuwPlan {
  const { where, contextTokens } = request;
  const modelContextTokens = Math.min(request.modelContextTokens, ...(request.ropeBoundaries ?? []));
  const caller = new CallerProperties(where, request.ovConfig ?? {});
  caller.refuseContradictions();
  if (contextTokens !== undefined) {
    checkNumber(where, 'contextTokens', contextTokens, { min: 2, max: modelContextTokens, integer: true });
  }
  const mostChunk = askedChunk(request, caller);
  const asked = chooseLengths(
    where,
    {
      prompt: caller.tokens('maxPromptTokens', request.maxPromptTokens, 'NPUW_LLM_MAX_PROMPT_LEN'),
      response: caller.tokens('minResponseTokens', request.minResponseTokens, 'NPUW_LLM_MIN_RESPONSE_LEN'),
      context: contextTokens,
    },
    modelContextTokens,
    mostChunk,
  );
  const minResponseTokens = roundUp(asked.response, LENGTH_ALIGNMENT_TOKENS);
  // A prompt of one chunk has no past, which some exports' masks cannot be compiled for; and nothing would be cached.
  const chunk = Math.min(mostChunk, powerOfTwoBelow(roundUp(asked.prompt, LENGTH_ALIGNMENT_TOKENS)));
  const maxPromptTokens = roundUp(asked.prompt, Math.max(chunk, LENGTH_ALIGNMENT_TOKENS));
  const capacityTokens = maxPromptTokens + minResponseTokens - 1;
  if (contextTokens !== undefined && contextTokens > capacityTokens) {
    throw invalidNpuOption(
      where,
      'contextTokens',
      `contextTokens ${contextTokens} does not fit maxPromptTokens ${maxPromptTokens} and minResponseTokens ` +
        `${minResponseTokens}, which make a context of ${capacityTokens}. Raise one of them, or leave them out.`,
    );
  }

  const isChunked = caller.text('NPUW_LLM_PREFILL_HINT')?.toUpperCase() !== 'STATIC';
  const cachesPrefixes = caller.flag('NPUW_LLM_ENABLE_PREFIX_CACHING', true) && isChunked;
  const hasGenerateVariants = caller.flag('NPUW_LLM_GENERATE_PYRAMID', maxPromptTokens > GENERATE_VARIANT_TOKENS);
  const properties: Record<string, string> = {
    ...DEVICE_PROFILES.npu.properties,
    ...caller.all,
    NPUW_LLM_MAX_PROMPT_LEN: String(maxPromptTokens),
    NPUW_LLM_MIN_RESPONSE_LEN: String(minResponseTokens),
    NPUW_LLM_PREFILL_CHUNK_SIZE: String(chunk),
    NPUW_LLM_GENERATE_PYRAMID: yesOrNo(hasGenerateVariants),
    NPUW_LLM_ENABLE_PREFIX_CACHING: yesOrNo(cachesPrefixes),
  };
  if (cachesPrefixes) {
    properties['NPUW_LLM_PREFIX_CACHING_BLOCK_SIZE'] ??= String(chunk);
    // One longest prompt, so that a conversation never pushes out its own beginning; NPUW's 128 would let the blocks
    // of Phi-3-mini grow to 13 GB.
    properties['NPUW_LLM_PREFIX_CACHING_MAX_NUM_BLOCKS'] ??= String(maxPromptTokens / chunk);
  }
  const devices = npuwDevices(properties);
  return {
    properties,
    maxPromptTokens,
    minResponseTokens,
    contextTokens: Math.min(contextTokens ?? capacityTokens, capacityTokens, modelContextTokens),
    chunkTokens: cachesPrefixes ? chunk : maxPromptTokens,
    cachesPrefixes,
    hasGenerateVariants,
    devices,
    isEmulated: !devices.every(isNpu),
  };
}
