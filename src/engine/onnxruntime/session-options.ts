/**
 * Session options of ONNX Runtime: aipc's defaults, what a model folder may set, what the caller sets, in rising
 * precedence, applied to an OrtSessionOptions. It creates no session.
 * Names: those of genai_config.json's session_options; everything with a dot is a session configuration entry
 * (onnxruntime_session_options_config_keys.h).
 */
import { availableParallelism, cpus } from 'node:os';
import { OptionError, UnsupportedError } from '../../errors.js';
import { checkChoice, checkNumber } from '../../options.js';
import { takePointer, type OrtApi, type Pointer } from './c-api.js';

export type SessionOptions = Readonly<Record<string, string>>;

/** GraphOptimizationLevel. */
const OPTIMIZATION_LEVELS: Readonly<Record<string, number>> = {
  ORT_DISABLE_ALL: 0,
  ORT_ENABLE_BASIC: 1,
  ORT_ENABLE_EXTENDED: 2,
  ORT_ENABLE_ALL: 99,
};

const KNOWN_OPTIONS = [
  'intra_op_num_threads',
  'graph_optimization_level',
  'enable_cpu_mem_arena',
  'enable_mem_pattern',
  'log_severity_level',
] as const;
type KnownOption = (typeof KNOWN_OPTIONS)[number];

export const MAX_THREADS = 1024;

/**
 * Configuration entries that a folder may set, those that change how the runtime computes; others could make it write or
 * read files elsewhere, or load code.
 */
const FOLDER_ENTRIES =
  /^(session\.(intra_op|inter_op)\.|session\.(set_denormal_as_zero|dynamic_block_base|qdqisint8allowed|disable_quant_qdq|enable_quant_qdq_cleanup|use_device_allocator_for_initializers|disable_cpu_ep_fallback)$|optimization\.(disable_specified_optimizers|enable_gelu_approximation|enable_cast_chain_elimination)$|mlas\.|ep\.cuda\.fpa_intb_gemm$)/;

/** What genai_config.json calls by a name of its own, and onnxruntime-genai sets as an entry (its config.cpp, model.cpp). */
const GENAI_ENTRIES: Readonly<Record<string, string>> = {
  disable_cpu_ep_fallback: 'session.disable_cpu_ep_fallback',
  disable_quant_qdq: 'session.disable_quant_qdq',
  enable_quant_qdq_cleanup: 'session.enable_quant_qdq_cleanup',
};

/** Without a meaning here: a name for logs. */
const HARMLESS = ['log_id', 'log_verbosity_level'];

const DEFAULTS: SessionOptions = {
  // Threads that wait for the next operator's work spin this long before they sleep. Without a limit they burn a
  // core each through the whole of sampling, and on a busy machine wait for threads that are not even scheduled:
  // 40 to 100 % more processor time for a token. 100 microseconds are as fast on an idle machine (four layers of
  // Phi-3-mini's shape, int4, 2 threads: 19.1 ms; without a limit 20.4, without spinning 20.7) and bridge the gaps
  // between operators.
  'session.intra_op.spin_duration_us': '100',
  // A pattern is remembered for each shape of the inputs, and the attention mask grows with every token.
  enable_mem_pattern: 'false',
};

/** Merges defaults, what a folder asks for as far as it may, and the caller's options. Throws OPTION_UNKNOWN. */
export function resolveSessionOptions(
  folderOptions: SessionOptions,
  callerOptions: SessionOptions,
  threads: number | undefined,
): SessionOptions {
  for (const key of Object.keys(callerOptions)) {
    if (isKnown(key) || key.includes('.')) continue;
    throw new OptionError(
      'OPTION_UNKNOWN',
      `sessionOptions: unknown option '${key}'. Known options: ${KNOWN_OPTIONS.join(', ')}, ` +
        'and configuration entries such as session.intra_op.allow_spinning.',
      { details: { option: key, known: KNOWN_OPTIONS } },
    );
  }
  const fromFolder = renamed(folderOptions).filter(([key]) => isKnown(key) || FOLDER_ENTRIES.test(key));
  return {
    ...DEFAULTS,
    ...defaultThreads(),
    ...Object.fromEntries(fromFolder),
    ...callerOptions,
    ...(threads === undefined ? {} : { intra_op_num_threads: String(threads) }),
  };
}

