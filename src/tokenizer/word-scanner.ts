/**
 * The regular expressions by which published tokenizers cut text into words, each as a function that finds the end of
 * the word at a position: in time linear in the text, whatever it is. Regular expressions themselves do not serve:
 * one out of a stranger's file can take exponential time, and V8 runs out of stack on long matches.
 *
 * They follow Oniguruma, which Hugging Face's library asks: `\s` is Unicode's White_Space, and `(?i:'s)` takes the
 * long s (U+017F), too. Every position of a text begins a word, so nothing lies between words.
 */
import { CharacterClass, classAt } from './character-class.js';

const { other, space, newline, whiteSpace, upper, lower, caseless, mark, number } = CharacterClass;
/** `\p{L}` */
const LETTER = upper | lower | caseless;
/** `\s` */
const WHITE_SPACE = space | newline | whiteSpace;
/** `[^\s\p{L}\p{N}]` */
const SYMBOL = other | mark;
/** `[^\r\n\p{L}\p{N}]`: what may lead a word */
const LEADING = SYMBOL | space | whiteSpace;
/** `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` */
const UPPER_LIKE = upper | caseless | mark;
/** `[\p{Ll}\p{Lm}\p{Lo}\p{M}]` */
const LOWER_LIKE = lower | caseless | mark;
const NOT_NUMBER = LETTER | WHITE_SPACE | SYMBOL;

/** Returns the end of the word at `start`; `end` is where the text ends. 0 <= start < result <= end <= text.length */
export type WordScanner = (text: string, start: number, end: number) => number;

/** Where the character at `at` ends. */
function after(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return unit >= 0xd800 && unit < 0xdc00 ? at + 2 : at + 1;
}

/** Where the run of characters of the classes in `set` ends. */
function runEnd(text: string, start: number, end: number, set: number): number {
  let at = start;
  while (at < end && (classAt(text, at) & set) !== 0) at = after(text, at);
  return at;
}

const CONTRACTIONS = ['s', 't', 're', 've', 'm', 'll', 'd'];

/** `'s|'t|'re|'ve|'m|'ll|'d` -> its end, or `start` where there is none. */
function contractionEnd(text: string, start: number, end: number, ignoreCase: boolean): number {
  if (text.charCodeAt(start) !== 0x27) return start;
  let following = text.slice(start + 1, Math.min(start + 3, end));
  if (ignoreCase) following = following.toLowerCase().replace('\u017F', 's');
  const found = CONTRACTIONS.find((contraction) => following.startsWith(contraction));
  return found === undefined ? start : start + 1 + found.length;
}

/** `\s+(?!\S)|\s+`: all white space, but the last of several before a word is left to the word. */
function whiteSpaceEnd(text: string, start: number, end: number): number {
  const run = runEnd(text, start, end, WHITE_SPACE);
  return run === end || run === start + 1 ? run : run - 1;
}

/** `\s*[\r\n]+|\s+(?!\S)|\s+` */
function whiteSpaceOrLinesEnd(text: string, start: number, end: number): number {
  const run = runEnd(text, start, end, WHITE_SPACE);
  for (let at = run; at > start; at -= 1) if (classAt(text, at - 1) === newline) return at;
  return run === end || run === start + 1 ? run : run - 1;
}

/** `\p{N}{1,limit}` */
function numberEnd(text: string, start: number, end: number, limit: number): number {
  let at = start;
  for (let count = 0; count < limit && at < end && classAt(text, at) === number; count += 1) at = after(text, at);
  return at;
}

/** `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` */
export const scanGpt2: WordScanner = (text, start, end) => {
  const contraction = contractionEnd(text, start, end, false);
  if (contraction > start) return contraction;
  const isSpace = text.charCodeAt(start) === 0x20;
  const first = isSpace && start + 1 < end ? start + 1 : start;
  const found = classAt(text, first);
  if ((found & LETTER) !== 0) return runEnd(text, first, end, LETTER);
  if (found === number) return runEnd(text, first, end, number);
  if ((found & SYMBOL) !== 0) return runEnd(text, first, end, SYMBOL);
  return whiteSpaceEnd(text, start, end);
};

/** ` ?[^\s\p{L}\p{N}]+` and newlines after it (o200k: slashes, too) -> its end, or `start` where there is none. */
function symbolsEnd(text: string, start: number, end: number, takesSlash: boolean): number {
  const first = text.charCodeAt(start) === 0x20 ? start + 1 : start;
  let at = runEnd(text, first, end, SYMBOL);
  if (at === first) return start;
  while (at < end) {
    const unit = text.charCodeAt(at);
    if (unit !== 0x0a && unit !== 0x0d && !(takesSlash && unit === 0x2f)) break;
    at += 1;
  }
  return at;
}

