/**
 * Words to ids through a bounded cache: a text repeats its words, and BPE is many times as slow as looking one up.
 * Text without spaces is one word for the model; it is cut where no merge can join the parts.
 */
import { Bpe, type BpeVocabulary } from './bpe.js';
import { type IdList } from './id-list.js';
import { MAX_TOKEN_CHARACTERS } from './limits.js';
import { PieceStream } from './piece-stream.js';
import { type PreTokenizer } from './pre-tokenizer.js';
import { textParts } from './text-parts.js';
import { MAX_CACHED_WORD_CHARACTERS, WordCache } from './word-cache.js';

export class WordEncoder {
  private readonly bpe: Bpe;
  private readonly preTokenizer: PreTokenizer;
  private readonly wholeWords: ReadonlyMap<string, number> | null;
  /** Words can be cut before they are looked up: no rule is about the whole word or its spelling. */
  readonly cutsFirst: boolean;
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

  /** Takes a text in parts and appends the ids of its words to `out`; for text without other cuts. */
  stream(out: IdList): PieceStream {
    return new PieceStream(this.bpe, (text, start, end) => {
      this.encodePiece(text, start, end, out);
    });
  }

  private encodePiece(text: string, start: number, end: number, out: IdList): void {
    if (this.cutsFirst && end - start === 1) {
      // Quicker than looking it up; of a text of many different characters they would fill the cache.
      this.bpe.encode(text, start, end, out);
      return;
    }
    const isCached = end - start <= MAX_CACHED_WORD_CHARACTERS;
    if (isCached && this.cache.appendTo(text, start, end, out)) return;
    const firstId = out.length;
    if (this.cutsFirst) this.bpe.encode(text, start, end, out);
    else if (this.asciiBpe !== null && isCached && isAscii(text, start, end)) {
      this.asciiBpe.encode(text, start, end, out);
    } else if (this.wholeWords === null) this.encodeSpelt(text, start, end, out);
    else this.encodeWholeWord(text, start, end, out);
    if (isCached) this.cache.add(text, start, end, out, firstId);
  }

  private encodeWholeWord(text: string, start: number, end: number, out: IdList): void {
    // A longer one is no token.
    const spelt = end - start > MAX_TOKEN_CHARACTERS ? undefined : this.preTokenizer.spell(text.slice(start, end));
    const whole = spelt === undefined ? undefined : this.wholeWords?.get(spelt);
    if (whole === undefined) this.encodeSpelt(text, start, end, out);
    else out.push(whole);
  }

  private encodeSpelt(text: string, start: number, end: number, out: IdList): void {
    const pieces = new PieceStream(this.bpe, (spelt, from, to) => {
      this.bpe.encode(spelt, from, to, out);
    });
    for (const part of textParts(text, start, end)) pieces.push(this.preTokenizer.spell(part));
    pieces.flush();
  }
}

function isAscii(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (text.charCodeAt(at) >= 0x80) return false;
  return true;
}
