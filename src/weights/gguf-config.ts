/**
 * GGUF metadata -> ModelConfig. Keys: ggml, docs/gguf.md; their meaning and defaults as llama.cpp reads them
 * (llama-model.cpp `load_hparams`, llama-vocab.cpp).
 */
import { ModelFormatError } from '../errors.js';
import { checkConsistency, CONFIG_LIMITS, ConfigFields, longRope } from './config-fields.js';
import { type GgufHead, type GgufValue } from './gguf.js';
import { LONG_FACTORS, type RopeFactors, SHORT_FACTORS } from './gguf-rope-factors.js';
import { malformed, quoted } from './format-error.js';
import { type StoredTensor } from './stored-tensor.js';
import { checkArchitecture, unsupportedFeature } from './unsupported.js';
import { type Architecture, type LongRope, type ModelConfig } from './weights.js';

const TOKENS = 'tokenizer.ggml.tokens';
const TOKENIZER_MODEL = 'tokenizer.ggml.model';
const TOKEN_TYPES = 'tokenizer.ggml.token_type';
/** LLAMA_TOKEN_TYPE_CONTROL of llama.h. */
const CONTROL_TOKEN = 3;

/**
 * Control tokens that end a turn besides eos_token_id, which GGUF has room for only one of. Those of Phi:
 * generation_config.json of Phi-3-mini-4k-instruct, Phi-4-mini-instruct and phi-4; the others: llama.cpp's
 * end-of-generation texts (llama-vocab.cpp).
 */
const END_OF_TURN: Readonly<Record<Architecture, readonly string[]>> = {
  phi3: ['<|endoftext|>', '<|end|>', '<|im_end|>'],
  llama: ['<|eot_id|>', '<|im_end|>', '<|end|>', '<|end_of_text|>', '<|endoftext|>'],
};
/** Of Phi-3 alone (tokenizer.ggml.model 'llama'): Phi-4-mini's list leaves it out. */
const PHI3_END_OF_TURN = '<|assistant|>';

/** Keys after the architecture's prefix. */
const DECODER_KEYS = [
  'vocab_size',
  'context_length',
  'embedding_length',
  'feed_forward_length',
  'block_count',
  'expert_count',
  'attention.head_count',
  'attention.head_count_kv',
  'attention.key_length',
  'attention.value_length',
  'attention.layer_norm_rms_epsilon',
  'attention.sliding_window',
  'rope.dimension_count',
  'rope.freq_base',
  'rope.scale_linear',
  'rope.scaling.type',
  'rope.scaling.factor',
  'rope.scaling.attn_factor',
  'rope.scaling.original_context_length',
] as const;
type DecoderKey = (typeof DECODER_KEYS)[number];

const CONFIG_KEYS: ReadonlySet<string> = new Set([
  'general.architecture',
  'split.count',
  TOKENS,
  TOKENIZER_MODEL,
  TOKEN_TYPES,
  'tokenizer.ggml.bos_token_id',
  'tokenizer.ggml.eos_token_id',
  'tokenizer.ggml.eot_token_id',
  'tokenizer.ggml.padding_token_id',
  ...['phi3', 'llama'].flatMap((architecture) => DECODER_KEYS.map((key) => `${architecture}.${key}`)),
]);

/** Which metadata configFromGguf() needs: the vocabulary among it, for the end-of-turn tokens. */
export function isConfigKey(key: string): boolean {
  return CONFIG_KEYS.has(key);
}

