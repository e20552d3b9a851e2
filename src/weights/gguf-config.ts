/**
 * GGUF metadata -> ModelConfig. Keys: ggml, docs/gguf.md; their meaning and defaults as llama.cpp reads them
 * (llama-model.cpp `load_hparams`, llama-vocab.cpp).
 */
import { ModelFormatError } from '../errors.js';
import { checkConsistency, CONFIG_LIMITS, ConfigFields } from './config-fields.js';
import { type GgufHead, type GgufValue } from './gguf.js';
import { malformed, quoted } from './format-error.js';
import { type StoredTensor } from './stored-tensor.js';
import { checkArchitecture, unsupportedFeature } from './unsupported.js';
import { type Architecture, type ModelConfig } from './weights.js';

const TOKENS = 'tokenizer.ggml.tokens';
const TOKEN_TYPES = 'tokenizer.ggml.token_type';
/** LLAMA_TOKEN_TYPE_CONTROL of llama.h. */
const CONTROL_TOKEN = 3;

/**
 * Control tokens that end a turn besides eos_token_id, which GGUF has room for only one of. Phi-3:
 * generation_config.json of Phi-3-mini-4k-instruct; the others: llama.cpp's end-of-generation texts (llama-vocab.cpp).
 */
const END_OF_TURN: Readonly<Record<Architecture, readonly string[]>> = {
  phi3: ['<|endoftext|>', '<|assistant|>', '<|end|>'],
  llama: ['<|eot_id|>', '<|im_end|>', '<|end|>', '<|end_of_text|>', '<|endoftext|>'],
};

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
] as const;
type DecoderKey = (typeof DECODER_KEYS)[number];

const CONFIG_KEYS: ReadonlySet<string> = new Set([
  'general.architecture',
  'split.count',
  TOKENS,
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

export function configFromGguf(file: string, head: GgufHead): ModelConfig {
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
    longRope: null,
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
  const found =
    scaling !== 'none'
      ? `rope scaling of type ${quoted(scaling)}`
      : tensors.has('rope_factors_long.weight')
        ? 'rope scaling of type "longrope" (rope_factors_long.weight)'
        : tensors.has('rope_freqs.weight')
          ? 'rope scaling of type "llama3" (rope_freqs.weight)'
          : fields.number(key('rope.scale_linear'), { min: 0, max: 1e6 }, 1) !== 1
            ? 'linear rope scaling (rope.scale_linear)'
            : undefined;
  if (found !== undefined) {
    throw unsupportedFeature(
      file,
      found,
      'Supported: models without position scaling, such as Phi-3-mini-4k-instruct.',
    );
  }
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
    for (const [id, type] of types.entries()) {
      if (type === CONTROL_TOKEN && id < vocabularySize && texts.has(String(tokens[id]))) ids.add(id);
    }
  }
  return [...ids];
}
