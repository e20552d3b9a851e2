import { describe, expect, it } from 'vitest';
import {
  CL100K_EXPRESSION,
  O200K_EXPRESSION,
  scanDigitRuns,
  scanGpt2,
  SCANNER_OF_EXPRESSION,
  scanSingleDigits,
  type WordScanner,
} from './word-scanner.js';
import { randomTexts, wellFormed } from './testing/random-texts.js';

/** The same expressions in JavaScript's dialect: Oniguruma's `\s` is White_Space, and Node 20 lacks `(?i:...)`. */
function translate(expression: string): RegExp {
  const source = expression
    .replaceAll("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'(?:[sS\\u017F]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])")
    .replaceAll('\\s', '\\p{White_Space}')
    .replaceAll('\\S', '\\P{White_Space}')
    // A quantifier after the first replacement is meant for all of it.
    .replace(/('\(\?:[^)]*\))\?/g, '(?:$1)?');
  return new RegExp(source, 'uy');
}

function wordsByExpression(expression: RegExp, text: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < text.length; at = expression.lastIndex) {
    expression.lastIndex = at;
    const match = expression.exec(text);
    if (match === null) throw new Error(`no word at ${at} of ${JSON.stringify(text)}`);
    words.push(match[0]);
  }
  return words;
}

function wordsByScanner(scan: WordScanner, text: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < text.length;) {
    const end = scan(text, at, text.length);
    if (end <= at) throw new Error(`an empty word at ${at} of ${JSON.stringify(text)}`);
    words.push(text.slice(at, end));
    at = end;
  }
  return words;
}

const scanners = [
  ...[...SCANNER_OF_EXPRESSION].map(([expression, scan]) => ({ expression, scan })),
  { expression: '\\p{N}|\\P{N}+', scan: scanSingleDigits },
  { expression: '\\p{N}+|\\P{N}+', scan: scanDigitRuns },
];

describe.each(scanners)('the scanner of $expression', ({ expression, scan }) => {
  it('cuts where the regular expression does', () => {
    const translated = translate(expression);
    for (const text of randomTexts(3000, 11).map(wellFormed)) {
      expect(wordsByScanner(scan, text)).toEqual(wordsByExpression(translated, text));
    }
  });

  it('looks no further than the end it is given', () => {
    for (const text of randomTexts(300, 12).map(wellFormed)) {
      const characters = Array.from(text);
      const end = characters.slice(0, characters.length / 2).join('').length;
      const words: string[] = [];
      for (let at = 0; at < end;) {
        const wordEnd = scan(text, at, end);
        words.push(text.slice(at, wordEnd));
        at = wordEnd;
      }
      expect(words).toEqual(wordsByScanner(scan, text.slice(0, end)));
    }
  });

  it('reads long runs in linear time and without a deep stack', () => {
    for (const unit of ['a', 'A', '我', '🙂', '7', ' ', '\n', '\u0301', 'aA', 'ª', 'ªA']) {
      const text = unit.repeat(300_000);
      expect(wordsByScanner(scan, text).join('').length).toBe(text.length);
    }
  });
});

describe('the expressions', () => {
  it('are written as in the published tokenizer.json files', () => {
    expect(CL100K_EXPRESSION).toBe(
      String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    );
    expect(O200K_EXPRESSION).toBe(
      String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    );
    expect([...SCANNER_OF_EXPRESSION.values()]).toContain(scanGpt2);
  });
});
