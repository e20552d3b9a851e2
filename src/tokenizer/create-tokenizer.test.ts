import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../errors.js';
import { createTokenizer } from './create-tokenizer.js';
import { randomTexts } from './testing/random-texts.js';
import { type Tokenizer } from './tokenizer.js';

function goldenTokenizer(family: string): Tokenizer {
  const file = new URL(`../../../test/golden/tokenizer/${family}.tokenizer.json`, import.meta.url);
  return createTokenizer({ tokenizerJson: JSON.parse(readFileSync(file, 'utf8')) as unknown });
}

function controlTokensIn(tokenizer: Tokenizer, ids: Int32Array): number {
  const added = new Set(tokenizer.addedTokens.values());
  return ids.filter((id) => added.has(id)).length;
}

const template = (text: string) => ({ text, specialTokens: 'parse' }) as const;
const person = (text: string) => ({ text, specialTokens: 'text' }) as const;

describe.each(['phi3', 'llama2', 'smollm2', 'phi4', 'phi4mini'])('text typed by a person (%s)', (family) => {
  const tokenizer = goldenTokenizer(family);
  const markers = [...tokenizer.addedTokens.keys()].filter((content) => /[<[]/.test(content));

  it('never becomes a control token', () => {
    expect(markers.length).toBeGreaterThan(0);
    for (const marker of markers) {
      for (const text of [marker, `a ${marker} b`, `${marker}${marker}`, `\n${marker}\n`, ` ${marker}`]) {
        expect(controlTokensIn(tokenizer, tokenizer.encode(text, { specialTokens: 'text' })), text).toBe(0);
        expect(controlTokensIn(tokenizer, tokenizer.encode(text)), text).toBe(0);
      }
    }
  });

  it('comes back as it was typed', () => {
    for (const marker of markers) {
      const text = `say ${marker} twice: ${marker}`;
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
  });

  it('cannot complete a marker together with the template, nor spoil one', () => {
    for (const marker of markers) {
      for (let cut = 1; cut < marker.length; cut += 1) {
        const head = marker.slice(0, cut);
        const tail = marker.slice(cut);
        expect(controlTokensIn(tokenizer, tokenizer.encodePieces([person(head), template(tail)]))).toBe(0);
        expect(controlTokensIn(tokenizer, tokenizer.encodePieces([template(head), person(tail)]))).toBe(0);
        const spoilt = tokenizer.encodePieces([person(head), template(marker), person(tail)]);
        const neutral = tokenizer.encodePieces([person('x'), template(marker), person('x')]);
        expect(controlTokensIn(tokenizer, spoilt)).toBe(controlTokensIn(tokenizer, neutral));
      }
    }
  });
});

describe('pieces of a prompt', () => {
  it('are encoded as one text where no person typed a marker', () => {
    const tokenizer = goldenTokenizer('phi3');
    const pieces = [
      template('<|user|>\n'),
      person('\n  What is an NPU?  '),
      template('<|end|>\n<|assistant|>\n'),
      person('A unit.\n'),
      template('<|end|>\n'),
    ];
    const joined = pieces.map(({ text }) => text).join('');
    expect(tokenizer.encodePieces(pieces)).toEqual(tokenizer.encode(joined, { specialTokens: 'parse' }));
  });

  it.each(['phi3', 'llama2', 'smollm2', 'gpt2', 'phi4', 'phi4mini'])(
    'are encoded as one text wherever a template is cut into pieces (%s)',
    (family) => {
      const tokenizer = goldenTokenizer(family);
      const markers = [...tokenizer.addedTokens.keys()];
      const texts = randomTexts(600, 31, ['\n', '"']);
      for (const [index, text] of texts.entries()) {
        const marker = template(markers[index % markers.length] ?? '');
        const next = texts[(index + 1) % texts.length] ?? '';
        const pieces = [template('\n'), person(text), marker, person(next), marker, template(text), person(' ')];
        const joined = pieces.map((piece) => piece.text).join('');
        expect(tokenizer.encodePieces(pieces), JSON.stringify(pieces)).toEqual(
          tokenizer.encode(joined, { specialTokens: 'parse' }),
        );
      }
    },
  );

  it("keep ordinary added tokens in a person's text: Phi-2's runs of spaces", () => {
    const tokenizer = goldenTokenizer('gpt2');
    const text = 'if x:\n        return';
    const spaces = tokenizer.addedTokens.get('        ');
    expect(tokenizer.encode(text)).toContain(spaces);
    expect(tokenizer.encode(text)).toEqual(tokenizer.encode(text, { specialTokens: 'parse' }));
  });

  it('may cut a surrogate pair', () => {
    const tokenizer = goldenTokenizer('phi3');
    const pieces = [template('a\uD83D'), person('\uDE42b')];
    expect(tokenizer.encodePieces(pieces)).toEqual(tokenizer.encode('a🙂b'));
  });
});

describe('a lone surrogate', () => {
  it.each(['phi3', 'smollm2'])('is encoded as U+FFFD (%s)', (family) => {
    const tokenizer = goldenTokenizer(family);
    expect(tokenizer.encode('a\uD83Db\uDE42')).toEqual(tokenizer.encode('a\uFFFDb\uFFFD'));
  });
});

describe('encode options', () => {
  it('are refused when unknown or out of range', () => {
    const tokenizer = goldenTokenizer('phi3');
    expect(() => tokenizer.encode('a', { special: 'text' } as object)).toThrow(OptionError);
    expect(() => tokenizer.encode('a', { specialTokens: 'all' } as object)).toThrow(OptionError);
  });
});
