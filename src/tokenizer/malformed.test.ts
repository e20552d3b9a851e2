/** tokenizer.json files that are broken, hostile or of a kind that is not supported. */
import { describe, expect, it } from 'vitest';
import { AipcError } from '../errors.js';
import { createTokenizer } from './create-tokenizer.js';

const vocab = { a: 0, b: 1, ab: 2, '<unk>': 3 };
const sound = {
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  model: { type: 'BPE', vocab, merges: ['a b'] },
};

function refusal(tokenizerJson: unknown): AipcError {
  try {
    createTokenizer({ tokenizerJson });
  } catch (error) {
    if (error instanceof AipcError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const added = (id: unknown, content: unknown, more: object = {}) => ({
  ...sound,
  added_tokens: [{ id, content, special: true, normalized: false, ...more }],
});
const model = (fields: object) => ({ ...sound, model: { ...sound.model, ...fields } });

describe('a sound file', () => {
  it('is taken', () => {
    expect([...createTokenizer({ tokenizerJson: sound }).encode('abab')]).toEqual([2, 2]);
    expect([...createTokenizer({ tokenizerJson: model({ merges: [['a', 'b']] }) }).encode('ab')]).toEqual([2]);
  });
});

describe('a malformed file is refused with the place', () => {
  it.each([
    ['no object', null, 'tokenizer.json: expected an object'],
    ['no model', { ...sound, model: undefined }, 'tokenizer.json.model: expected an object, found nothing'],
    ['no vocabulary', model({ vocab: undefined }), 'tokenizer.json.model.vocab: expected an object'],
    ['an id that is none', model({ vocab: { a: 'x' } }), 'tokenizer.json.model.vocab["a"]: expected an integer'],
    ['a negative id', model({ vocab: { a: -1 } }), 'expected an integer'],
    ['an id beyond all limits', model({ vocab: { a: 2 ** 31 } }), 'expected an integer'],
    ['one id for two tokens', model({ vocab: { a: 0, b: 0 }, merges: [] }), 'two tokens with id 0'],
    ['a token too long', model({ vocab: { [`a${'b'.repeat(1024)}`]: 0 } }), 'a token of 1025 characters'],
    ['merges that are none', model({ merges: 'a b' }), 'tokenizer.json.model.merges: expected an array'],
    ['a merge of three', model({ merges: ['a b', 'a a b'] }), 'tokenizer.json.model.merges[1]: expected a pair'],
    ['a merge of numbers', model({ merges: [[1, 2]] }), 'tokenizer.json.model.merges[0]: expected a pair'],
    ['a merge of unknown tokens', model({ merges: ['a c'] }), 'token "c" is not in the vocabulary'],
    ['a merge into no token', model({ merges: ['b a'] }), 'token "ba" is not in the vocabulary'],
    ['an unknown token that is none', model({ unk_token: 'x' }), 'model.unk_token: the token is not in'],
    ['an added token without id', added(undefined, '<x>'), 'added_tokens[0].id: expected an integer'],
    ['an added token without content', added(4, undefined), 'added_tokens[0].content: expected a string'],
    ['an added token too long', added(4, 'x'.repeat(257)), 'more than the limit of 256'],
    ['an added token with another id', added(4, 'ab'), '"ab" has id 4, but the vocabulary gives it 2'],
    ['an added token on a taken id', added(2, '<x>'), '"<x>" has id 2, but that is "ab"'],
    ['half a surrogate pair', added(4, '\uD83D'), 'half a surrogate pair'],
    ['a flag that is none', added(4, '<x>', { rstrip: 1 }), 'added_tokens[0].rstrip: expected true or false'],
    [
      'a normalizer within a normalizer',
      { ...sound, normalizer: { type: 'Sequence', normalizers: [{ type: 'Sequence', normalizers: [] }] } },
      'a Sequence inside a Sequence',
    ],
    [
      'a post-processor within itself',
      { ...sound, post_processor: { type: 'Sequence', processors: [{ type: 'Sequence', processors: [] }] } },
      'a Sequence inside a Sequence',
    ],
    [
      'too many normalizers',
      { ...sound, normalizer: { type: 'Sequence', normalizers: Array.from({ length: 17 }, () => ({ type: 'NFC' })) } },
      '17 elements, more than the limit of 16',
    ],
    [
      'an empty pattern',
      { ...sound, normalizer: { type: 'Replace', pattern: { String: '' }, content: 'a' } },
      'an empty pattern',
    ],
  ])('%s', (_case, tokenizerJson, message) => {
    const error = refusal(tokenizerJson);
    expect(error.code).toBe('TOKENIZER_MALFORMED');
    expect(error.message).toContain(message);
  });
});

describe('what is not supported is refused by name', () => {
  const split = { type: 'Split', behavior: 'Isolated', invert: false };
  it.each([
    ['another model', model({ type: 'Unigram' }), "model 'Unigram'"],
    ['dropout', model({ dropout: 0.1 }), 'dropout'],
    ['a subword prefix', model({ continuing_subword_prefix: '##' }), 'continuing_subword_prefix'],
    ['a word suffix', model({ end_of_word_suffix: '</w>' }), 'end_of_word_suffix'],
    ['a normalizer', { ...sound, normalizer: { type: 'Lowercase' } }, "normalizer 'Lowercase'"],
    [
      'a normalizer with a regular expression',
      { ...sound, normalizer: { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: '' } },
      'a regular expression',
    ],
    ['a pre-tokenizer', { ...sound, pre_tokenizer: { type: 'BertPreTokenizer' } }, "'BertPreTokenizer'"],
    [
      'an exponential regular expression',
      { ...sound, pre_tokenizer: { ...split, pattern: { Regex: '(a|aa)+$' } } },
      'this regular expression',
    ],
    ['a decoder', { ...sound, decoder: { type: 'WordPiece' } }, "decoder 'WordPiece'"],
    ['a post-processor', { ...sound, post_processor: { type: 'Strange' } }, "post-processor 'Strange'"],
    [
      'control tokens in Unicode-normalised text',
      { ...added(4, '<x>', { normalized: true }), normalizer: { type: 'NFKC' } },
      'control token "<x>"',
    ],
  ])('%s', (_case, tokenizerJson, message) => {
    const error = refusal(tokenizerJson);
    expect(error.code).toBe('TOKENIZER_UNSUPPORTED');
    expect(error.message).toContain(message);
  });
});

describe('a hostile file', () => {
  it('cannot make a text grow without bounds', () => {
    const grow = { type: 'Replace', pattern: { String: 'a' }, content: 'aaaaaaaa' };
    const tokenizer = createTokenizer({
      tokenizerJson: {
        ...sound,
        normalizer: { type: 'Sequence', normalizers: Array.from({ length: 16 }, () => grow) },
      },
    });
    expect(() => tokenizer.encode('a'.repeat(1000))).toThrow('more than 32 times as long');
  });

  it('cannot reach the prototype of an object', () => {
    const tokenizerJson: unknown = JSON.parse(
      '{"model":{"type":"BPE","vocab":{"__proto__":0,"constructor":1,"a":2},"merges":[]},"__proto__":{"decoder":{"type":"X"}}}',
    );
    const tokenizer = createTokenizer({ tokenizerJson });
    expect(tokenizer.vocabularySize).toBe(3);
    expect(tokenizer.decode([0, 1])).toBe('__proto__ constructor');
  });
});

describe('a decoder', () => {
  const replace = (length: number) => ({ type: 'Replace', pattern: { String: 'a' }, content: 'a'.repeat(length) });

  it('may lengthen tokens a little', () => {
    const decoder = { type: 'Sequence', decoders: [replace(4), replace(8)] };
    expect(createTokenizer({ tokenizerJson: { ...sound, decoder } }).decode([0])).toBe('a'.repeat(32));
  });

  it('is refused where its steps together make much of a token', () => {
    const decoder = { type: 'Sequence', decoders: [replace(4), replace(9)] };
    expect(refusal({ ...sound, decoder })).toMatchObject({ code: 'TOKENIZER_MALFORMED' });
  });
});
