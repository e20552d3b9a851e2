/**
 * The Unicode categories by which pre-tokenizers cut, one small number for each code point.
 * They are those of the Unicode version that Node was built with (process.versions.unicode).
 */

/** One bit each, so that a set of them is a number. */
export const CharacterClass = {
  /** Neither white space nor letter, mark or number. */
  other: 1,
  space: 2,
  /** Carriage return and line feed. */
  newline: 4,
  /** White_Space other than the two above. */
  whiteSpace: 8,
  /** Lu and Lt. */
  upper: 16,
  /** Ll. */
  lower: 32,
  /** Lm and Lo: letters without case. */
  caseless: 64,
  mark: 128,
  number: 256,
} as const;

function classify(character: string): number {
  if (character === ' ') return CharacterClass.space;
  if (character === '\r' || character === '\n') return CharacterClass.newline;
  // Not \s: JavaScript's has U+FEFF and lacks U+0085.
  if (/\p{White_Space}/u.test(character)) return CharacterClass.whiteSpace;
  if (/[\p{Lu}\p{Lt}]/u.test(character)) return CharacterClass.upper;
  if (/\p{Ll}/u.test(character)) return CharacterClass.lower;
  if (/\p{L}/u.test(character)) return CharacterClass.caseless;
  if (/\p{M}/u.test(character)) return CharacterClass.mark;
  if (/\p{N}/u.test(character)) return CharacterClass.number;
  return CharacterClass.other;
}

/** By code point, filled in as characters are met; 0: not yet. */
const classes = new Uint16Array(0x110000);

/** The class of the character that begins at `at`; there must be one. */
export function classAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  const codePoint = unit >= 0xd800 && unit < 0xdc00 ? (text.codePointAt(at) ?? unit) : unit;
  const known = classes[codePoint] ?? 0;
  if (known !== 0) return known;
  const found = classify(String.fromCodePoint(codePoint));
  classes[codePoint] = found;
  return found;
}