/** `ropeFactors`: what readRopeFactors() found. */
export function configFromGguf(file: string, head: GgufHead, ropeFactors: RopeFactors | null): ModelConfig {
  const { metadata } = head;
  const tensors = new Map(head.tensors.map((tensor) => [tensor.name, tensor]));
  const architecture = checkArchitecture(file, metadata.get('general.architecture'));
  const fields = new ConfigFields(file, (key) => scalar(file, key, metadata.get(key)));
  const key = (name: DecoderKey): string => `${architecture}.${name}`;
  refuseFeatures(file, key, fields, tensors);
  if (tensors.size === 0) {
    throw new ModelFormatError(
      'TENSOR_MISSING',
      `${file} holds a vocabulary, but no weights. Take a GGUF file with the model's tensors.`,
      { details: { file } },
    );
  }

  const hiddenSize = fields.integer(key('embedding_length'), CONFIG_LIMITS.hiddenSize);
  const headCount = fields.integer(key('attention.head_count'), CONFIG_LIMITS.headCount);
  const keyLength = key('attention.key_length');
  if (fields.raw(keyLength) === undefined && hiddenSize % headCount !== 0) {
    throw malformed(file, `the embedding length ${hiddenSize} is not a multiple of the head count ${headCount}.`);
  }
  const headSize = fields.integer(keyLength, CONFIG_LIMITS.headSize, hiddenSize / headCount);
  const valueSize = fields.integer(key('attention.value_length'), CONFIG_LIMITS.headSize, headSize);
  if (valueSize !== headSize) {
    throw unsupportedFeature(
      file,
      `keys of ${headSize} and values of ${valueSize} elements`,
      'Supported: equal sizes.',
    );
  }
  const rotarySize = fields.integer(key('rope.dimension_count'), CONFIG_LIMITS.headSize, headSize);
  if (architecture === 'llama' && rotarySize !== headSize) {
    throw unsupportedFeature(file, `${rotarySize} rotated of ${headSize} elements`, 'Llama models rotate whole heads.');
  }
  const tokens = metadata.get(TOKENS);
  const vocabularySize = fields.integer(
    key('vocab_size'),
    CONFIG_LIMITS.vocabularySize,
    tensors.get('token_embd.weight')?.shape[0] ?? (Array.isArray(tokens) ? tokens.length : undefined),
  );
  const layerCount = fields.integer(key('block_count'), CONFIG_LIMITS.layerCount);
  const contextTokens = fields.integer(key('context_length'), CONFIG_LIMITS.contextTokens);

  return checkConsistency(file, {
    architecture,
    vocabularySize,
    hiddenSize,
    intermediateSize: fields.integer(key('feed_forward_length'), CONFIG_LIMITS.intermediateSize),
    layerCount,
    headCount,
    kvHeadCount: fields.integer(key('attention.head_count_kv'), CONFIG_LIMITS.headCount, headCount),
    headSize,
    rotarySize,
    ropeTheta: fields.number(key('rope.freq_base'), CONFIG_LIMITS.ropeTheta, 10_000),
    longRope: ropeFactors === null ? null : longRopeFields(fields, key, ropeFactors, { rotarySize, contextTokens }),
    rmsNormEpsilon: fields.number(key('attention.layer_norm_rms_epsilon'), CONFIG_LIMITS.rmsNormEpsilon),
    contextTokens,
    slidingWindow: architecture === 'phi3' ? phi3SlidingWindow(fields, key, layerCount, contextTokens) : null,
    tiedEmbeddings: !tensors.has('output.weight'),
    bosTokenId: fields.tokenIds('tokenizer.ggml.bos_token_id', vocabularySize)[0] ?? null,
    eosTokenIds: endOfTurnIds(architecture, fields, metadata, vocabularySize),
    padTokenId: fields.tokenIds('tokenizer.ggml.padding_token_id', vocabularySize)[0] ?? null,
  });
}

function scalar(file: string, key: string, value: GgufValue | undefined): unknown {
  if (typeof value !== 'object') return value;
  throw unsupportedFeature(
    file,
    `a list for ${quoted(key)} (layers that differ)`,
    'Supported: the same for all layers.',
  );
}

