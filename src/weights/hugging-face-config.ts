/**
 * config.json and generation_config.json of a Hugging Face folder -> ModelConfig.
 * Defaults are those of transformers' Phi3Config and LlamaConfig where files leave a key out; dimensions that decide
 * tensor shapes have no default. Both the spelling before transformers 5 (rope_theta, rope_scaling,
 * partial_rotary_factor) and since (rope_parameters) are read.
 */
import { checkConsistency, CONFIG_LIMITS, ConfigFields } from './config-fields.js';
import { malformed, quoted } from './format-error.js';
import { isObject } from './model-file.js';
import { checkArchitecture, unsupportedFeature } from './unsupported.js';
import { type Architecture, type ModelConfig } from './weights.js';

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
  const rope = ropeFields(file, architecture, fields);
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
    rotarySize: Math.trunc(headSize * rope.partialRotaryFactor),
    ropeTheta: rope.theta,
    rmsNormEpsilon: fields.number('rms_norm_eps', CONFIG_LIMITS.rmsNormEpsilon, DEFAULTS[architecture].rmsNormEpsilon),
    contextTokens: fields.integer(
      'max_position_embeddings',
      CONFIG_LIMITS.contextTokens,
      DEFAULTS[architecture].contextTokens,
    ),
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
): { theta: number; partialRotaryFactor: number } {
  const parameters = fields.raw('rope_parameters') ?? {};
  if (!isObject(parameters)) throw malformed(file, 'rope_parameters must be an object.');
  const scaling = fields.raw('rope_scaling') ?? {};
  if (!isObject(scaling)) throw malformed(file, 'rope_scaling must be an object or null.');
  for (const { rope_type: type, type: legacyType } of [parameters, scaling]) {
    const found = type ?? legacyType ?? 'default';
    if (found !== 'default') {
      throw unsupportedFeature(
        file,
        `rope_scaling of type ${quoted(found)}`,
        'Supported: models without position scaling, such as Phi-3-mini-4k-instruct.',
      );
    }
  }
  const rope = new ConfigFields(file, (key) => parameters[key] ?? fields.raw(key));
  const partialRotaryFactor = rope.number('partial_rotary_factor', { min: 0, max: 1 }, 1);
  if (architecture === 'llama' && partialRotaryFactor !== 1) {
    throw unsupportedFeature(file, `partial_rotary_factor ${partialRotaryFactor}`, 'Llama models rotate whole heads.');
  }
  return { theta: rope.number('rope_theta', CONFIG_LIMITS.ropeTheta, DEFAULT_ROPE_THETA), partialRotaryFactor };
}
