/**
 * How a language model is compiled for the NPU: OpenVINO's NPUW cuts it into a prefill and a generate model of static
 * shapes, whose sizes and behaviour are properties. This turns aipc's options and the caller's properties into those
 * that are passed, and says what the result can do. It compiles nothing.
 * Names, defaults and rounding: OpenVINO 2026.4, src/plugins/intel_npu (npuw.hpp, llm_compiled_model.cpp).
 */
import { OptionError } from '../../errors.js';
import { checkNumber } from '../../options.js';
import type { Properties } from './c-api.js';
import { DEVICE_PROFILES, NPU_LENGTHS } from './device-profiles.js';

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
/** Of either length; longer static shapes than any model's context are a mistake. */
export const MAX_NPU_LENGTH_TOKENS = 2 ** 20;
/** Generate models come in steps of so many prompt tokens: up to one step there is one model. */
const GENERATE_VARIANT_TOKENS = 1024;

/** openvino-genai's names for properties of NPUW (npu_llm_pipeline: `rename_keys`); `++` adds to a stage's config. */
const GENAI_NAMES: Readonly<Record<string, string>> = {
  MAX_PROMPT_LEN: 'NPUW_LLM_MAX_PROMPT_LEN',
  MIN_RESPONSE_LEN: 'NPUW_LLM_MIN_RESPONSE_LEN',
  PREFILL_HINT: 'NPUW_LLM_PREFILL_HINT',
  GENERATE_HINT: 'NPUW_LLM_GENERATE_HINT',
  PREFILL_CONFIG: 'NPUW_LLM_PREFILL_CONFIG',
  GENERATE_CONFIG: 'NPUW_LLM_GENERATE_CONFIG',
  SHARED_HEAD_CONFIG: 'NPUW_LLM_SHARED_HEAD_CONFIG',
  '++PREFILL_CONFIG': '++NPUW_LLM_PREFILL_CONFIG',
  '++GENERATE_CONFIG': '++NPUW_LLM_GENERATE_CONFIG',
  '++SHARED_HEAD_CONFIG': '++NPUW_LLM_SHARED_HEAD_CONFIG',
};

/** NPUW's properties for language models and for its partitioning; the plug-in does not list them itself. */
const NPUW_NAMES: readonly string[] = [
  ...['NPUW_DEVICES', 'NPUW_SUBMODEL_DEVICE'],
  ...['MAX_PROMPT_LEN', 'MIN_RESPONSE_LEN', 'OPTIMIZE_V_TENSORS', 'OPTIMIZE_FP8'].map(llm),
  ...['CACHE_ROPE', 'PREFILL_HINT', 'PREFILL_CHUNK_SIZE', 'PREFILL_ATTENTION_HINT', 'PREFILL_MOE_HINT'].map(llm),
  ...['GENERATE_HINT', 'GENERATE_ATTENTION_HINT', 'GENERATE_PYRAMID', 'GENERATE_MOE_HINT', 'SHARED_HEAD'].map(llm),
  ...['PREFILL_CONFIG', 'GENERATE_CONFIG', 'SHARED_HEAD_CONFIG', 'MAX_LORA_RANK'].map(llm),
  ...['PREFILL_CONFIG', 'GENERATE_CONFIG', 'SHARED_HEAD_CONFIG'].map((name) => `++${llm(name)}`),
  ...['ENABLE_PREFIX_CACHING', 'PREFIX_CACHING_BLOCK_SIZE', 'PREFIX_CACHING_MAX_NUM_BLOCKS'].map(llm),
  ...['NPUW_ONLINE_PIPELINE', 'NPUW_ONLINE_AVOID', 'NPUW_ONLINE_ISOLATE', 'NPUW_ONLINE_NO_FOLD'],
  ...['NPUW_ONLINE_MIN_SIZE', 'NPUW_ONLINE_KEEP_BLOCKS', 'NPUW_ONLINE_KEEP_BLOCK_SIZE', 'NPUW_ONLINE_DUMP_PLAN'],
  ...['NPUW_ONLINE_KEEP_BLOCKS_TAGGED', 'NPUW_PLAN', 'NPUW_FOLD', 'NPUW_FOLD_ONLY', 'NPUW_CWAI', 'NPUW_DQ'],
  ...['NPUW_DQ_FULL', 'NPUW_PMM', 'NPUW_MM_GATED', 'NPUW_SLICE_OUT', 'NPUW_SPATIAL', 'NPUW_SPATIAL_NWAY'],
  ...['NPUW_SPATIAL_DYN', 'NPUW_ATTN', 'NPUW_ATTN_DYN', 'NPUW_ATTN_NO_COPY', 'NPUW_ATTN_HFA_FUSED', 'NPUW_F16IC'],
  ...['NPUW_HOST_GATHER', 'NPUW_DCOFF_TYPE', 'NPUW_DCOFF_SCALE', 'NPUW_FUNCALL_FOR_ALL', 'NPUW_FUNCALL_ASYNC'],
  ...['NPUW_FUSE_UNFOLDED', 'NPUW_UNFOLD_IREQS', 'NPUW_UNQDQ', 'NPUW_PARALLEL_COMPILE', 'NPUW_WEIGHTS_BANK'],
  ...['NPUW_WEIGHTS_BANK_ALLOC', 'NPUW_CACHE_DIR', 'NPUW_ENSURE_COMPATIBILITY', 'NPUW_FALLBACK_EXEC', 'NPUW_ACC_CHECK'],
  ...['NPUW_ACC_THRESH', 'NPUW_ACC_DEVICE', 'NPUW_DUMP_FULL', 'NPUW_DUMP_SUBS', 'NPUW_DUMP_SUBS_DIR'],
  ...['NPUW_DUMP_SUBS_ON_FAIL', 'NPUW_DUMP_IO', 'NPUW_DUMP_IO_ITERS'],
];