/** The options of a folder that aipc does not hand on, for a note: those that name files, and unknown ones. */
export function ignoredFolderOptions(folderOptions: SessionOptions): readonly string[] {
  return renamed(folderOptions)
    .map(([key]) => key)
    .filter((key) => !isKnown(key) && !FOLDER_ENTRIES.test(key) && !HARMLESS.includes(key));
}

/** Throws MODEL_FEATURE_UNSUPPORTED where a folder cannot run without code of its own. */
export function refuseCustomOperators(file: string, folderOptions: SessionOptions): void {
  const library = folderOptions['custom_ops_library'];
  if (library === undefined || library === '') return;
  throw new UnsupportedError(
    'MODEL_FEATURE_UNSUPPORTED',
    `${file}: the folder brings a library of its own operators (custom_ops_library: ${library.slice(0, 80)}), and aipc ` +
      "loads no code from model folders. Take a folder of onnxruntime-genai's model builder for the CPU.",
    { details: { file, library: library.slice(0, 200) } },
  );
}

function renamed(folderOptions: SessionOptions): readonly (readonly [string, string])[] {
  return Object.entries(folderOptions).map(([key, value]) => {
    const entry = GENAI_ENTRIES[key];
    return entry === undefined ? [key, value] : [entry, value === 'true' || value === '1' ? '1' : '0'];
  });
}

function isKnown(key: string): key is KnownOption {
  return KNOWN_OPTIONS.some((known) => known === key);
}

/**
 * ONNX Runtime itself starts one thread for each physical core, but does not see what a container or an affinity
 * mask leaves of them.
 */
function defaultThreads(): SessionOptions {
  const threads = availableParallelism();
  return threads < cpus().length ? { intra_op_num_threads: String(threads) } : {};
}

/** Creates OrtSessionOptions; the caller releases them. Throws OPTION_INVALID, RUNTIME_FAILED. */
export function createSessionOptions(api: OrtApi, options: SessionOptions): Pointer {
  const pointer = takePointer((out) => api.CreateSessionOptions(out));
  try {
    for (const [key, value] of Object.entries(options)) {
      if (isKnown(key)) applyKnown(api, pointer, key, value);
      else api.AddSessionConfigEntry(pointer, key, value);
    }
    return pointer;
  } catch (error) {
    api.ReleaseSessionOptions(pointer);
    throw error;
  }
}

function applyKnown(api: OrtApi, pointer: Pointer, key: KnownOption, value: string): void {
  const where = 'sessionOptions';
  const isTrue = (): boolean =>
    checkChoice(where, key, value.toLowerCase(), ['true', 'false', '1', '0']).match(/true|1/) !== null;
  switch (key) {
    case 'intra_op_num_threads':
      api.SetIntraOpNumThreads(
        pointer,
        checkNumber(where, key, Number(value), { min: 0, max: MAX_THREADS, integer: true }),
      );
      break;
    case 'graph_optimization_level': {
      const level = checkChoice(where, key, value, Object.keys(OPTIMIZATION_LEVELS));
      api.SetSessionGraphOptimizationLevel(pointer, OPTIMIZATION_LEVELS[level] ?? 0);
      break;
    }
    case 'enable_cpu_mem_arena':
      if (isTrue()) api.EnableCpuMemArena(pointer);
      else api.DisableCpuMemArena(pointer);
      break;
    case 'enable_mem_pattern':
      if (isTrue()) api.EnableMemPattern(pointer);
      else api.DisableMemPattern(pointer);
      break;
    case 'log_severity_level':
      api.SetSessionLogSeverityLevel(
        pointer,
        checkNumber(where, key, Number(value), { min: 0, max: 4, integer: true }),
      );
      break;
  }
}
