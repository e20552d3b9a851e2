import { createHash } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openWeights } from './open-weights.js';
import {
  array,
  f32,
  f32Safetensors,
  ggufOf,
  GGUF_TYPES as T,
  goldenPath,
  TemporaryFolder,
  text,
  u32,
  type GgufEntry,
  type GgufTestTensor,
  type TestTensor,
} from './testing/files.js';

const golden = JSON.parse(readFileSync(goldenPath('tensors.json'), 'utf8')) as Record<string, Record<string, string>>;

const CONFIG = {
  model_type: 'llama',
  vocab_size: 6,
  hidden_size: 4,
  intermediate_size: 3,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
};

/** Counts up from `first`. */
function counting(shape: readonly number[], first: number): TestTensor {
  const elements = shape.reduce((product, size) => product * size, 1);
  return { shape, values: Float32Array.from({ length: elements }, (_, i) => first + i) };
}

const TENSORS: Readonly<Record<string, TestTensor>> = {
  'model.embed_tokens.weight': counting([6, 4], 0),
  'model.layers.0.input_layernorm.weight': counting([4], 100),
  'model.layers.0.self_attn.q_proj.weight': counting([4, 4], 200),
  'model.layers.0.self_attn.k_proj.weight': counting([2, 4], 300),
  'model.layers.0.self_attn.v_proj.weight': counting([2, 4], 400),
  'model.layers.0.self_attn.o_proj.weight': counting([4, 4], 500),
  'model.layers.0.post_attention_layernorm.weight': counting([4], 600),
  'model.layers.0.mlp.gate_proj.weight': counting([3, 4], 700),
  'model.layers.0.mlp.up_proj.weight': counting([3, 4], 800),
  'model.layers.0.mlp.down_proj.weight': counting([4, 3], 900),
  'model.norm.weight': counting([4], 1000),
  'lm_head.weight': counting([6, 4], 1100),
};

const without = <V>(record: Readonly<Record<string, V>>, ...names: string[]): Record<string, V> =>
  Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));

/** A folder with this config.json, and model.safetensors of these tensors. */
async function folderOf(config: object, tensors: Readonly<Record<string, TestTensor>>): Promise<TemporaryFolder> {
  const folder = await TemporaryFolder.make();
  await folder.write('config.json', config);
  await folder.write('model.safetensors', f32Safetensors(tensors));
  return folder;
}

/** A folder with TENSORS in two shards, and an index that says so (or what `weightMap` says). */
async function shardedFolder(weightMap?: Record<string, unknown>): Promise<TemporaryFolder> {
  const folder = await TemporaryFolder.make();
  const names = Object.keys(TENSORS);
  await folder.write('config.json', CONFIG);
  await folder.write('a.safetensors', f32Safetensors(without(TENSORS, ...names.slice(5))));
  await folder.write('b.safetensors', f32Safetensors(without(TENSORS, ...names.slice(0, 5))));
  const actual = Object.fromEntries(names.map((name, i) => [name, i < 5 ? 'a.safetensors' : 'b.safetensors']));
  await folder.write('model.safetensors.index.json', { weight_map: { ...actual, ...weightMap } });
  return folder;
}

const failing = (code: string, message: RegExp): unknown =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as string });

