/**
 * Texts that tokenizers get wrong: scripts of all kinds, code, runs of white space, emoji, combining marks, halves of
 * surrogate pairs, look-alikes of control tokens. The same for the same seed.
 */

/** https://github.com/bryc/code/blob/master/jshash/PRNGs.md (mulberry32); numbers from 0 to below 1. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WORDS =
  "The model's weights don't fit WE'LL see I'D say it’s fine def encode(self): return [x for x in y] {\"key\": 1.5} " +
  'Größe Straße café naïve Съешь ещё булок ΑΣ σας 我们 模型 電腦 日本語 テキスト 한국어 עברית العربية हिन्दी ไทย ǅ ﬁn Å İstanbul ſee';
const CHARACTERS =
  '\0\t\n\r\u000b\f\u001c\u0085\u00a0\u00ad\u1680\u180e\u2003\u200b\u200d\u2028\u2029\u202f\u205f\u3000\ufeff\ufffd\u2581\u0120' +
  '\'"`.,;:!?()[]{}<>|/\\@#$%^&*-_=+~0123456789¼²Ⅳ٣৪ªº\u0301\u0308\u0338\u20dd\ufe0fabzABZßñøœǆǅʰ我あア가א🙂👍🏽👨‍👩‍👧🇫🇷𝒜𐍈';
const SPACES = [' ', '  ', '   ', '    ', '        ', ' '.repeat(17), '\n', '\n\n', '\r\n', '\t', ' \n ', '\u3000 '];

/** `markers`: strings to strew in, whole and cut. */
export function randomTexts(count: number, seed: number, markers: readonly string[] = ['<|end|>', '</s>']): string[] {
  const random = mulberry32(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = (choices: readonly string[]): string => choices[below(choices.length)] ?? '';
  const words = WORDS.split(' ');
  const characters = Array.from(CHARACTERS);

  const part = (): string => {
    const kind = random();
    if (kind < 0.35) return pick(words);
    if (kind < 0.5) return pick(SPACES);
    if (kind < 0.7) return Array.from({ length: 1 + below(6) }, () => pick(characters)).join('');
    if (kind < 0.8) return pick(markers);
    if (kind < 0.84) return pick(markers).slice(below(4), 4 + below(6));
    if (kind < 0.89) return pick(characters).repeat(2 + below(30));
    if (kind < 0.92) return `<0x${below(256).toString(16).toUpperCase().padStart(2, '0')}>`;
    if (kind < 0.94) return pick(['\ud83d', '\udc4d', '\ud800\ud800', '\udfff ']);
    const codePoint = random() < 0.6 ? below(0xd800) : 0x10000 + below(0x10000);
    return String.fromCodePoint(codePoint);
  };
  return Array.from({ length: count }, () =>
    Array.from({ length: below(10) }, () => part() + (random() < 0.5 ? ' ' : '')).join(''),
  );
}

/** What Hugging Face's library can be given: UTF-8 has no place for half a surrogate pair, which becomes U+FFFD. */
export function wellFormed(text: string): string {
  return (text as string & { toWellFormed(): string }).toWellFormed();
}