/** Taken by the plug-in or by NPUW although the plug-in lists them only where a driver is installed, or never. */
const UNLISTED_NAMES: readonly string[] = [
  ...['KV_CACHE_PRECISION', 'CACHE_MODE', 'INFERENCE_PRECISION_HINT', 'EXECUTION_MODE_HINT', 'WORKLOAD_TYPE'],
  ...['COMPILATION_NUM_THREADS', 'NPU_COMPILER_TYPE', 'NPU_PLATFORM', 'NPU_TURBO', 'NPU_TILES'],
  ...['NPU_COMPILATION_MODE', 'NPU_COMPILATION_MODE_PARAMS', 'NPU_BACKEND_COMPILATION_PARAMS'],
  ...['NPU_COMPILER_DYNAMIC_QUANTIZATION', 'NPU_QDQ_OPTIMIZATION', 'NPU_QDQ_OPTIMIZATION_AGGRESSIVE'],
  ...['NPU_RUN_INFERENCES_SEQUENTIALLY', 'NPU_DISABLE_IDLE_MEMORY_PRUNING'],
];

/** What the engine's way of driving NPUW depends on, and why. */
const FIXED: Readonly<Record<string, readonly [value: string, why: string]>> = {
  NPU_USE_NPUW: ['YES', 'the NPU runs language models through NPUW only'],
  NPUW_LLM: ['YES', 'the NPU runs language models through NPUW only'],
  NPUW_LLM_BATCH_DIM: ['0', 'the model has its batch there'],
  NPUW_LLM_SEQ_LEN_DIM: ['2', 'the model has the positions of its KV cache there'],
  NPUW_LLM_MAX_GENERATION_TOKEN_LEN: ['1', 'aipc decodes one token a run; more would make each as slow as so many'],
  NPUW_LLM_ENABLE_BLOCK_BASED_KV_CACHE: ['NO', 'it excludes prefix caching, and its logits were not numbers'],
  NPUW_LLM_ENABLE_CONTINUOUS_PREFILL: ['NO', "it excludes prefix caching, and OpenVINO's C API cannot drive it"],
};

const BOOLEANS: Readonly<Record<string, boolean>> = {
  YES: true,
  TRUE: true,
  '1': true,
  NO: false,
  FALSE: false,
  '0': false,
};

function llm(name: string): string {
  return `NPUW_LLM_${name}`;
}

/**
 * The properties that may be given for the NPU beside those that the runtime lists (SUPPORTED_PROPERTIES). Others must
 * be refused: NPUW itself ignores what it does not know.
 */
export function knownNpuProperties(): readonly string[] {
  return [...NPUW_NAMES, ...Object.keys(FIXED), ...Object.keys(GENAI_NAMES), ...UNLISTED_NAMES];
}

function invalid(where: string, option: string, message: string): OptionError {
  return new OptionError('OPTION_INVALID', `${where}: ${message}`, { details: { option } });
}

/** OpenVINO's notation for a map in a property's value, `{KEY:VALUE,...}`; JSON is taken too. */
function mapNotation(where: string, name: string, value: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return value;
  }
  const entries = typeof parsed === 'object' && parsed !== null ? Object.entries(parsed) : undefined;
  if (entries === undefined || Array.isArray(parsed) || entries.some(([, entry]) => typeof entry !== 'string')) {
    throw invalid(where, name, `ovConfig: ${name} must be a map of texts such as {"NPUW_DQ":"YES"}, found ${value}.`);
  }
  return `{${entries.map(([key, entry]) => `${key}:${String(entry)}`).join(',')}}`;
}

