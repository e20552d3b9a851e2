import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readGgufTokenizer } from './gguf-tokenizer.js';
import { array, f32, ggufOf, GGUF_TYPES as T, TemporaryFolder, text, u32, type GgufEntry } from './testing/files.js';

const words = ['<unk>', '<s>', '</s>', '▁a'];
const ENTRIES: readonly GgufEntry[] = [
  ['general.architecture', T.string, text('llama')],
  ['tokenizer.ggml.model', T.string, text('llama')],
  ['tokenizer.ggml.pre', T.string, text('default')],
  ['tokenizer.ggml.tokens', T.array, array(T.string, words.map(text))],
  ['tokenizer.ggml.scores', T.array, array(T.f32, [f32(0), f32(0), f32(0), f32(-1.5)])],
  ['tokenizer.ggml.token_type', T.array, array(T.i32, [u32(2), u32(3), u32(3), u32(1)])],
  ['tokenizer.ggml.merges', T.array, array(T.string, [text('▁ a')])],
  ['tokenizer.ggml.bos_token_id', T.u32, u32(1)],
  ['tokenizer.ggml.eos_token_id', T.u32, u32(2)],
  ['tokenizer.ggml.eot_token_id', T.u32, u32(3)],
  ['tokenizer.ggml.unknown_token_id', T.u32, u32(0)],
  ['tokenizer.ggml.padding_token_id', T.u32, u32(2)],
  ['tokenizer.ggml.add_bos_token', T.bool, Buffer.of(1)],
  ['tokenizer.ggml.add_eos_token', T.bool, Buffer.of(0)],
  ['tokenizer.ggml.add_space_prefix', T.bool, Buffer.of(0)],
  ['tokenizer.chat_template', T.string, text('{{ messages }}')],
];

async function withEntries<R>(entries: readonly GgufEntry[], use: (path: string) => Promise<R>): Promise<R> {
  await using folder = await TemporaryFolder.make();
  return await use(await folder.write('model.gguf', ggufOf({ metadata: entries })));
}

/** ENTRIES with one replaced, or left out. */
const replaced = (key: string, ...entry: readonly GgufEntry[]): GgufEntry[] => [
  ...ENTRIES.filter(([name]) => name !== key),
  ...entry,
];

describe('readGgufTokenizer', () => {
  it('gives everything that the file says', async () => {
    expect(await withEntries(ENTRIES, (path) => readGgufTokenizer(path))).toEqual({
      model: 'llama',
      pre: 'default',
      tokens: words,
      scores: Float32Array.of(0, 0, 0, -1.5),
      tokenTypes: Int32Array.of(2, 3, 3, 1),
      merges: ['▁ a'],
      bosTokenId: 1,
      eosTokenId: 2,
      eotTokenId: 3,
      unknownTokenId: 0,
      paddingTokenId: 2,
      addBosToken: true,
      addEosToken: false,
      addSpacePrefix: false,
      chatTemplate: '{{ messages }}',
    });
  });

  it('leaves out what the file does not say', async () => {
    const least = ENTRIES.filter(([key]) => key === 'tokenizer.ggml.model' || key === 'tokenizer.ggml.tokens');
    const found = await withEntries(least, (path) => readGgufTokenizer(path));
    expect(Object.keys(found)).toEqual(['model', 'pre', 'tokens']);
  });

  it.each<[what: string, entries: GgufEntry[], message: RegExp]>([
    ['no model', replaced('tokenizer.ggml.model'), /tokenizer.ggml.model must be a string, found nothing/],
    ['no tokens', replaced('tokenizer.ggml.tokens'), /tokenizer.ggml.tokens must be a list/],
    [
      'tokens that are numbers',
      replaced('tokenizer.ggml.tokens', ['tokenizer.ggml.tokens', T.array, array(T.i32, [u32(1)])]),
      /tokenizer.ggml.tokens must be a list of strings, found a list of 1 \(Int32Array\)/,
    ],
    [
      'fewer scores than tokens',
      replaced('tokenizer.ggml.scores', ['tokenizer.ggml.scores', T.array, array(T.f32, [f32(0)])]),
      /scores must be a list of 4 float32, found a list of 1/,
    ],
    [
      'a token id outside the vocabulary',
      replaced('tokenizer.ggml.bos_token_id', ['tokenizer.ggml.bos_token_id', T.u32, u32(4)]),
      /bos_token_id must be a token id from 0 to 3, found 4/,
    ],
    [
      'a flag that is text',
      replaced('tokenizer.ggml.add_bos_token', ['tokenizer.ggml.add_bos_token', T.string, text('yes')]),
      /add_bos_token must be a boolean, found "yes"/,
    ],
  ])('refuses %s', async (_what, entries, message) => {
    await expect(withEntries(entries, (path) => readGgufTokenizer(path))).rejects.toMatchObject({
      code: 'TOKENIZER_MALFORMED',
      message: expect.stringMatching(message) as string,
    });
  });

  const shared = process.env['AIPC_SHARED_DATA'] ?? join(import.meta.dirname, '../../../../shared/data');
  const phi3 = join(shared, 'ggml-vocab-phi-3.gguf');
  it.skipIf(!existsSync(phi3))(`reads the vocabulary of Phi-3 (skipped where ${phi3} is not there)`, async () => {
    const found = await readGgufTokenizer(phi3);
    expect(found.tokens).toHaveLength(32_064);
    expect([found.tokens[1], found.tokens[32_007], found.tokens[13]]).toEqual(['<s>', '<|end|>', '<0x0A>']);
    expect([found.scores?.length, found.scores?.[300], found.tokenTypes?.[13]]).toEqual([32_064, -41, 6]);
    expect(found).toMatchObject({
      model: 'llama',
      pre: 'default',
      bosTokenId: 1,
      eosTokenId: 32_000,
      addBosToken: true,
    });
    expect(found.chatTemplate).toContain('<|assistant|>');
  });
});
