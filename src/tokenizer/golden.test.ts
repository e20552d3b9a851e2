/**
 * Ids and texts equal those of Hugging Face's `tokenizers` library (Rust), recorded by
 * test/golden/tokenizer/make_golden.py for small tokenizers in the shape of each family's.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createTokenizer } from './create-tokenizer.js';

interface Golden {
  readonly encode: readonly (readonly [text: string, ids: readonly number[]])[];
  readonly decode: readonly (readonly [ids: readonly number[], skipped: string, shown: string])[];
}

function readGolden(name: string): unknown {
  return JSON.parse(
    readFileSync(new URL(`../../../test/golden/tokenizer/${name}.json`, import.meta.url), 'utf8'),
  ) as unknown;
}

describe.each(['phi3', 'llama2', 'smollm2', 'gpt2', 'phi4', 'phi4mini'])('a tokenizer like %s', (family) => {
  const tokenizer = createTokenizer({ tokenizerJson: readGolden(`${family}.tokenizer`) });
  const golden = readGolden(`${family}.golden`) as Golden;

  it('encodes as Hugging Face does', () => {
    const wrong = golden.encode
      .map(([text, expected]) => ({
        text,
        expected,
        found: Array.from(tokenizer.encode(text, { specialTokens: 'parse' })),
      }))
      .filter(({ expected, found }) => found.join() !== expected.join());
    expect(golden.encode.length).toBeGreaterThan(400);
    expect(wrong).toEqual([]);
  });

  it('decodes as Hugging Face does, at once and token by token', () => {
    for (const [ids, skipped, shown] of golden.decode) {
      for (const [skipSpecialTokens, expected] of [
        [true, skipped],
        [false, shown],
      ] as const) {
        expect(tokenizer.decode(ids, { skipSpecialTokens })).toBe(expected);
        const decoder = tokenizer.createDecoder({ skipSpecialTokens });
        const pieces = [...ids.map((id) => decoder.push(id)), decoder.flush()];
        expect(pieces.join('')).toBe(expected);
      }
    }
  });

  it('gives the same ids for a text cut anywhere into template pieces', () => {
    for (const [text, expected] of golden.encode) {
      const middle = Math.floor(text.length / 2);
      const pieces = [text.slice(0, middle), '', text.slice(middle)].map(
        (piece) => ({ text: piece, specialTokens: 'parse' }) as const,
      );
      expect(Array.from(tokenizer.encodePieces(pieces))).toEqual(expected);
    }
  });
});
