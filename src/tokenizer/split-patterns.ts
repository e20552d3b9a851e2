/**
 * The regular expressions by which published tokenizers cut text into words, and JavaScript expressions that match the
 * same. Only these run: an expression out of a stranger's file could take exponential time.
 *
 * The originals are written for Oniguruma. Differences that the translations settle: `\s` is Unicode's White_Space
 * (JavaScript's `\s` has U+FEFF in addition and lacks U+0085); `(?i:...)` needs Node 23 and folds the long s (U+017F);
 * possessive quantifiers do not exist in JavaScript, and do not matter where what follows cannot match what they took.
 * Every translation matches at every position of a non-empty text (test: "cover any text").
 */

const SPACE = '\\p{White_Space}';
const NOT_SPACE = '\\P{White_Space}';
const CONTRACTION = "'(?:[sS\\u017F]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])";
const WORD_START = '[^\\r\\n\\p{L}\\p{N}]?';
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const SPACES = `${SPACE}+(?!${NOT_SPACE})|${SPACE}+`;

function compile(...alternatives: string[]): RegExp {
  return new RegExp(alternatives.join('|'), 'uy');
}

/** What ByteLevel with use_regex cuts by. */
export const GPT2_PATTERN = compile(
  "'s|'t|'re|'ve|'m|'ll|'d",
  ' ?\\p{L}+',
  ' ?\\p{N}+',
  ` ?[^${SPACE}\\p{L}\\p{N}]+`,
  SPACES,
);

/** The expression in tokenizer.json, character by character -> its translation (sticky). */
export const KNOWN_SPLIT_PATTERNS: ReadonlyMap<string, RegExp> = new Map([
  ["'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", GPT2_PATTERN],
  // cl100k: Llama 3, Phi-4
  [
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    compile(
      CONTRACTION,
      `${WORD_START}\\p{L}+`,
      '\\p{N}{1,3}',
      ` ?[^${SPACE}\\p{L}\\p{N}]+[\\r\\n]*`,
      `${SPACE}*[\\r\\n]+`,
      SPACES,
    ),
  ],
  // Qwen 2
  [
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    compile(
      CONTRACTION,
      `${WORD_START}\\p{L}+`,
      '\\p{N}',
      ` ?[^${SPACE}\\p{L}\\p{N}]+[\\r\\n]*`,
      `${SPACE}*[\\r\\n]+`,
      SPACES,
    ),
  ],
  // o200k: Phi-4-mini
  [
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    compile(
      `${WORD_START}${UPPER}*${LOWER}+(?:${CONTRACTION})?`,
      `${WORD_START}${UPPER}+${LOWER}*(?:${CONTRACTION})?`,
      '\\p{N}{1,3}',
      ` ?[^${SPACE}\\p{L}\\p{N}]+[\\r\\n/]*`,
      `${SPACE}*[\\r\\n]+`,
      SPACES,
    ),
  ],
]);
