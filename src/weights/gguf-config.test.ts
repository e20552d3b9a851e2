import { describe, expect, it } from 'vitest';
import { configFromGguf, isConfigKey } from './gguf-config.js';
import { type RopeFactors } from './gguf-rope-factors.js';
import { type GgufValue } from './gguf.js';
import { type StoredTensor } from './stored-tensor.js';
import { type ModelConfig } from './weights.js';

const tensor = (name: string, shape: number[] = [1]): StoredTensor => ({
  name,
  shape,
  typeName: 'F32',
  dtype: 'F32',
  offsetBytes: 0,
});
const EMBEDDING = tensor('token_embd.weight', [32_064, 3072]);
const OUTPUT = tensor('output.weight');

/** The metadata of Phi-3-mini-4k-instruct's GGUF file. */
const PHI3_MINI: Readonly<Record<string, GgufValue>> = {
  'general.architecture': 'phi3',
  'phi3.context_length': 4096,
  'phi3.rope.scaling.original_context_length': 4096,
  'phi3.embedding_length': 3072,
  'phi3.feed_forward_length': 8192,
  'phi3.block_count': 32,
  'phi3.attention.head_count': 32,
  'phi3.attention.head_count_kv': 32,
  'phi3.attention.layer_norm_rms_epsilon': 1e-5,
  'phi3.attention.sliding_window': 2047,
  'phi3.rope.dimension_count': 96,
  'phi3.rope.freq_base': 10_000,
  'tokenizer.ggml.bos_token_id': 1,
  'tokenizer.ggml.eos_token_id': 32_000,
  'tokenizer.ggml.padding_token_id': 32_000,
};
const LLAMA: Readonly<Record<string, GgufValue>> = {
  'general.architecture': 'llama',
  'llama.context_length': 256,
  'llama.embedding_length': 64,
  'llama.feed_forward_length': 96,
  'llama.block_count': 2,
  'llama.attention.head_count': 4,
  'llama.attention.layer_norm_rms_epsilon': 1e-5,
};

/** Only what isConfigKey() asks for, as openWeights() does it; undefined leaves a key out. */
function read(
  metadata: Readonly<Record<string, GgufValue | undefined>>,
  tensors: readonly StoredTensor[] = [EMBEDDING, OUTPUT],
  ropeFactors: RopeFactors | null = null,
): ModelConfig {
  const kept = new Map<string, GgufValue>();
  for (const [key, value] of Object.entries(metadata))
    if (value !== undefined && isConfigKey(key)) kept.set(key, value);
  return configFromGguf('model.gguf', { version: 3, metadata: kept, tensors }, ropeFactors);
}

