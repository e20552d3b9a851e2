/**
 * config.json and generation_config.json of a Hugging Face folder -> ModelConfig.
 * Defaults are those of transformers' Phi3Config and LlamaConfig where files leave a key out; dimensions that decide
 * tensor shapes have no default. Both the spelling before transformers 5 (rope_theta, rope_scaling,
 * partial_rotary_factor) and since (rope_parameters) are read.
 */
import { checkConsistency, CONFIG_LIMITS, ConfigFields, longRope } from './config-fields.js';
import { malformed, quoted } from './format-error.js';
import { isObject } from './model-file.js';
import { checkArchitecture, unsupportedFeature } from './unsupported.js';
import { type Architecture, type LongRope, type ModelConfig } from './weights.js';

type Json = Readonly<Record<string, unknown>>;

const DEFAULTS: Readonly<Record<Architecture, { contextTokens: number; rmsNormEpsilon: number }>> = {
  phi3: { contextTokens: 4096, rmsNormEpsilon: 1e-5 },
  llama: { contextTokens: 2048, rmsNormEpsilon: 1e-6 },
};
const DEFAULT_ROPE_THETA = 10_000;

/** The path is for messages. `generation` may lack; its eos_token_id replaces config.json's, as in transformers. */
export function configFromHuggingFace(file: string, json: Json, generation: Json | undefined): ModelConfig {
  const architecture = checkArchitecture(file, json['model_type']);
  const fields = new ConfigFields(file, (key) => (Object.hasOwn(json, key) ? json[key] : undefined));
  refuseFeatures(file, fields);

  const vocabularySize = fields.integer('vocab_size', CONFIG_LIMITS.vocabularySize);
  const hiddenSize = fields.integer('hidden_size', CONFIG_LIMITS.hiddenSize);
  const headCount = fields.integer('num_attention_heads', CONFIG_LIMITS.headCount);
  if (fields.raw('head_dim') === undefined && hiddenSize % headCount !== 0) {
    throw malformed(file, `hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${headCount}.`);
  }
  const headSize = fields.integer('head_dim', CONFIG_LIMITS.headSize, hiddenSize / headCount);
  const contextTokens = fields.integer(
    'max_position_embeddings',
    CONFIG_LIMITS.contextTokens,
    DEFAULTS[architecture].contextTokens,
  );
  const rope = ropeFields(file, architecture, fields, { headSize, contextTokens });
  const eosFields = generation?.['eos_token_id'] == null ? fields : new ConfigFields(file, (key) => generation[key]);

  return checkConsistency(file, {
    architecture,
    vocabularySize,
    hiddenSize,
    intermediateSize: fields.integer('intermediate_size', CONFIG_LIMITS.intermediateSize),
    layerCount: fields.integer('num_hidden_layers', CONFIG_LIMITS.layerCount),
    headCount,
    kvHeadCount: fields.integer('num_key_value_heads', CONFIG_LIMITS.headCount, headCount),
    headSize,
    ...rope,
    rmsNormEpsilon: fields.number('rms_norm_eps', CONFIG_LIMITS.rmsNormEpsilon, DEFAULTS[architecture].rmsNormEpsilon),
    contextTokens,
    slidingWindow:
      architecture === 'phi3' && fields.raw('sliding_window') !== undefined
        ? fields.integer('sliding_window', CONFIG_LIMITS.slidingWindow)
        : null,
    tiedEmbeddings: fields.boolean('tie_word_embeddings', false),
    bosTokenId: fields.tokenIds('bos_token_id', vocabularySize)[0] ?? null,
    eosTokenIds: eosFields.tokenIds('eos_token_id', vocabularySize),
    padTokenId: fields.tokenIds('pad_token_id', vocabularySize)[0] ?? null,
  });
}

function refuseFeatures(file: string, fields: ConfigFields): void {
  const activation = fields.raw('hidden_act') ?? 'silu';
  if (activation !== 'silu') {
    throw unsupportedFeature(file, `hidden_act ${quoted(activation)}`, 'Supported: "silu".');
  }
  for (const key of ['attention_bias', 'mlp_bias']) {
    if (fields.boolean(key, false)) throw unsupportedFeature(file, key, 'Supported: projections without bias.');
  }
  const quantization = fields.raw('quantization_config');
  if (quantization !== undefined) {
    const method = isObject(quantization) ? quantization['quant_method'] : quantization;
    throw unsupportedFeature(
      file,
      `weights that are quantised already (${quoted(method)})`,
      'Take the F32, F16 or BF16 weights of the same model: aipc quantises them itself.',
    );
  }
}

function ropeFields(
  file: string,
  architecture: Architecture,
  fields: ConfigFields,
  { headSize, contextTokens }: Pick<ModelConfig, 'headSize' | 'contextTokens'>,
): Pick<ModelConfig, 'rotarySize' | 'ropeTheta' | 'longRope'> {
  const parameters = fields.raw('rope_parameters') ?? {};
  if (!isObject(parameters)) throw malformed(file, 'rope_parameters must be an object.');
  const scaling = fields.raw('rope_scaling') ?? {};
  if (!isObject(scaling)) throw malformed(file, 'rope_scaling must be an object or null.');
  const rope = new ConfigFields(file, (key) => parameters[key] ?? scaling[key] ?? fields.raw(key));
  const partialRotaryFactor = rope.number('partial_rotary_factor', { min: 0, max: 1 }, 1);
  if (architecture === 'llama' && partialRotaryFactor !== 1) {
    throw unsupportedFeature(file, `partial_rotary_factor ${partialRotaryFactor}`, 'Llama models rotate whole heads.');
  }
  const rotarySize = Math.trunc(headSize * partialRotaryFactor);
  return {
    rotarySize,
    ropeTheta: rope.number('rope_theta', CONFIG_LIMITS.ropeTheta, DEFAULT_ROPE_THETA),
    longRope: longRopeFields(file, [parameters, scaling], fields, { rotarySize, contextTokens }),
  };
}

/** `su` is what Phi-3's first months called it (transformers: configuration_phi3.py). */
const LONGROPE_TYPES: readonly unknown[] = ['longrope', 'su'];

/** null without position scaling. Throws MODEL_FEATURE_UNSUPPORTED for scaling of another type, FILE_MALFORMED. */
function longRopeFields(
  file: string,
  holders: readonly Json[],
  fields: ConfigFields,
  shape: Pick<ModelConfig, 'rotarySize' | 'contextTokens'>,
): LongRope | null {
  const types = holders.map(({ rope_type: type, type: legacyType }) => type ?? legacyType ?? 'default');
  const unknown = types.find((type) => type !== 'default' && !LONGROPE_TYPES.includes(type));
  if (unknown !== undefined) {
    throw unsupportedFeature(
      file,
      `rope_scaling of type ${quoted(unknown)}`,
      'Supported: models without position scaling, such as Phi-3-mini-4k-instruct, and longrope, such as Phi-3.5-mini-instruct.',
    );
  }
  const holder = holders[types.findIndex((type) => type !== 'default')];
  if (holder === undefined) return null;
  // transformers prefers the model's own original_max_position_embeddings (standardize_rope_params).
  const own = new ConfigFields(file, (key) =>
    key === 'original_max_position_embeddings' ? (fields.raw(key) ?? holder[key]) : holder[key],
  );
  return longRope(
    own,
    {
      shortFactors: 'short_factor',
      longFactors: 'long_factor',
      original: 'original_max_position_embeddings',
      factor: 'factor',
      attentionFactor: 'attention_factor',
    },
    shape,
  );
}
