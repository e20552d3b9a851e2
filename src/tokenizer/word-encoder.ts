/**
 * Words to ids through a bounded cache: a text repeats its words, and BPE is many times as slow as looking one up.
 * Text without spaces is one word for the model; it is cut where no merge can join the parts.
 */
import { Bpe, type BpeVocabulary } from './bpe.js';
import { type IdList } from './id-list.js';
import { type PreTokenizer } from './pre-tokenizer.js';

/** Words of a language and its common names, twice over; about 10 MB when full. */
const MAX_CACHED_WORDS = 1 << 16;
/** Longer words are rare and seldom come again. */
const MAX_CACHED_WORD_CHARACTERS = 32;

export class WordEncoder {
  private readonly bpe: Bpe;
  private readonly preTokenizer: PreTokenizer;
  private readonly wholeWords: ReadonlyMap<string, number> | null;
  private readonly cache = new Map<string, readonly number[]>();

  constructor(vocabulary: BpeVocabulary, preTokenizer: PreTokenizer) {
    this.bpe = new Bpe(vocabulary);
    this.preTokenizer = preTokenizer;
    this.wholeWords = vocabulary.wholeWords;
  }

  /** Appends the ids of a word, as it stands in the normalised text, to `out`. */
  encode(word: string, out: IdList): void {
    if (this.preTokenizer.spelling === 'byte-level' || this.wholeWords !== null) {
      this.encodeCached(word, out);
      return;
    }
    for (let start = 0; start < word.length;) {
      const end = this.bpe.pieceEnd(word, start);
      this.encodeCached(word.slice(start, end), out);
      start = end;
    }
  }

  private encodeCached(word: string, out: IdList): void {
    const cached = this.cache.get(word);
    if (cached !== undefined) {
      for (const id of cached) out.push(id);
      return;
    }
    const before = out.length;
    const spelt = this.preTokenizer.spell(word);
    const whole = this.wholeWords?.get(spelt);
    if (whole === undefined) this.encodeSpelt(spelt, out);
    else out.push(whole);
    if (word.length > MAX_CACHED_WORD_CHARACTERS) return;
    if (this.cache.size >= MAX_CACHED_WORDS) this.cache.clear();
    this.cache.set(ownCopy(word), Array.from(out.slice(before)));
  }

  private encodeSpelt(spelt: string, out: IdList): void {
    for (let start = 0; start < spelt.length;) {
      const end = this.bpe.pieceEnd(spelt, start);
      this.bpe.encode(spelt.slice(start, end), out);
      start = end;
    }
  }
}

/** A string that does not keep the text alive which it was cut out of, as V8's slices do. */
function ownCopy(word: string): string {
  return Buffer.from(word, 'utf16le').toString('utf16le');
}