describe('configFromGguf', () => {
  it('reads Phi-3-mini-4k', () => {
    expect(read(PHI3_MINI)).toEqual({
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
      eosTokenIds: [32_000],
      padTokenId: 32_000,
    });
  });

  it('takes a missing sliding window of a 4k Phi-3 for 2047, a 0 for none', () => {
    const without = { ...PHI3_MINI, 'phi3.attention.sliding_window': undefined };
    expect(read(without).slidingWindow).toBe(2047);
    expect(read({ ...without, 'phi3.block_count': 8 }).slidingWindow).toBeNull();
    expect(read({ ...PHI3_MINI, 'phi3.attention.sliding_window': 0 }).slidingWindow).toBeNull();
  });

  it('fills in what a Llama leaves out, and ties embeddings without output.weight', () => {
    expect(read(LLAMA, [tensor('token_embd.weight', [300, 64])])).toMatchObject({
      vocabularySize: 300,
      kvHeadCount: 4,
      headSize: 16,
      rotarySize: 16,
      ropeTheta: 10_000,
      longRope: null,
      slidingWindow: null,
      tiedEmbeddings: true,
      bosTokenId: null,
      eosTokenIds: [],
      padTokenId: null,
    });
  });

  it('reads longrope and partial rotary of Phi-4-mini', () => {
    const factors = { short: Array.from({ length: 48 }, () => 1), long: Array.from({ length: 48 }, (_, i) => 1 + i) };
    const metadata = {
      ...PHI3_MINI,
      'phi3.context_length': 131_072,
      'phi3.embedding_length': 3072,
      'phi3.attention.head_count': 24,
      'phi3.attention.head_count_kv': 8,
      'phi3.attention.sliding_window': 262_144,
      'phi3.rope.dimension_count': 96,
      'phi3.rope.scaling.attn_factor': Math.fround(Math.sqrt(1 + Math.log(32) / Math.log(4096))),
    };
    const found = read(metadata, [EMBEDDING], factors);
    expect(found).toMatchObject({
      headSize: 128,
      rotarySize: 96,
      kvHeadCount: 8,
      contextTokens: 131_072,
      slidingWindow: 262_144,
      tiedEmbeddings: true,
      longRope: { originalContextTokens: 4096, shortFactors: factors.short, longFactors: factors.long },
    });
    // The double of which the file has the nearest f32.
    expect(found.longRope?.attentionFactor).toBe(Math.sqrt(1 + Math.log(32) / Math.log(4096)));
    const other = read({ ...metadata, 'phi3.rope.scaling.attn_factor': 1.5 }, [EMBEDDING], factors);
    expect(other.longRope?.attentionFactor).toBe(1.5);
    expect(() => read(metadata, [EMBEDDING], { ...factors, long: [1] })).toThrow(/rope_factors_long.weight.*48/);
    expect(() =>
      read({ ...metadata, 'phi3.rope.scaling.original_context_length': undefined }, [EMBEDDING], factors),
    ).toThrow(/original_context_length/);
  });

  it("adds the vocabulary's own end-of-turn control tokens, not ordinary tokens that look like them", () => {
    const tokens = ['<|endoftext|>', 'a', '<|assistant|>', '<|end|>', '<|user|>', '<|end|>'];
    const found = read({
      ...PHI3_MINI,
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.token_type': Int32Array.of(3, 1, 3, 3, 3, 1),
      'tokenizer.ggml.eos_token_id': 0,
      'tokenizer.ggml.eot_token_id': 4,
    });
    expect(found.eosTokenIds).toEqual([0, 4, 2, 3]);
  });

  it.each([
    ['Phi-4-mini', ['<|endoftext|>', '<|assistant|>', '<|end|>', '<|user|>'], [0, 2]],
    ['Phi-4', ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<|im_sep|>'], [0, 2]],
  ])('knows the end-of-turn tokens of %s, of which the file names one', (_family, tokens, expected) => {
    const found = read({
      ...PHI3_MINI,
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.token_type': Int32Array.of(3, 3, 3, 3),
      'tokenizer.ggml.eos_token_id': 0,
    });
    expect(found.eosTokenIds).toEqual(expected);
  });

  it.each<[string, Record<string, GgufValue | undefined>, readonly StoredTensor[], string, RegExp]>([
    ['another architecture', { 'general.architecture': 'phimoe' }, [EMBEDDING], 'ARCHITECTURE_UNSUPPORTED', /experts/],
    ['no architecture', { 'general.architecture': undefined }, [EMBEDDING], 'ARCHITECTURE_UNSUPPORTED', /not given/],
    ['a vocabulary alone', {}, [], 'TENSOR_MISSING', /holds a vocabulary, but no weights/],
    ['one file of several', { 'split.count': 3 }, [], 'MODEL_FEATURE_UNSUPPORTED', /llama-gguf-split --merge/],
    ['experts', { 'phi3.expert_count': 16 }, [EMBEDDING], 'MODEL_FEATURE_UNSUPPORTED', /mixture of experts/],
    ['scaled positions', { 'phi3.rope.scaling.type': 'yarn' }, [EMBEDDING], 'MODEL_FEATURE_UNSUPPORTED', /"yarn"/],
    ['scaled positions of old', { 'phi3.rope.scale_linear': 4 }, [EMBEDDING], 'MODEL_FEATURE_UNSUPPORTED', /linear/],
    [
      'longrope without its factors',
      { 'phi3.rope.scaling.type': 'longrope' },
      [EMBEDDING],
      'MODEL_FEATURE_UNSUPPORTED',
      /"longrope" without the tensor rope_factors_long.weight/,
    ],
    ['llama3 scaling', {}, [EMBEDDING, tensor('rope_freqs.weight')], 'MODEL_FEATURE_UNSUPPORTED', /"llama3"/],
    [
      'heads that differ from layer to layer',
      { 'phi3.attention.head_count_kv': Uint32Array.of(8, 4) },
      [EMBEDDING],
      'MODEL_FEATURE_UNSUPPORTED',
      /layers that differ/,
    ],
    [
      'keys and values of different sizes',
      { 'phi3.attention.key_length': 96, 'phi3.attention.value_length': 64 },
      [EMBEDDING],
      'MODEL_FEATURE_UNSUPPORTED',
      /keys of 96 and values of 64/,
    ],
    ['no layer count', { 'phi3.block_count': undefined }, [EMBEDDING], 'FILE_MALFORMED', /phi3.block_count.*nothing/],
    ['2^64 - 1 layers', { 'phi3.block_count': 2n ** 64n - 1n }, [EMBEDDING], 'FILE_MALFORMED', /18446744073709551615n/],
    ['an epsilon that is NaN', { 'phi3.attention.layer_norm_rms_epsilon': NaN }, [EMBEDDING], 'FILE_MALFORMED', /NaN/],
    [
      'heads that do not divide the width',
      { 'phi3.attention.head_count': 7 },
      [EMBEDDING],
      'FILE_MALFORMED',
      /multiple/,
    ],
    ['more rotated than a head has', { 'phi3.rope.dimension_count': 98 }, [EMBEDDING], 'FILE_MALFORMED', /98 rotated/],
  ])('refuses %s', (_what, over, tensors, code, message) => {
    expect(() => read({ ...PHI3_MINI, ...over }, tensors)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) as string }),
    );
  });

  it('refuses a Llama that rotates part of its heads', () => {
    expect(() => read({ ...LLAMA, 'llama.rope.dimension_count': 8 })).toThrow(/8 rotated of 16 elements/);
  });
});
