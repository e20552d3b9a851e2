/**
 * Words to ids through a bounded cache: a text repeats its words, and BPE is many times as slow as looking one up.
 * Text without spaces is one word for the model; it is cut where no merge can join the parts.
 */
import { Bpe, type BpeVocabulary } from './bpe.js';
import { type IdList } from './id-list.js';
import { type PreTokenizer } from './pre-tokenizer.js';
import { MAX_CACHED_WORD_CHARACTERS, WordCache } from './word-cache.js';

export class WordEncoder {
  private readonly bpe: Bpe;
  private readonly preTokenizer: PreTokenizer;
  private readonly wholeWords: ReadonlyMap<string, number> | null;
  /** Words can be cut before they are looked up: no rule is about the whole word or its spelling. */
  private readonly cutsFirst: boolean;
  /** The same model for ASCII as it stands in the text: it saves spelling the words of most languages and of code. */
  private readonly asciiBpe: Bpe | null;
  private readonly cache = new WordCache();

  constructor(vocabulary: BpeVocabulary, preTokenizer: PreTokenizer) {
    this.bpe = new Bpe(vocabulary);
    this.preTokenizer = preTokenizer;
    this.wholeWords = vocabulary.wholeWords;
    this.cutsFirst = preTokenizer.spelling === 'text' && vocabulary.wholeWords === null;
    const asciiIds = new Map<string, number>();
    for (let unit = 0; unit < 0x80; unit += 1) {
      const character = String.fromCharCode(unit);
      const id = vocabulary.ids.get(preTokenizer.spell(character));
      if (id !== undefined) asciiIds.set(character, id);
    }
    const canSkipSpelling = !this.cutsFirst && vocabulary.wholeWords === null && asciiIds.size === 0x80;
    this.asciiBpe = canSkipSpelling ? new Bpe({ ...vocabulary, ids: asciiIds }) : null;
  }

  /** Appends the ids of the word text.slice(start, end) of the normalised text to `out`. */
  encode(text: string, start: number, end: number, out: IdList): void {
    for (let at = start; at < end;) {
      const pieceEnd = this.cutsFirst ? this.bpe.pieceEnd(text, at, end) : end;
      this.encodePiece(text, at, pieceEnd, out);
      at = pieceEnd;
    }
  }

  private encodePiece(text: string, start: number, end: number, out: IdList): void {
    const isCached = end - start <= MAX_CACHED_WORD_CHARACTERS;
    if (isCached && this.cache.appendTo(text, start, end, out)) return;
    const firstId = out.length;
    if (this.cutsFirst) this.bpe.encode(text, start, end, out);
    else if (this.asciiBpe !== null && isCached && isAscii(text, start, end)) {
      this.asciiBpe.encode(text, start, end, out);
    } else {
      const spelt = this.preTokenizer.spell(text.slice(start, end));
      const whole = this.wholeWords?.get(spelt);
      if (whole === undefined) this.encodeSpelt(spelt, out);
      else out.push(whole);
    }
    if (isCached) this.cache.add(text, start, end, out, firstId);
  }

  private encodeSpelt(spelt: string, out: IdList): void {
    for (let at = 0; at < spelt.length;) {
      const pieceEnd = this.bpe.pieceEnd(spelt, at, spelt.length);
      this.bpe.encode(spelt, at, pieceEnd, out);
      at = pieceEnd;
    }
  }
}

function isAscii(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (text.charCodeAt(at) >= 0x80) return false;
  return true;
}