/**
 * `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,numberLimit}| ?[^\s\p{L}\p{N}]+[\r\n]*|
 * \s*[\r\n]+|\s+(?!\S)|\s+`
 */
function scanCl100k(numberLimit: number): WordScanner {
  return (text, start, end) => {
    const contraction = contractionEnd(text, start, end, true);
    if (contraction > start) return contraction;
    const found = classAt(text, start);
    const first = (found & LEADING) !== 0 ? after(text, start) : start;
    const word = runEnd(text, first, end, LETTER);
    if (word > first) return word;
    if (found === number) return numberEnd(text, start, end, numberLimit);
    const symbols = symbolsEnd(text, start, end, false);
    return symbols > start ? symbols : whiteSpaceOrLinesEnd(text, start, end);
  };
}

/** `[upper-like]*[lower-like]+` -> its end, or `start` where there is none. */
function mixedCaseEnd(text: string, start: number, end: number): number {
  let at = start;
  /** End of the last character so far that is lower-like: the match ends there if no lower-like one follows. */
  let lastLower = start;
  while (at < end) {
    const found = classAt(text, at);
    if ((found & UPPER_LIKE) === 0) break;
    at = after(text, at);
    if ((found & LOWER_LIKE) !== 0) lastLower = at;
  }
  const run = runEnd(text, at, end, LOWER_LIKE);
  return run > at ? run : lastLower;
}

/** `[upper-like]+[lower-like]*` -> its end, or `start` where there is none. */
function upperCaseEnd(text: string, start: number, end: number): number {
  const middle = runEnd(text, start, end, UPPER_LIKE);
  return middle === start ? start : runEnd(text, middle, end, LOWER_LIKE);
}

/**
 * `[^\r\n\p{L}\p{N}]?[upper-like]*[lower-like]+(?i:'s|...)?|[^\r\n\p{L}\p{N}]?[upper-like]+[lower-like]*(?i:'s|...)?|
 * \p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
 */
const scanO200k: WordScanner = (text, start, end) => {
  const found = classAt(text, start);
  const second = (found & LEADING) !== 0 ? after(text, start) : start;
  for (const wordEnd of [mixedCaseEnd, upperCaseEnd]) {
    // With the leading character first, then without it.
    for (const first of second === start ? [start] : [second, start]) {
      const word = wordEnd(text, first, end);
      if (word > first) return contractionEnd(text, word, end, true);
    }
  }
  if (found === number) return numberEnd(text, start, end, 3);
  const symbols = symbolsEnd(text, start, end, true);
  return symbols > start ? symbols : whiteSpaceOrLinesEnd(text, start, end);
};

/** `\p{N}` or what lies between two of them. */
export const scanSingleDigits: WordScanner = (text, start, end) =>
  classAt(text, start) === number ? after(text, start) : runEnd(text, start, end, NOT_NUMBER);

/** `\p{N}+` or what lies between two of them. */
export const scanDigitRuns: WordScanner = (text, start, end) =>
  runEnd(text, start, end, classAt(text, start) === number ? number : NOT_NUMBER);

const CONTRACTION_EXPRESSION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const REST_EXPRESSION = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

const cl100kExpression = (number: string): string =>
  `${CONTRACTION_EXPRESSION}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${number}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${REST_EXPRESSION}`;

/** As tokenizer.json files write it: Llama 3, Phi-4. */
export const CL100K_EXPRESSION = cl100kExpression('\\p{N}{1,3}');

/** As tokenizer.json files write it: Qwen 2. */
export const QWEN2_EXPRESSION = cl100kExpression('\\p{N}');

const UPPER_EXPRESSION = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER_EXPRESSION = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';

/** As tokenizer.json files write it: Phi-4-mini. */
export const O200K_EXPRESSION =
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER_EXPRESSION}*${LOWER_EXPRESSION}+${CONTRACTION_EXPRESSION}?|` +
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER_EXPRESSION}+${LOWER_EXPRESSION}*${CONTRACTION_EXPRESSION}?|` +
  `\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${REST_EXPRESSION}`;

/** The expressions as tokenizer.json files write them, character by character. */
export const SCANNER_OF_EXPRESSION: ReadonlyMap<string, WordScanner> = new Map([
  ["'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", scanGpt2],
  [CL100K_EXPRESSION, scanCl100k(3)],
  [QWEN2_EXPRESSION, scanCl100k(1)],
  [O200K_EXPRESSION, scanO200k],
]);
