/**
 * The properties of OpenVINO's NPU that a caller may give: their names, those of openvino-genai for the same, those that
 * must stay as they are, and what they say of devices. It knows nothing of lengths.
 * Names: OpenVINO 2026.4, src/plugins/intel_npu (npuw.hpp), and those in the plug-in library itself.
 */
import { OptionError } from '../../errors.js';
import { checkNumber } from '../../options.js';
import type { Properties } from './c-api.js';

/** Of either length; longer static shapes than any model's context are a mistake. */
export const MAX_NPU_LENGTH_TOKENS = 2 ** 20;
/** openvino-genai's names for properties of NPUW (npu_llm_pipeline: `rename_keys`); `++` adds to a stage's config. */
const GENAI_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
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
  }),
);

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
  return [...NPUW_NAMES, ...Object.keys(FIXED), ...GENAI_NAMES.keys(), ...UNLISTED_NAMES];
}

/** An option that contradicts itself or the way the engine drives NPUW. */
export function invalidNpuOption(where: string, option: string, message: string): OptionError {
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
    throw invalidNpuOption(
      where,
      name,
      `ovConfig: ${name} must be a map of texts such as {"NPUW_DQ":"YES"}, found ${value}.`,
    );
  }
  return `{${entries.map(([key, entry]) => `${key}:${String(entry)}`).join(',')}}`;
}

/** The caller's properties under NPUW's own names. */
function renamed(where: string, ovConfig: Properties): Map<string, string> {
  const result = new Map<string, string>();
  for (const [given, value] of Object.entries(ovConfig)) {
    const name = GENAI_NAMES.get(given) ?? given;
    if (result.has(name))
      throw invalidNpuOption(where, given, `ovConfig: ${given} and ${name} are the same; give one of them.`);
    result.set(name, name.endsWith('_CONFIG') ? mapNotation(where, given, value) : value);
  }
  return result;
}

/** The caller's properties, of which some decide how the engine drives the model. Throws OPTION_INVALID throughout. */
export class CallerProperties {
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
    if (value === undefined)
      throw invalidNpuOption(this.#where, name, `ovConfig: ${name} must be YES or NO, found '${text}'.`);
    return value;
  }

  /** The option's value or the property's, whichever is given; both would contradict. */
  tokens(option: string, given: number | undefined, name: string): number | undefined {
    const text = this.#properties.get(name);
    if (text !== undefined && given !== undefined) {
      throw invalidNpuOption(this.#where, option, `${option} and ovConfig's ${name} are the same; give one of them.`);
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
      throw invalidNpuOption(this.#where, name, `ovConfig: ${name} must be ${value}, found '${found}': ${why}.`);
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
