import { describe, expect, it } from 'vitest';
import { checkStopStrings, MAX_STOP_STRING_LENGTH, MAX_STOP_STRINGS, StopStringFilter } from './stop-strings.js';
import { cutAtFirstStop, seededRandom } from './testing/requests.js';

function filtered(stopStrings: readonly string[], pieces: readonly string[]): string[] {
  const filter = new StopStringFilter(stopStrings);
  return [...pieces.map((piece) => filter.push(piece)), filter.flush()];
}

describe('StopStringFilter', () => {
  it('passes everything on at once without stop strings', () => {
    expect(filtered([], ['one ', 'two'])).toEqual(['one ', 'two', '']);
  });

  it('holds back what may become a stop string, and releases it when it does not', () => {
    expect(filtered(['<end>'], ['a<', 'en', 'b', '<e'])).toEqual(['a', '', '<enb', '', '<e']);
  });

  it('finds a stop string that spans pieces and starts inside one', () => {
    expect(filtered(['<end>'], ['a<', 'e', 'nd>b', 'c'])).toEqual(['a', '', '', '', '']);
  });

  it('finds a stop string whose beginning repeats', () => {
    expect(filtered(['aab'], ['aa', 'a', 'a', 'b'])).toEqual(['', 'a', 'a', '', '']);
  });

  it('stops at the string that is complete first, the longest of those that end together', () => {
    expect(filtered(['abc', 'b'], ['abc']).join('')).toBe('a');
    expect(filtered(['b', 'ab'], ['xab']).join('')).toBe('x');
  });

  it('gives the text before the first stop string, however the text is cut into pieces', () => {
    const random = seededRandom(11);
    const word = (length: number) => Array.from({ length }, () => 'ab'[Math.floor(random() * 2)]).join('');
    for (let round = 0; round < 2000; round++) {
      const stops = Array.from({ length: 1 + Math.floor(random() * 3) }, () => word(1 + Math.floor(random() * 6)));
      const text = word(Math.floor(random() * 24));
      const pieces: string[] = [];
      for (let at = 0; at < text.length;) {
        const length = 1 + Math.floor(random() * 4);
        pieces.push(text.slice(at, at + length));
        at += length;
      }
      expect(filtered(stops, pieces).join(''), `${stops.join()} in ${pieces.join('|')}`).toBe(
        cutAtFirstStop(text, stops) ?? text,
      );
    }
  });

  it('takes time in proportion to the text, whatever it looks like', () => {
    const long = 'a'.repeat(MAX_STOP_STRING_LENGTH - 1);
    const stops = Array.from({ length: MAX_STOP_STRINGS }, (_, index) => long.slice(index) + 'b');
    const filter = new StopStringFilter(stops);
    const before = performance.now();
    let released = 0;
    for (let count = 0; count < 5000; count++) released += filter.push('a').length;
    expect(released).toBe(5000 - (MAX_STOP_STRING_LENGTH - 1));
    expect(performance.now() - before).toBeLessThan(5000); // comparing all suffixes would take minutes
  });
});

describe('checkStopStrings', () => {
  const refusal: unknown = expect.objectContaining({ code: 'OPTION_INVALID' });

  it('takes strings within the limits', () => {
    expect(() => checkStopStrings('test', ['a', '😀', 'x'.repeat(MAX_STOP_STRING_LENGTH)])).not.toThrow();
  });

  it.each([
    ['an empty string', ['a', '']],
    ['a string that is too long', ['x'.repeat(MAX_STOP_STRING_LENGTH + 1)]],
    ['too many strings', Array.from({ length: MAX_STOP_STRINGS + 1 }, () => 'a')],
    ['half a surrogate pair', ['\uD83D']],
    ['something that is no string', [7 as unknown as string]],
  ])('refuses %s', (_, stopStrings) => {
    expect(() => checkStopStrings('test', stopStrings)).toThrow(refusal);
  });
});