/** The caller's properties under NPUW's own names. */
function renamed(where: string, ovConfig: Properties): Map<string, string> {
  const result = new Map<string, string>();
  for (const [given, value] of Object.entries(ovConfig)) {
    const name = GENAI_NAMES[given] ?? given;
    if (result.has(name)) throw invalid(where, given, `ovConfig: ${given} and ${name} are the same; give one of them.`);
    result.set(name, name.endsWith('_CONFIG') ? mapNotation(where, given, value) : value);
  }
  return result;
}

/** Reads the caller's properties that decide how the engine drives the model. */
class CallerProperties {
  readonly #where: string;
  readonly #properties: ReadonlyMap<string, string>;

  constructor(where: string, ovConfig: Properties) {
    this.#where = where;
    this.#properties = renamed(where, ovConfig);
  }

  get all(): Properties {
    return Object.fromEntries(this.#properties);
  }

  text(name: string): string | undefined {
    return this.#properties.get(name);
  }

  flag(name: string, fallback: boolean): boolean {
    const text = this.#properties.get(name);
    if (text === undefined) return fallback;
    const value = BOOLEANS[text.toUpperCase()];
    if (value === undefined) throw invalid(this.#where, name, `ovConfig: ${name} must be YES or NO, found '${text}'.`);
    return value;
  }

  /** The option's value or the property's, whichever is given; both would contradict. */
  tokens(option: string, given: number | undefined, name: string): number | undefined {
    const text = this.#properties.get(name);
    if (text !== undefined && given !== undefined) {
      throw invalid(this.#where, option, `${option} and ovConfig's ${name} are the same; give one of them.`);
    }
    if (text === undefined && given === undefined) return undefined;
    const label = text === undefined ? option : `ovConfig: ${name}`;
    const value = text === undefined ? given : /^\d+$/.test(text) ? Number(text) : text;
    return checkNumber(this.#where, label, value, { min: 1, max: MAX_NPU_LENGTH_TOKENS, integer: true });
  }

  refuseContradictions(): void {
    for (const [name, [value, why]] of Object.entries(FIXED)) {
      const found = this.#properties.get(name);
      if (found === undefined || found === value || sameFlag(found, value)) continue;
      throw invalid(this.#where, name, `ovConfig: ${name} must be ${value}, found '${found}': ${why}.`);
    }
  }
}

/** Whether a device of NpuwPlan.devices is one. */
export function isNpu(device: string): boolean {
  return /^npu(\.\d+)?$/.test(device);
}

function sameFlag(a: string, b: string): boolean {
  const flag = BOOLEANS[a.toUpperCase()];
  return flag !== undefined && flag === BOOLEANS[b.toUpperCase()] && Number.isNaN(Number(b));
}

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
      throw invalid(
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

/**
 * Every device that the properties let NPUW use: the list that it tries in order, single parts of the model
 * (`NPUW_SUBMODEL_DEVICE=last:CPU`), and what a stage's own configuration says.
 */
export function npuwDevices(properties: Properties): readonly string[] {
  const lists = [properties['NPUW_DEVICES'] ?? 'NPU'];
  for (const [name, value] of Object.entries(properties)) {
    if (name.endsWith('_CONFIG'))
      lists.push(...[...value.matchAll(/NPUW_DEVICES"?\s*:\s*"?([\w.]+)/g)].map(([, list]) => list ?? ''));
    if (name === 'NPUW_SUBMODEL_DEVICE') lists.push(value.replaceAll(/[^,:]+:/g, ''));
  }
  return [...new Set(lists.flatMap((list) => list.split(',')).map((device) => device.trim().toLowerCase()))];
}

/** The most tokens of one native run, as asked for. */
function askedChunk(request: NpuwRequest, caller: CallerProperties): number {
  const { where, prefillChunkTokens } = request;
  const chunk =
    caller.tokens('prefillChunkTokens', prefillChunkTokens, 'NPUW_LLM_PREFILL_CHUNK_SIZE') ??
    NPU_LENGTHS.prefillChunkTokens;
  if (chunk >= MIN_CHUNK_TOKENS && chunk <= MAX_CHUNK_TOKENS && Number.isInteger(Math.log2(chunk))) return chunk;
  throw invalid(
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
    throw invalid(
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
