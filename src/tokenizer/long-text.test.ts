/** Texts of any length and shape: time in proportion, no deep stack, the same ids. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { createTokenizer } from './create-tokenizer.js';
import { PART_UNITS } from './text-parts.js';
import { randomTexts, wellFormed } from './testing/random-texts.js';

const { Tokenizer: Reference } = createRequire(import.meta.url)('@huggingface/tokenizers') as {
  Tokenizer: new (
    tokenizerJson: object,
    tokenizerConfig: object,
  ) => { encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] } };
};

function readTokenizerJson(family: string): object {
  const file = new URL(`../../../test/golden/tokenizer/${family}.tokenizer.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as object;
}

function cpuMs(work: () => void): number {
  const start = process.cpuUsage();
  work();
  return process.cpuUsage(start).user / 1000;
}

describe.each(['phi3', 'smollm2'])('long texts (%s)', (family) => {
  const tokenizerJson = readTokenizerJson(family);
  const letters = randomTexts(400, 5)
    .join('')
    .replace(/[^a-zA-ZäöüßА-я我-龥.,=]/gu, '');

  it('without spaces give the same ids as with @huggingface/tokenizers', () => {
    const texts = [
      letters.slice(0, 8000),
      'a'.repeat(5001),
      ' '.repeat(5000),
      '====----'.repeat(500),
      '🙂'.repeat(999),
      // Longer than the parts that a text is worked on in, one of which would end within a surrogate pair.
      `a${'🙂'.repeat(PART_UNITS / 2)}b`,
      '我们在电脑上'.repeat(PART_UNITS / 5),
      `${'x'.repeat(PART_UNITS + 3)} y`,
      randomTexts(1200, 6, ['x'])
        .join(' ')
        .replace(/[\u0085\uFEFF]|(?![0-9])\p{N}/gu, 'n'),
    ];
    expect(texts.at(-1)?.length).toBeGreaterThan(PART_UNITS);
    const tokenizer = createTokenizer({ tokenizerJson });
    const reference = new Reference(tokenizerJson, {});
    for (const text of texts) {
      expect([...tokenizer.encode(text)]).toEqual(
        reference.encode(wellFormed(text), { add_special_tokens: false }).ids,
      );
    }
  });

  it.each([
    ['prose', 'The quick brown fox, they say, is 42 years old.\n'],
    ['no spaces', letters],
    ['one letter', 'a'],
    ['spaces', ' '],
    ['emoji', '👩‍👧🙂'],
    ['Chinese', '我们在电脑上运行模型。'],
  ])('take time in proportion to their length: %s', (_shape, unit) => {
    const tokenizer = createTokenizer({ tokenizerJson });
    const short = unit.repeat(Math.ceil(100_000 / unit.length));
    const long = unit.repeat(Math.ceil(1_600_000 / unit.length));
    tokenizer.encode(short);
    const shortMs = Math.min(...Array.from({ length: 3 }, () => cpuMs(() => tokenizer.encode(short))));
    const longMs = cpuMs(() => tokenizer.encode(long));
    // 16 times the text; quadratic time would be 256 times as much, and a busy machine is no reason to fail.
    expect(longMs).toBeLessThan(64 * Math.max(shortMs, 5));
  });
});
