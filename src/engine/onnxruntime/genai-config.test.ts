import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_CONFIG_BYTES } from '../model-json.js';
import { NO_SEARCH_DEFAULTS, readGenaiConfig } from './genai-config.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-genai-config-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const decoder = {
  filename: 'model.onnx',
  head_size: 96,
  num_hidden_layers: 32,
  num_key_value_heads: 32,
  session_options: { intra_op_num_threads: 3, enable_mem_pattern: true, log_id: 'x', provider_options: [{ cuda: {} }] },
  inputs: { input_ids: 'ids', attention_mask: 'mask', past_key_names: 'p.%d.k', past_value_names: 'p.%d.v' },
  outputs: { logits: 'scores', present_key_names: 'n.%d.k', present_value_names: 'n.%d.v' },
};
const model = { context_length: 4096, vocab_size: 32064, bos_token_id: 0, eos_token_id: [1, 7], decoder };
const read = async (content: unknown): ReturnType<typeof readGenaiConfig> => {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  await writeFile(path.join(folder, 'genai_config.json'), text);
  return readGenaiConfig(folder);
};
const withDecoder = (changes: object): object => ({ model: { ...model, decoder: { ...decoder, ...changes } } });

describe('readGenaiConfig', () => {
  it('reads sizes, names and scalar session options', async () => {
    expect(await read({ model, search: { max_length: 4096 } })).toEqual({
      file: path.join(folder, 'genai_config.json'),
      modelFile: path.join(folder, 'model.onnx'),
      contextTokens: 4096,
      vocabularySize: 32064,
      layers: 32,
      kvHeads: 32,
      headSize: 96,
      inputIds: 'ids',
      attentionMask: 'mask',
      positionIds: 'position_ids',
      logits: 'scores',
      pastKey: 'p.%d.k',
      pastValue: 'p.%d.v',
      presentKey: 'n.%d.k',
      presentValue: 'n.%d.v',
      endTokenIds: [1, 7],
      bosTokenId: 0,
      sessionOptions: { intra_op_num_threads: '3', enable_mem_pattern: 'true', log_id: 'x' },
      providerOptions: new Map([['cuda', {}]]),
      search: { ...NO_SEARCH_DEFAULTS, maxLength: 4096 },
      ropeBoundaries: [],
    });
  });

  it('reads options of providers whatever the case of their names', async () => {
    const provider_options = [{ WebGPU: { validationMode: 'basic', multiRotaryCacheConcatOffset: 4096 } }, { dml: {} }];
    const { providerOptions } = await read(withDecoder({ session_options: { provider_options } }));
    expect([...providerOptions]).toEqual([
      ['webgpu', { validationMode: 'basic', multiRotaryCacheConcatOffset: '4096' }],
      ['dml', {}],
    ]);
    for (const malformed of [{}, [1], [{ dml: 1 }]]) {
      await expect(read(withDecoder({ session_options: { provider_options: malformed } }))).rejects.toMatchObject({
        code: 'FILE_MALFORMED',
        message: expect.stringContaining('provider_options') as string,
      });
    }
  });

  it('reads what answers are sampled with by default', async () => {
    const search = { do_sample: true, temperature: 0.7, top_k: 20, top_p: 0.9, repetition_penalty: 1.1, num_beams: 1 };
    expect((await read({ model, search: { ...search, max_length: 900, chunk_size: 64 } })).search).toEqual({
      ...{ doSample: true, temperature: 0.7, topK: 20, topP: 0.9, repetitionPenalty: 1.1 },
      ...{ maxLength: 900, chunkTokens: 64 },
    });
    expect((await read({ model })).search).toEqual(NO_SEARCH_DEFAULTS);
    for (const odd of [
      { top_p: 'much' },
      { top_k: -1 },
      { do_sample: 1 },
      { repetition_penalty: 0 },
      { max_length: 1.5 },
    ]) {
      await expect(read({ model, search: odd })).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
    }
  });

  it('takes a sliding window for what the graph does itself, unless the caller has to move the cache', async () => {
    const sliding_window = { window_size: 2047, layers: [], slide_key_value_cache: false, slide_inputs: false };
    expect((await read(withDecoder({ sliding_window }))).layers).toBe(32);
    await expect(
      read(withDecoder({ sliding_window: { ...sliding_window, slide_key_value_cache: true } })),
    ).rejects.toMatchObject({ code: 'MODEL_FEATURE_UNSUPPORTED' });
  });

  it.each(['vision', 'speech', 'embedding', 'encoder'])('refuses a model that has a part %s', async (part) => {
    await expect(read({ model: { ...model, [part]: { filename: 'part.onnx' } } })).rejects.toMatchObject({
      code: 'MODEL_FEATURE_UNSUPPORTED',
      message: expect.stringMatching(new RegExp(`'${part}'.*Phi-3.5-mini`, 'u')) as string,
    });
  });

  it("takes genai's own names where the file gives none", async () => {
    const config = await read(withDecoder({ inputs: {}, outputs: {}, session_options: undefined }));
    expect(config).toMatchObject({ inputIds: 'input_ids', pastKey: 'past_key_values.%d.key', sessionOptions: {} });
  });

  it('reads a single end token, and none', async () => {
    expect(await read({ model: { ...model, eos_token_id: 5 } })).toMatchObject({ endTokenIds: [5] });
    const bare = { ...model, eos_token_id: undefined, bos_token_id: undefined };
    expect(await read({ model: bare })).toMatchObject({ endTokenIds: [], bosTokenId: null });
  });

  it.each([
    ['no JSON', '{"model":'],
    ['a list', []],
    ['no model', {}],
    ['no decoder', { model: { ...model, decoder: undefined } }],
    ['no context', { model: { ...model, context_length: undefined } }],
    ['an endless context', { model: { ...model, context_length: 1e15 } }],
    ['no vocabulary', { model: { ...model, vocab_size: 0 } }],
    ['an end token that is no id', { model: { ...model, eos_token_id: [1, '</s>'] } }],
    ['a thousand end tokens', { model: { ...model, eos_token_id: new Array(1000).fill(1) } }],
    ['half a layer', withDecoder({ num_hidden_layers: 1.5 })],
    ['a million layers', withDecoder({ num_hidden_layers: 1e6 })],
    ['text for heads', withDecoder({ num_key_value_heads: '32' })],
    ['a name that is no text', withDecoder({ inputs: { input_ids: 5 } })],
    ['a template without a layer', withDecoder({ inputs: { past_key_names: 'past.key' } })],
    ['a template with two layers', withDecoder({ outputs: { present_key_names: '%d.%d' } })],
    ['a path out of the folder', withDecoder({ filename: '../model.onnx' })],
    ['an absolute path', withDecoder({ filename: '/etc/passwd' })],
    ['a Windows path', withDecoder({ filename: 'C:\\model.onnx' })],
    ['the folder itself', withDecoder({ filename: '.' })],
  ])('refuses %s', async (_, content) => {
    await expect(read(content)).rejects.toMatchObject({ name: 'ModelFormatError', code: 'FILE_MALFORMED' });
  });

  it('names the field, what was found and what is allowed', async () => {
    await expect(read(withDecoder({ head_size: -3 }))).rejects.toThrow(
      /genai_config\.json: model\.decoder\.head_size must be an integer from 1 to 4096, found -3/,
    );
  });

  it('refuses decoders in several graphs', async () => {
    await expect(read(withDecoder({ pipeline: [{}] }))).rejects.toMatchObject({ code: 'MODEL_FEATURE_UNSUPPORTED' });
  });

  it('does not read huge files', async () => {
    await expect(read(' '.repeat(MAX_CONFIG_BYTES + 1))).rejects.toMatchObject({ code: 'FILE_LIMIT_EXCEEDED' });
  });

  it('says when there is none', async () => {
    await expect(readGenaiConfig(path.join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
  });

  it('names a value that nests deeper than JSON can be written', async () => {
    const text = JSON.stringify({ model }).replace(
      '"vocab_size":32064',
      `"vocab_size":${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    );
    await expect(read(text)).rejects.toMatchObject({ code: 'FILE_MALFORMED', details: { field: 'model.vocab_size' } });
  });

  it.each(['*/_ORT_MEM_ADDR_/*', 'model.onnx:stream', 'a|b', 'a\nb'])('refuses the file name %j', async (filename) => {
    await expect(read(withDecoder({ filename }))).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
  });
});
