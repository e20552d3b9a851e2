import { describe, expect, it } from 'vitest';
import { parseDecoder } from './decoder.js';
import { JsonReader } from './json-reader.js';

/** What each token brings out, and last what the end does. */
function stream(decoder: unknown, tokens: readonly string[]): string[] {
  const chain = parseDecoder(new JsonReader(decoder, 'decoder'))();
  return [...tokens.map((token) => chain.push(token)), chain.flush()];
}

const llama = {
  type: 'Sequence',
  decoders: [
    { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    { type: 'Strip', content: ' ', start: 1, stop: 0 },
  ],
};

describe('the decoder of Llama and Phi-3', () => {
  it('strips one space at the beginning of the text, and none later', () => {
    expect(stream(llama, ['\u2581', '\u2581a', '\u2581b'])).toEqual(['', ' a', ' b', '']);
  });

  it('holds bytes back until their run ends', () => {
    expect(stream(llama, ['x', '<0xF0>', '<0x9F>', '<0x99>', '<0x82>', 'y'])).toEqual(['x', '', '', '', '', '🙂y', '']);
    expect(stream(llama, ['<0xC3>', '<0xA9>'])).toEqual(['', '', 'é']);
  });

  it('makes one U+FFFD for each byte of a run that is not UTF-8, as Hugging Face does', () => {
    expect(stream(llama, ['<0xC3>', '<0xA9>', '<0xC3>', 'a'])).toEqual(['', '', '', '\uFFFD\uFFFD\uFFFDa', '']);
  });

  it('keeps a byte order mark', () => {
    expect(stream(llama, ['<0xEF>', '<0xBB>', '<0xBF>', 'a']).join('')).toBe('\uFEFFa');
  });
});

describe('the byte-level decoder', () => {
  const byteLevel = { type: 'ByteLevel' };

  it('never gives half a character', () => {
    expect(stream(byteLevel, ['\u0120a', 'ðŁ', 'ĻĤ', 'b'])).toEqual([' a', '', '🙂', 'b', '']);
  });

  it('gives a U+FFFD for a character that never ends', () => {
    expect(stream(byteLevel, ['a', 'ðŁ']).join('')).toBe('a\uFFFD');
    expect(stream(byteLevel, ['ðŁ', 'a']).join('')).toBe('\uFFFDa');
  });

  it('takes a token outside the alphabet as it is', () => {
    expect(stream(byteLevel, ['日本', ' x']).join('')).toBe('日本 x');
  });
});

describe('other decoders', () => {
  it('Metaspace drops the space that was added in front', () => {
    const metaspace = { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always' };
    expect(stream(metaspace, ['\u2581a', '\u2581b'])).toEqual(['a', ' b', '']);
    expect(stream({ ...metaspace, prepend_scheme: 'never' }, ['\u2581a'])).toEqual([' a', '']);
  });

  it('no decoder joins with spaces', () => {
    expect(stream(null, ['a', 'b'])).toEqual(['a', ' b', '']);
  });

  it('Strip before Fuse looks at each token', () => {
    const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 };
    expect(stream(strip, [' a', '  b'])).toEqual(['a', ' b', '']);
  });
});