describe('openWeights', () => {
  it.each(Object.entries(golden))('reads every tensor of %s as its own library does', async (name, expected) => {
    await using weights = await openWeights(goldenPath(name));
    expect([...weights.tensors.keys()].sort()).toEqual(Object.keys(expected).sort());
    for (const [tensor, { shape }] of weights.tensors) {
      const values = await weights.readRows(tensor, 0, shape[0] ?? 0);
      const found = createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex');
      expect([tensor, found]).toEqual([tensor, expected[tensor]]);
    }
  });

  it('reads the configuration of a model that transformers saved', async () => {
    await using weights = await openWeights(goldenPath('tiny-phi3'));
    expect(weights.config).toMatchObject({ architecture: 'phi3', slidingWindow: 7, headSize: 16, eosTokenIds: [2, 5] });
    expect(weights.location).toBe(goldenPath('tiny-phi3'));
    expect(weights.files).toEqual(
      ['config.json', 'generation_config.json', 'model.safetensors'].map((name) => join(goldenPath('tiny-phi3'), name)),
    );
  });

  it('reads the configuration of a GGUF file, tied embeddings included', async () => {
    await using weights = await openWeights(goldenPath('tiny-llama-q4_1.gguf'));
    expect(weights.config).toMatchObject({
      architecture: 'llama',
      tiedEmbeddings: true,
      kvHeadCount: 2,
      eosTokenIds: [2, 3],
    });
    expect(weights.tensors.has('lm_head.weight')).toBe(false);
    expect(weights.tensors.get('model.embed_tokens.weight')).toMatchObject({ shape: [24, 64], dtype: 'Q4_1' });
    expect(weights.files).toEqual([goldenPath('tiny-llama-q4_1.gguf')]);
  });

  it('finds the same tensors in shards', async () => {
    await using folder = await shardedFolder();
    await using weights = await openWeights(folder.path);
    for (const [name, { shape, values }] of Object.entries(TENSORS)) {
      expect(await weights.readRows(name, 0, shape[0] ?? 0)).toEqual(values);
    }
    expect(weights.files.map((path) => path.slice(folder.path.length + 1))).toEqual([
      'config.json',
      'model.safetensors.index.json',
      'a.safetensors',
      'b.safetensors',
    ]);
  });

  it('shows no lm_head where embeddings are tied, whether the file has one or not', async () => {
    for (const tensors of [TENSORS, without(TENSORS, 'lm_head.weight')]) {
      await using folder = await folderOf({ ...CONFIG, tie_word_embeddings: true }, tensors);
      await using weights = await openWeights(folder.path);
      expect(weights.tensors.has('lm_head.weight')).toBe(false);
    }
  });

  it('passes over tensors outside the layers, and stored rotary frequencies', async () => {
    await using folder = await folderOf(CONFIG, {
      ...TENSORS,
      'vision.weight': counting([1], 0),
      'model.layers.0.self_attn.rotary_emb.inv_freq': counting([1], 0),
    });
    await using weights = await openWeights(folder.path);
    expect(weights.tensors.size).toBe(12);
  });

  it.each<[string, Record<string, TestTensor>, string, RegExp]>([
    [
      'a missing tensor',
      without(TENSORS, 'model.layers.0.mlp.up_proj.weight'),
      'TENSOR_MISSING',
      /"model.layers.0.mlp.up_proj.weight" of shape \[3, 4\] is missing/,
    ],
    [
      'a tensor of another shape',
      { ...TENSORS, 'model.layers.0.mlp.up_proj.weight': counting([4, 3], 0) },
      'TENSOR_SHAPE_MISMATCH',
      /"model.layers.0.mlp.up_proj.weight" has the shape \[4, 3\], expected \[3, 4\]/,
    ],
    [
      'a vector that is a matrix',
      { ...TENSORS, 'model.norm.weight': counting([1, 4], 0) },
      'TENSOR_SHAPE_MISMATCH',
      /has the shape \[1, 4\], expected \[4\]/,
    ],
    [
      'a bias, which the decoder would leave out',
      { ...TENSORS, 'model.layers.0.self_attn.q_proj.bias': counting([4], 0) },
      'MODEL_FEATURE_UNSUPPORTED',
      /q_proj.bias", which is not part of a llama decoder of 1 layers/,
    ],
    [
      'more layers than the configuration says',
      { ...TENSORS, 'model.layers.1.input_layernorm.weight': counting([4], 0) },
      'MODEL_FEATURE_UNSUPPORTED',
      /model.layers.1.input_layernorm.weight/,
    ],
  ])('refuses %s', async (_what, tensors, code, message) => {
    await using folder = await folderOf(CONFIG, tensors);
    await expect(openWeights(folder.path)).rejects.toEqual(failing(code, message));
  });

  it.each<[string, string, string, RegExp]>([
    ['a shard outside the folder', '../a.safetensors', 'FILE_MALFORMED', /file in the same folder/],
    ['a shard in a folder below', 'x/a.safetensors', 'FILE_MALFORMED', /file in the same folder/],
    ['a shard behind a backslash', '..\\a.safetensors', 'FILE_MALFORMED', /file in the same folder/],
    ['a shard at an absolute path', '/etc/a.safetensors', 'FILE_MALFORMED', /file in the same folder/],
    ['a shard on another drive', 'C:a.safetensors', 'FILE_MALFORMED', /file in the same folder/],
    ['a shard that is not safetensors', 'config.json', 'FILE_MALFORMED', /name of a .safetensors file/],
    [
      'a shard that is not there',
      'c.safetensors',
      'MODEL_FILE_MISSING',
      /c.safetensors cannot be read: there is no such file/,
    ],
    [
      'a tensor that is in another shard',
      'b.safetensors',
      'TENSOR_MISSING',
      /is in "b.safetensors", but it is not there/,
    ],
  ])('refuses an index with %s', async (_what, shard, code, message) => {
    await using folder = await shardedFolder({ 'model.embed_tokens.weight': shard });
    await expect(openWeights(folder.path)).rejects.toEqual(failing(code, message));
  });

  it('says which file is missing, and what would do', async () => {
    await using folder = await TemporaryFolder.make();
    await expect(openWeights(join(folder.path, 'nothing'))).rejects.toEqual(
      failing('MODEL_NOT_FOUND', /There is no model at/),
    );
    await expect(openWeights(folder.path)).rejects.toEqual(failing('MODEL_FILE_MISSING', /has no config.json/));
    await folder.write('config.json', CONFIG);
    await expect(openWeights(folder.path)).rejects.toEqual(
      failing('MODEL_FILE_MISSING', /neither model.safetensors nor/),
    );
    const file = await folder.write('model.safetensors', f32Safetensors(TENSORS));
    await expect(openWeights(file)).rejects.toEqual(failing('MODEL_FILE_MISSING', /Give the folder that it is in/));
    await expect(openWeights(join(folder.path, 'config.json'))).rejects.toEqual(
      failing('FILE_MALFORMED', /magic "GGUF"/),
    );
  });

  it.each<[string, string, string, RegExp]>([
    ['not JSON', '{"model_type":', 'FILE_MALFORMED', /config.json: not valid UTF-8 JSON/],
    ['a list', '[]', 'FILE_MALFORMED', /not an object/],
    ['nested 200,000 deep', '['.repeat(200_000), 'FILE_MALFORMED', /not valid UTF-8 JSON/],
    ['1 MB long', ' '.repeat(1e6), 'FILE_LIMIT_EXCEEDED', /size in bytes is 1000000, the limit is 262144/],
  ])('refuses a config.json that is %s', async (_what, content, code, message) => {
    await using folder = await TemporaryFolder.make();
    await folder.write('config.json', Buffer.from(content));
    await expect(openWeights(folder.path)).rejects.toEqual(failing(code, message));
  });

  it('refuses a folder where a file should be', async () => {
    await using folder = await TemporaryFolder.make();
    await folder.write('config.json/x', Buffer.of());
    await expect(openWeights(folder.path)).rejects.toEqual(failing('MODEL_FILE_MISSING', /not a regular file/));
  });

  it.each(['tiny-llama-q4_1.gguf', 'tiny-phi3/model.safetensors'])('refuses %s when it is cut short', async (name) => {
    await using folder = await TemporaryFolder.make();
    await cp(goldenPath('.'), folder.path, { recursive: true });
    const path = join(folder.path, name);
    const whole = await readFile(path);
    for (const bytes of [0, 7, 100, Math.floor(whole.length / 2), whole.length - 1]) {
      await writeFile(path, whole.subarray(0, bytes));
      const opened = openWeights(name.endsWith('.gguf') ? path : join(folder.path, 'tiny-phi3'));
      await expect(opened).rejects.toEqual(failing('FILE_TRUNCATED', /the file ends after/));
    }
  });

  const gguf = (tensors: readonly GgufTestTensor[]): Buffer => {
    const number = (key: string, value: number): GgufEntry => [`llama.${key}`, T.u32, u32(value)];
    return ggufOf({
      metadata: [
        ['general.architecture', T.string, text('llama')],
        number('context_length', 8),
        number('embedding_length', 256),
        number('feed_forward_length', 32),
        number('block_count', 1),
        number('attention.head_count', 2),
        ['llama.attention.layer_norm_rms_epsilon', T.f32, f32(1e-5)],
        ['tokenizer.ggml.tokens', T.array, array(T.string, [text('a')])],
      ],
      tensors,
      data: new Uint8Array(2048),
    });
  };
  it.each<[string, GgufTestTensor[], string, RegExp]>([
    ...(
      [
        ['Q2_K', 10],
        ['Q3_K', 11],
        ['IQ3_S', 21],
        ['IQ4_XS', 23],
      ] as const
    ).map(([name, type]): [string, GgufTestTensor[], string, RegExp] => [
      `the type ${name}, naming it and types that are read`,
      [{ name: 'token_embd.weight', dimensions: [256, 1], type, offset: 0 }],
      'DTYPE_UNSUPPORTED',
      new RegExp(`"token_embd.weight" is stored as ${name}.*safetensors, or a GGUF file of another type: Q4_K_M.*Q6_K`),
    ]),
    [
      'a quantised vector',
      [
        { name: 'token_embd.weight', dimensions: [256, 1], type: 0, offset: 0 },
        { name: 'blk.0.attn_norm.weight', dimensions: [256], type: 8, offset: 1024 },
      ],
      'DTYPE_UNSUPPORTED',
      /stored as Q8_0 \(a vector\)/,
    ],
    ['no embeddings', [{ name: 'x', dimensions: [1], type: 0, offset: 0 }], 'TENSOR_MISSING', /"token_embd.weight"/],
  ])('refuses a GGUF file with %s', async (_what, tensors, code, message) => {
    await using folder = await TemporaryFolder.make();
    await expect(openWeights(await folder.write('m.gguf', gguf(tensors)))).rejects.toEqual(failing(code, message));
  });

  it('knows a GGUF file by its content, whatever its name', async () => {
    await using folder = await TemporaryFolder.make();
    await cp(goldenPath('tiny-llama-q4_1.gguf'), join(folder.path, 'blob'));
    await using weights = await openWeights(join(folder.path, 'blob'));
    expect(weights.config.architecture).toBe('llama');
  });

  it('rejects with the reason of its signal, and refuses options that it does not know', async () => {
    const signal = AbortSignal.abort(new Error('changed my mind'));
    await expect(openWeights(goldenPath('tiny-phi3'), { signal })).rejects.toThrow('changed my mind');
    const options: object = { sginal: signal };
    await expect(openWeights(goldenPath('tiny-phi3'), options)).rejects.toEqual(
      failing('OPTION_UNKNOWN', /unknown option 'sginal'/),
    );
  });
});
