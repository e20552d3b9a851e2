/**
 * Finds stop strings in streamed text and holds back what may become one.
 * It works on text, however it was cut into pieces; it knows neither tokens nor end-of-turn ids.
 */
import { OptionError } from '../errors.js';

/** Hosted APIs allow 4 to 16; each costs a comparison for every character of the output. */
export const MAX_STOP_STRINGS = 64;
/** In UTF-16 units, as String.length. That much output may be held back: more would no longer be streaming. */
export const MAX_STOP_STRING_LENGTH = 1024;

/** Throws OPTION_INVALID unless the stop strings are non-empty, well-formed and within the limits. */
export function checkStopStrings(where: string, stopStrings: readonly string[]): void {
  const refuse = (found: string, details: Record<string, unknown>) => {
    const advice = `${where}: stopStrings must be at most ${MAX_STOP_STRINGS} non-empty strings of at most ${MAX_STOP_STRING_LENGTH} UTF-16 units without lone surrogates`;
    throw new OptionError('OPTION_INVALID', `${advice}; found ${found}.`, {
      details: { option: 'stopStrings', ...details },
    });
  };
  if (stopStrings.length > MAX_STOP_STRINGS) refuse(`${stopStrings.length} strings`, { count: stopStrings.length });
  for (const [index, stop] of stopStrings.entries()) {
    if (typeof stop !== 'string') refuse(`a ${typeof stop} at index ${index}`, { index });
    if (stop.length === 0) refuse(`an empty string at index ${index}`, { index });
    if (stop.length > MAX_STOP_STRING_LENGTH) refuse(`${stop.length} units at index ${index}`, { index });
    if (/\p{Surrogate}/u.test(stop)) refuse(`a lone surrogate at index ${index}`, { index });
  }
}

/** Knuth, Morris and Pratt's search for one string, one UTF-16 unit at a time: amortised constant time for each. */
class Matcher {
  /** Length of the longest suffix of the text so far that is a prefix of `pattern`. */
  matched = 0;
  /** fallback[n]: length of the longest proper prefix of pattern[0, n) that is also its suffix. */
  private readonly fallback: Int32Array;

  constructor(readonly pattern: string) {
    this.fallback = new Int32Array(pattern.length + 1);
    for (let n = 1; n < pattern.length; n++) {
      this.fallback[n + 1] = this.extend(this.fallback[n] ?? 0, pattern.charCodeAt(n));
    }
  }

  /** True when the pattern ends with this unit. */
  advance(unit: number): boolean {
    this.matched = this.extend(this.matched, unit);
    return this.matched === this.pattern.length;
  }

  private extend(length: number, unit: number): number {
    let n = length;
    while (n > 0 && this.pattern.charCodeAt(n) !== unit) n = this.fallback[n] ?? 0;
    return this.pattern.charCodeAt(n) === unit ? n + 1 : 0;
  }
}

export class StopStringFilter {
  private readonly matchers: readonly Matcher[];
  private held = '';
  private found: string | undefined;

  /** `stopStrings` were checked. */
  constructor(stopStrings: readonly string[]) {
    this.matchers = stopStrings.map((stop) => new Matcher(stop));
  }

  /** The stop string that ended the text: the one that is complete first, the longest where several are. */
  get stoppedBy(): string | undefined {
    return this.found;
  }

  /** The text that is certain not to be part of a stop string; after a stop string, always ''. */
  push(text: string): string {
    if (this.found !== undefined) return '';
    if (this.matchers.length === 0) return text;
    for (let end = 1; end <= text.length; end++) {
      this.found = this.advance(text.charCodeAt(end - 1));
      if (this.found !== undefined) {
        const seen = this.held + text.slice(0, end);
        this.held = '';
        return seen.slice(0, seen.length - this.found.length);
      }
    }
    const seen = this.held + text;
    const decided = seen.length - Math.max(...this.matchers.map(({ matched }) => matched));
    this.held = seen.slice(decided);
    return seen.slice(0, decided);
  }

  /** What is still held back, once no more text comes. */
  flush(): string {
    const rest = this.held;
    this.held = '';
    return rest;
  }

  private advance(unit: number): string | undefined {
    let found: string | undefined;
    for (const matcher of this.matchers) {
      if (matcher.advance(unit) && matcher.pattern.length > (found?.length ?? 0)) found = matcher.pattern;
    }
    return found;
  }
}
