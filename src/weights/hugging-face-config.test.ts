import { describe, expect, it } from 'vitest';
import { configFromHuggingFace } from './hugging-face-config.js';

/** Phi-3-mini-4k-instruct's config.json, as published. */
const PHI3_MINI = {
  architectures: ['Phi3ForCausalLM'],
  attention_bias: false,
  bos_token_id: 1,
  eos_token_id: 32_000,
  hidden_act: 'silu',
  hidden_size: 3072,
  intermediate_size: 8192,
  max_position_embeddings: 4096,
  model_type: 'phi3',
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 32,
  original_max_position_embeddings: 4096,
  pad_token_id: 32_000,
  rms_norm_eps: 1e-5,
  rope_scaling: null,
  rope_theta: 10_000.0,
  sliding_window: 2047,
  tie_word_embeddings: false,
  vocab_size: 32_064,
};

const LLAMA = {
  model_type: 'llama',
  vocab_size: 100,
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
};

const read = (json: Record<string, unknown>, generation?: Record<string, unknown>): unknown =>
  configFromHuggingFace('config.json', json, generation);

describe('configFromHuggingFace', () => {
  it('reads Phi-3-mini-4k, with the end-of-turn tokens of its generation_config.json', () => {
    expect(read(PHI3_MINI, { eos_token_id: [32_000, 32_001, 32_007] })).toEqual({
      architecture: 'phi3',
      vocabularySize: 32_064,
      hiddenSize: 3072,
      intermediateSize: 8192,
      layerCount: 32,
      headCount: 32,
      kvHeadCount: 32,
      headSize: 96,
      rotarySize: 96,
      ropeTheta: 10_000,
      longRope: null,
      rmsNormEpsilon: 1e-5,
      contextTokens: 4096,
      slidingWindow: 2047,
      tiedEmbeddings: false,
      bosTokenId: 1,
      eosTokenIds: [32_000, 32_001, 32_007],
      padTokenId: 32_000,
    });
  });

  it("uses transformers' defaults where a Llama leaves keys out", () => {
    expect(read(LLAMA)).toEqual({
      architecture: 'llama',
      vocabularySize: 100,
      hiddenSize: 64,
      intermediateSize: 128,
      layerCount: 2,
      headCount: 4,
      kvHeadCount: 4,
      headSize: 16,
      rotarySize: 16,
      ropeTheta: 10_000,
      longRope: null,
      rmsNormEpsilon: 1e-6,
      contextTokens: 2048,
      slidingWindow: null,
      tiedEmbeddings: false,
      bosTokenId: null,
      eosTokenIds: [],
      padTokenId: null,
    });
  });

  it('reads rope parameters in both spellings', () => {
    const old = { ...PHI3_MINI, rope_theta: 250_000, partial_rotary_factor: 0.75, rope_scaling: null };
    const since5 = {
      ...PHI3_MINI,
      rope_theta: undefined,
      rope_parameters: { rope_theta: 250_000, rope_type: 'default', partial_rotary_factor: 0.75 },
    };
    expect(read(since5)).toEqual(read(old));
    expect(read(old)).toMatchObject({ ropeTheta: 250_000, rotarySize: 72 });
  });

  it('reads longrope in both spellings, under its older name, and as Phi-4-mini has it', () => {
    const factors = { short_factor: Array<number>(48).fill(1), long_factor: Array<number>(48).fill(32.5) };
    const old = {
      ...PHI3_MINI,
      max_position_embeddings: 131_072,
      rope_scaling: { ...factors, type: 'longrope' },
      sliding_window: 262_144,
    };
    const longRope = {
      originalContextTokens: 4096,
      shortFactors: factors.short_factor,
      longFactors: factors.long_factor,
      attentionFactor: Math.sqrt(1 + Math.log(32) / Math.log(4096)),
    };
    expect(longRope.attentionFactor).toBeCloseTo(1.1902, 4);
    expect(read(old)).toMatchObject({ rotarySize: 96, contextTokens: 131_072, longRope });
    expect(read({ ...old, rope_scaling: { ...factors, type: 'su' } })).toEqual(read(old));
    const since5 = {
      ...old,
      original_max_position_embeddings: undefined,
      rope_scaling: undefined,
      rope_theta: undefined,
      rope_parameters: {
        ...factors,
        rope_type: 'longrope',
        rope_theta: 10_000,
        original_max_position_embeddings: 4096,
      },
    };
    expect(read(since5)).toEqual(read(old));
    const phi4Mini = { ...old, hidden_size: 4096, partial_rotary_factor: 0.75, num_key_value_heads: 8 };
    expect(read(phi4Mini)).toMatchObject({ headSize: 128, rotarySize: 96, longRope });
  });

  it('takes what a file says of the scaling of attention', () => {
    const scaling = { type: 'longrope', short_factor: Array(48).fill(1), long_factor: Array(48).fill(2) };
    const withKeys = (more: object): unknown =>
      read({ ...PHI3_MINI, max_position_embeddings: 8192, rope_scaling: { ...scaling, ...more } });
    expect(withKeys({ attention_factor: 1.5 })).toMatchObject({ longRope: { attentionFactor: 1.5 } });
    expect(withKeys({ factor: 1 })).toMatchObject({ longRope: { attentionFactor: 1 } });
    expect(withKeys({ factor: 4096 })).toMatchObject({ longRope: { attentionFactor: Math.SQRT2 } });
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['no factors', { short_factor: undefined }, /short_factor must be a list of 48 numbers, found nothing/],
    ['too few factors', { long_factor: [1, 2] }, /long_factor must be a list of 48 numbers, found "a list of 2"/],
    ['a factor that is text', { long_factor: Array(48).fill('2') }, /long_factor\[0\] must be a number .* found "2"/],
    ['a factor of 0', { short_factor: Array(48).fill(0) }, /short_factor\[0\] must be a number from 0.001/],
    ['an attention factor of 0', { attention_factor: 0 }, /attention_factor must be a number/],
  ])('refuses longrope with %s', (_what, over, message) => {
    const scaling = { type: 'longrope', short_factor: Array(48).fill(1), long_factor: Array(48).fill(2), ...over };
    expect(() => read({ ...PHI3_MINI, rope_scaling: scaling })).toThrow(
      expect.objectContaining({ code: 'FILE_MALFORMED', message: expect.stringMatching(message) as string }),
    );
  });

  it('refuses longrope that does not say where it begins', () => {
    const scaling = { type: 'longrope', short_factor: Array(48).fill(1), long_factor: Array(48).fill(2) };
    for (const original of [undefined, 1, 0.5, '4096']) {
      expect(() => read({ ...PHI3_MINI, rope_scaling: scaling, original_max_position_embeddings: original })).toThrow(
        /original_max_position_embeddings must be/,
      );
    }
  });

  it('takes grouped heads of a size of their own', () => {
    expect(read({ ...LLAMA, num_key_value_heads: 2, head_dim: 32 })).toMatchObject({
      headCount: 4,
      kvHeadCount: 2,
      headSize: 32,
    });
  });

  it("keeps config.json's end-of-turn token where generation_config.json has none", () => {
    expect(read(PHI3_MINI, { eos_token_id: null })).toMatchObject({ eosTokenIds: [32_000] });
  });

  it('leaves out token ids that the vocabulary does not have', () => {
    const found = read({ ...LLAMA, bos_token_id: 100, pad_token_id: -1, eos_token_id: [2, 99, 2, 32_000] });
    expect(found).toMatchObject({ bosTokenId: null, padTokenId: null, eosTokenIds: [2, 99] });
  });

  it.each<[string, unknown, RegExp]>([
    ['Phi-3-small', 'phi3small', /"phi3small".*Phi-3-small has its own decoder.*Supported: phi3/],
    ['Phi-3-vision', 'phi3_v', /image encoder.*Phi-3.5-mini/],
    ['Phi-4-multimodal', 'phi4mm', /speech encoders.*Phi-4-mini/],
    ['Phi-3.5-MoE', 'phimoe', /mixtures of experts.*phi-4/],
    ['Phi-4-mini-flash', 'phi4flash', /state-space layers.*Phi-4-mini-reasoning/],
    ['Phi-2', 'phi', /Phi-2 have their own decoder.*Phi-3-mini/],
    ['an architecture that nobody knows', 'mamba', /architecture is "mamba", which is not supported\. Supported/],
    ['no architecture', undefined, /architecture is not given, which is not supported/],
  ])('says that %s is not supported and what is', (_what, model_type, message) => {
    expect(() => read({ ...PHI3_MINI, model_type })).toThrow(
      expect.objectContaining({ code: 'ARCHITECTURE_UNSUPPORTED', message: expect.stringMatching(message) as string }),
    );
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['scaling of a type that nobody knows', { rope_scaling: { type: 'warp' } }, /type "warp".*Supported.*longrope/],
    ['scaling whose type is an object', { rope_scaling: { type: {} } }, /rope_scaling of type \{/],
    ['YaRN', { rope_scaling: { type: 'yarn', factor: 4 } }, /rope_scaling of type "yarn"/],
    ['llama3 scaling', { rope_parameters: { rope_type: 'llama3' } }, /rope_scaling of type "llama3"/],
    ['another activation', { hidden_act: 'gelu' }, /hidden_act "gelu"/],
    ['an activation that is an object', { hidden_act: { toString: 1 } }, /hidden_act \{/],
    ['attention bias', { attention_bias: true }, /attention_bias/],
    ['MLP bias', { mlp_bias: true }, /mlp_bias/],
    ['quantised weights', { quantization_config: { quant_method: 'gptq' } }, /"gptq".*F32, F16 or BF16/],
    ['a partly rotated Llama', { model_type: 'llama', partial_rotary_factor: 0.5 }, /partial_rotary_factor 0.5/],
  ])('refuses %s by name', (_what, over, message) => {
    expect(() => read({ ...PHI3_MINI, ...over })).toThrow(
      expect.objectContaining({ code: 'MODEL_FEATURE_UNSUPPORTED', message: expect.stringMatching(message) as string }),
    );
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['no vocabulary size', { vocab_size: undefined }, /vocab_size must be a number from 1 to 1048576, found nothing/],
    ['a vocabulary too large', { vocab_size: 2 ** 21 }, /vocab_size must be .* found 2097152/],
    ['a size that is text', { hidden_size: '3072' }, /hidden_size must be .* found "3072"/],
    ['half a layer', { num_hidden_layers: 1.5 }, /num_hidden_layers must be an integer from 1 to 1024, found 1.5/],
    ['a billion layers', { num_hidden_layers: 1e9 }, /num_hidden_layers/],
    ['no heads', { num_attention_heads: 0 }, /num_attention_heads/],
    ['heads that do not divide the width', { num_attention_heads: 7 }, /hidden_size 3072 is not a multiple/],
    ['key/value heads that do not divide the heads', { num_key_value_heads: 5 }, /32 attention heads cannot share 5/],
    ['an odd head size', { head_dim: 95 }, /head size is 95/],
    [
      'an odd number of rotated elements',
      { partial_rotary_factor: 0.06 },
      /5 rotated elements .* must be an even number/,
    ],
    ['nothing rotated', { partial_rotary_factor: 0 }, /0 rotated elements/],
    ['more rotated than there is', { partial_rotary_factor: 1.5 }, /partial_rotary_factor must be/],
    ['a negative theta', { rope_theta: -1 }, /rope_theta must be/],
    ['an epsilon of 0', { rms_norm_eps: 0 }, /rms_norm_eps must be/],
    ['a window of 0', { sliding_window: 0 }, /sliding_window must be/],
    ['tying that is text', { tie_word_embeddings: 'no' }, /tie_word_embeddings must be true or false, found "no"/],
    ['token ids that are text', { eos_token_id: ['</s>'] }, /eos_token_id must be a token id, found "<\/s>"/],
    ['rope_scaling that is a list', { rope_scaling: [1] }, /rope_scaling must be an object/],
  ])('refuses %s', (_what, over, message) => {
    expect(() => read({ ...PHI3_MINI, ...over })).toThrow(
      expect.objectContaining({ code: 'FILE_MALFORMED', message: expect.stringMatching(message) as string }),
    );
  });

  it('reads half a million end-of-turn ids at once', () => {
    const ids = Array.from({ length: 500_000 }, (_, i) => i);
    expect(read({ ...LLAMA, vocab_size: 1 << 20, eos_token_id: ids })).toMatchObject({ eosTokenIds: ids });
  });
});