function refuseFeatures(
  file: string,
  key: (name: DecoderKey) => string,
  fields: ConfigFields,
  tensors: ReadonlyMap<string, StoredTensor>,
): void {
  if (fields.integer('split.count', { min: 0, max: 65_535 }, 1) > 1) {
    throw unsupportedFeature(
      file,
      'several GGUF files (split.count)',
      'Join them first: llama-gguf-split --merge FIRST_FILE OUT_FILE.',
    );
  }
  if (fields.integer(key('expert_count'), { min: 0, max: 65_535 }, 0) > 0) {
    throw unsupportedFeature(file, 'a mixture of experts (expert_count)', 'Supported: dense models.');
  }
  const scaling = fields.raw(key('rope.scaling.type')) ?? 'none';
  // llama.cpp's converter writes no type for longrope: the tensors say it.
  const hasFactors = tensors.has(LONG_FACTORS) || tensors.has(SHORT_FACTORS);
  const found =
    scaling !== 'none' && !(scaling === 'longrope' && hasFactors)
      ? `rope scaling of type ${quoted(scaling)}${scaling === 'longrope' ? ` without the tensor ${LONG_FACTORS}` : ''}`
      : tensors.has('rope_freqs.weight')
        ? 'rope scaling of type "llama3" (rope_freqs.weight)'
        : fields.number(key('rope.scale_linear'), { min: 0, max: 1e6 }, 1) !== 1
          ? 'linear rope scaling (rope.scale_linear)'
          : undefined;
  if (found !== undefined) {
    throw unsupportedFeature(
      file,
      found,
      `Supported: models without position scaling, such as Phi-3-mini-4k-instruct, and longrope (${LONG_FACTORS}, ${SHORT_FACTORS}), such as Phi-3.5-mini-instruct.`,
    );
  }
}

function longRopeFields(
  fields: ConfigFields,
  key: (name: DecoderKey) => string,
  factors: RopeFactors,
  shape: Pick<ModelConfig, 'rotarySize' | 'contextTokens'>,
): LongRope {
  const sources = new Map<string, unknown>([
    [SHORT_FACTORS, factors.short],
    [LONG_FACTORS, factors.long],
  ]);
  const own = new ConfigFields(fields.file, (name) => (sources.has(name) ? sources.get(name) : fields.raw(name)));
  const keys = {
    shortFactors: SHORT_FACTORS,
    longFactors: LONG_FACTORS,
    original: key('rope.scaling.original_context_length'),
    factor: key('rope.scaling.factor'),
    attentionFactor: key('rope.scaling.attn_factor'),
  };
  const found = longRope(own, keys, shape);
  // What the file has is rounded to f32: where it is the usual value, that is taken as it was before.
  const usual = longRope(
    new ConfigFields(fields.file, (name) => (name === keys.attentionFactor ? undefined : own.raw(name))),
    keys,
    shape,
  );
  return Math.fround(usual.attentionFactor) === found.attentionFactor ? usual : found;
}

/**
 * Files made before llama.cpp wrote the key (July 2024) lack it; llama.cpp then assumes the window of the 4k models
 * (llama-model.cpp, LLM_ARCH_PHI3). 0 means none.
 */
function phi3SlidingWindow(
  fields: ConfigFields,
  key: (name: DecoderKey) => string,
  layerCount: number,
  contextTokens: number,
): number | null {
  const isPublished4k = (layerCount === 32 || layerCount === 40) && contextTokens === 4096;
  const { max } = CONFIG_LIMITS.slidingWindow;
  const window = fields.integer(key('attention.sliding_window'), { min: 0, max }, isPublished4k ? 2047 : 0);
  return window === 0 ? null : window;
}

function endOfTurnIds(
  architecture: Architecture,
  fields: ConfigFields,
  metadata: GgufHead['metadata'],
  vocabularySize: number,
): number[] {
  const ids = new Set([
    ...fields.tokenIds('tokenizer.ggml.eos_token_id', vocabularySize),
    ...fields.tokenIds('tokenizer.ggml.eot_token_id', vocabularySize),
  ]);
  const tokens = metadata.get(TOKENS);
  const types = metadata.get(TOKEN_TYPES);
  if (Array.isArray(tokens) && (types instanceof Int32Array || types instanceof Uint32Array)) {
    const texts = new Set(END_OF_TURN[architecture]);
    if (architecture === 'phi3' && metadata.get(TOKENIZER_MODEL) === 'llama') texts.add(PHI3_END_OF_TURN);
    for (const [id, type] of types.entries()) {
      if (type === CONTROL_TOKEN && id < vocabularySize && texts.has(String(tokens[id]))) ids.add(id);
    }
  }
  return [...ids];
}
