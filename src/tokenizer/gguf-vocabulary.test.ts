import { describe, expect, it } from 'vitest';
import { ModelFormatError, UnsupportedError } from '../errors.js';
import { createTokenizer } from './create-tokenizer.js';
import { type GgufVocabulary, tokenizerJsonFromGguf } from './gguf-vocabulary.js';

const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

interface Entry {
  readonly token: string;
  readonly type: number;
  readonly score?: number;
}

const bytes: Entry[] = Array.from({ length: 256 }, (_, byte) => ({
  token: `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  type: BYTE,
}));

/** A vocabulary of the shape of Phi-3's: ids 0 to 2, bytes from 3, words from 259, control tokens, fillers. */
function sentencePiece(entries: readonly Entry[], more: Partial<GgufVocabulary> = {}): GgufVocabulary {
  const all: Entry[] = [
    { token: '<unk>', type: UNKNOWN },
    { token: '<s>', type: CONTROL },
    { token: '</s>', type: USER_DEFINED },
    ...bytes,
    ...entries,
  ];
  return {
    model: 'llama',
    tokens: all.map(({ token }) => token),
    tokenTypes: Int32Array.from(all, ({ type }) => type),
    scores: Float32Array.from(all, ({ score }) => score ?? 0),
    bosTokenId: 1,
    eosTokenId: 2,
    unknownTokenId: 0,
    ...more,
  };
}

const words: Entry[] = [
  { token: '\u2581a', type: NORMAL, score: -1 },
  { token: 'ab', type: NORMAL, score: -2 },
  { token: '\u2581ab', type: NORMAL, score: -3 },
  { token: '\u2581', type: NORMAL, score: -10 },
  { token: 'a', type: NORMAL, score: -11 },
  { token: 'b', type: NORMAL, score: -12 },
];
const phi3Markers: Entry[] = ['<|endoftext|>', '<|assistant|>', '<|end|>', '<|user|>'].map((token) => ({
  token,
  type: CONTROL,
}));

/** The byte-level alphabet of ASCII letters suffices for what is encoded here. */
function byteLevel(more: Partial<GgufVocabulary> = {}): GgufVocabulary {
  const tokens = ['<|endoftext|>', 'a', 'b', '\u0120', '1', '2', '12', 'ab', '\u0120ab'];
  return {
    model: 'gpt2',
    pre: 'smollm',
    tokens,
    tokenTypes: Int32Array.from(tokens, (_, id) => (id === 0 ? CONTROL : NORMAL)),
    merges: ['a b', '1 2', '\u0120 ab'],
    ...more,
  };
}

describe('a SentencePiece vocabulary of a GGUF file', () => {
  it('merges by score and falls back to bytes', () => {
    const tokenizer = createTokenizer(tokenizerJsonFromGguf(sentencePiece(words)));
    const id = (token: string): number => sentencePiece(words).tokens.indexOf(token);
    expect([...tokenizer.encode('ab b é')]).toEqual(['\u2581ab', '\u2581', 'b', '\u2581', '<0xC3>', '<0xA9>'].map(id));
    expect(tokenizer.decode(tokenizer.encode('ab b é'))).toBe('ab b é');
    expect(tokenizer.prependsBos).toBe(true);
  });

  it('has the space in front only if the file says so', () => {
    const files = tokenizerJsonFromGguf(sentencePiece(words, { addSpacePrefix: false, addBosToken: false }));
    const tokenizer = createTokenizer(files);
    expect(tokenizer.decode(tokenizer.encode('b'))).toBe('b');
    expect(tokenizer.encode('b').length).toBe(1);
    expect(tokenizer.prependsBos).toBe(false);
  });

  it('knows control tokens, and strips white space after those of Phi-3', () => {
    const vocabulary = sentencePiece([...words, ...phi3Markers]);
    const tokenizer = createTokenizer(tokenizerJsonFromGguf(vocabulary));
    const user = vocabulary.tokens.indexOf('<|user|>');
    const endOfText = vocabulary.tokens.indexOf('<|endoftext|>');
    expect(tokenizer.specialTokenIds.has(user)).toBe(true);
    expect(tokenizer.encode('<|user|>\n\nab', { specialTokens: 'parse' }).length).toBe(2);
    expect([...tokenizer.encode('<|endoftext|>\n', { specialTokens: 'parse' })]).toEqual([
      endOfText,
      vocabulary.tokens.indexOf('\u2581'),
      3 + 0x0a,
    ]);
  });

  it('leaves out tokens that only fill the vocabulary up', () => {
    const vocabulary = sentencePiece([...words, { token: '[PAD]', type: UNKNOWN }, { token: 'unused', type: 5 }]);
    const tokenizer = createTokenizer(tokenizerJsonFromGguf(vocabulary));
    expect(tokenizer.vocabularySize).toBe(vocabulary.tokens.length - 2);
    expect(tokenizer.decode([vocabulary.tokens.length - 1])).toBe('');
  });

  it('never merges text into a control token', () => {
    const halves: Entry[] = [
      { token: '<', type: NORMAL, score: -20 },
      { token: 's>', type: NORMAL, score: -21 },
      { token: 's', type: NORMAL, score: -22 },
      { token: '>', type: NORMAL, score: -23 },
    ];
    const tokenizer = createTokenizer(tokenizerJsonFromGguf(sentencePiece([...words, ...halves])));
    expect(tokenizer.encode('<s>')).not.toContain(1);
  });
});

describe('a byte-level vocabulary of a GGUF file', () => {
  it('cuts as its `pre` says: single digits for smollm, runs for gpt-2', () => {
    const smollm = createTokenizer(tokenizerJsonFromGguf(byteLevel()));
    const gpt2 = createTokenizer(tokenizerJsonFromGguf(byteLevel({ pre: 'gpt-2' })));
    expect([...smollm.encode('ab ab12')]).toEqual([7, 8, 4, 5]);
    expect([...gpt2.encode('ab ab12')]).toEqual([7, 8, 6]);
    expect(smollm.prependsBos).toBe(false);
  });

  it.each([
    ['gpt-2', 'ab12', [7, 6]],
    ['starcoder', 'ab12', [7, 4, 5]],
    ['dbrx', 'ab12', [7, 6]],
    ['gpt-4o', 'ab12', [7, 6]],
    ['llama-bpe', 'ab12', [7, 6]],
    ['qwen2', 'ab12', [7, 4, 5]],
  ])('is cut as %s says', (pre, text, expected) => {
    const files = tokenizerJsonFromGguf(byteLevel({ pre, bosTokenId: 0 }));
    const tokenizer = createTokenizer(files);
    expect([...tokenizer.encode(text)]).toEqual(expected);
    // As the published tokenizer.json of Llama 3 has it.
    expect(tokenizer.prependsBos).toBe(pre === 'llama-bpe');
    expect(files.tokenizerJson['model']).toMatchObject({ ignore_merges: pre === 'llama-bpe' });
  });

  it.each([
    ['Phi-4-mini', 'gpt-4o', ['<|user|>', '<|assistant|>', '<|end|>', '<|tool|>'], '<|end|>', false, true],
    ['Phi-4-mini', 'gpt-4o', ['<|user|>', '<|assistant|>', '<|end|>', '<|tool|>'], '<|tool|>', false, false],
    ['phi-4', 'dbrx', ['<|im_start|>', '<|im_sep|>', '<|im_end|>', '<|dummy_0|>'], '<|im_end|>', true, true],
    ['phi-4', 'dbrx', ['<|im_start|>', '<|im_sep|>', '<|im_end|>', '<|dummy_0|>'], '<|dummy_0|>', true, true],
    ['SmolLM2', 'smollm', ['<|im_start|>', '<|im_end|>', '<a>', '<b>'], '<|im_end|>', false, false],
  ])(
    'of %s strips white space as the published file does (%s): %s, %s',
    (_family, pre, control, token, lstrip, rstrip) => {
      const vocabulary = byteLevel();
      const tokens = [...vocabulary.tokens, ...control];
      const tokenTypes = Int32Array.from(tokens, (_, id) => (id >= vocabulary.tokens.length ? CONTROL : NORMAL));
      const { tokenizerJson } = tokenizerJsonFromGguf({ ...vocabulary, pre, tokens, tokenTypes });
      const special = token !== '<|tool|>';
      expect(tokenizerJson['added_tokens']).toContainEqual(
        expect.objectContaining({ content: token, lstrip, rstrip, special }),
      );
    },
  );

  it('carries chat template and the names of its tokens over', () => {
    const { tokenizerConfig } = tokenizerJsonFromGguf(
      byteLevel({ chatTemplate: '{{ x }}', eosTokenId: 0, paddingTokenId: 0 }),
    );
    expect(tokenizerConfig).toMatchObject({
      chat_template: '{{ x }}',
      eos_token: '<|endoftext|>',
      pad_token: '<|endoftext|>',
    });
  });
});

describe('a vocabulary that cannot be used', () => {
  it.each([
    ['an unknown model', byteLevel({ model: 'bert' }), "model 'bert'"],
    ['an unknown pre-tokenizer', byteLevel({ pre: 'jina-v2-de' }), "pre 'jina-v2-de'"],
  ])('is refused by name: %s', (_case, vocabulary, named) => {
    expect(() => tokenizerJsonFromGguf(vocabulary)).toThrow(UnsupportedError);
    expect(() => tokenizerJsonFromGguf(vocabulary)).toThrow(named);
  });

  it.each([
    ['no tokens', byteLevel({ tokens: [], tokenTypes: new Int32Array(0) }), '0 tokens'],
    ['a token twice', byteLevel({ tokens: ['a', 'a'], tokenTypes: new Int32Array(2) }), 'twice'],
    ['types of another length', byteLevel({ tokenTypes: new Int32Array(3) }), '3 entries in token_type for 9 tokens'],
    ['an end token outside', byteLevel({ eosTokenId: 9 }), 'eos_token_id is 9'],
    ['scores that are no numbers', sentencePiece([{ token: 'a', type: NORMAL, score: NaN }]), 'not a number'],
    ['a piece too long', sentencePiece([{ token: 'a'.repeat(129), type: NORMAL }]), '129 characters'],
  ])('is refused with the place: %s', (_case, vocabulary, named) => {
    expect(() => tokenizerJsonFromGguf(vocabulary)).toThrow(ModelFormatError);
    expect(() => tokenizerJsonFromGguf(vocabulary)).toThrow(named);
  });

  it('is refused without scores or merges', () => {
    const { scores: _scores, ...withoutScores } = sentencePiece(words);
    const { merges: _merges, ...withoutMerges } = byteLevel();
    expect(() => tokenizerJsonFromGguf(withoutScores)).toThrow('without scores');
    expect(() => tokenizerJsonFromGguf(withoutMerges)).toThrow('without merges');
  });
});
