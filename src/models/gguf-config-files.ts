/**
 * config.json and generation_config.json for a model that comes without them (a .gguf file), as transformers writes them.
 * It reads no file.
 */
import type { LongRope, ModelConfig } from '../weights/weights.js';

const CLASS_NAMES = { phi3: 'Phi3ForCausalLM', llama: 'LlamaForCausalLM' } as const;

export function configJson(config: ModelConfig): object {
  const { architecture, headSize, rotarySize } = config;
  return {
    architectures: [CLASS_NAMES[architecture]],
    attention_bias: false,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenIds.length > 1 ? config.eosTokenIds : (config.eosTokenIds[0] ?? null),
    // Phi3Config has no head_dim: it divides hidden_size by the heads.
    ...(architecture === 'phi3' ? {} : { head_dim: headSize, mlp_bias: false }),
    hidden_act: 'silu',
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    max_position_embeddings: config.contextTokens,
    model_type: architecture,
    num_attention_heads: config.headCount,
    num_hidden_layers: config.layerCount,
    num_key_value_heads: config.kvHeadCount,
    ...(architecture === 'phi3'
      ? {
          original_max_position_embeddings: config.longRope?.originalContextTokens ?? config.contextTokens,
          sliding_window: config.slidingWindow,
        }
      : {}),
    pad_token_id: config.padTokenId,
    ...(rotarySize === headSize ? {} : { partial_rotary_factor: rotarySize / headSize }),
    rms_norm_eps: config.rmsNormEpsilon,
    rope_scaling: config.longRope === null ? null : longRopeJson(config.longRope),
    rope_theta: config.ropeTheta,
    tie_word_embeddings: config.tiedEmbeddings,
    torch_dtype: 'float16',
    use_cache: true,
    vocab_size: config.vocabularySize,
  };
}

function longRopeJson({ shortFactors, longFactors, attentionFactor }: LongRope): object {
  return {
    type: 'longrope',
    attention_factor: attentionFactor,
    long_factor: longFactors,
    short_factor: shortFactors,
  };
}

export function generationConfigJson({ bosTokenId, eosTokenIds, padTokenId }: ModelConfig): object {
  const eos = eosTokenIds.length === 1 ? eosTokenIds[0] : eosTokenIds;
  return {
    ...(bosTokenId === null ? {} : { bos_token_id: bosTokenId }),
    ...(eosTokenIds.length === 0 ? {} : { eos_token_id: eos }),
    ...(padTokenId === null ? {} : { pad_token_id: padTokenId }),
  };
}
