/**
 * The parts of a tokenizer.json at work. The order of steps is that of Hugging Face's `tokenizers` library (Rust):
 *   text -> cut at added tokens -> normalise each part -> cut at normalised added tokens -> words -> BPE.
 * Control tokens are looked for only in the stretches of a text that may hold them. It does not read files.
 */
import { OptionError } from '../errors.js';
import { checkChoice, refuseUnknownKeys } from '../options.js';
import { type AddedToken, AddedTokenMatcher } from './added-tokens.js';
import { type BpeVocabulary } from './bpe.js';
import { type DecoderFactory } from './decoder.js';
import { IdList } from './id-list.js';
import { MAX_TEXT_CHARACTERS } from './limits.js';
import { type Normalizer, type Range } from './normalizer.js';
import { type PreTokenizer } from './pre-tokenizer.js';
import { PART_UNITS, textParts } from './text-parts.js';
import { type StreamDecoder, type Tokenizer } from './tokenizer.js';
import { WordEncoder } from './word-encoder.js';

/** ES2024, in Node since version 20; TypeScript declares it with a newer `lib` than this project's. */
type WellFormable = string & { toWellFormed(): string };

export interface TokenizerParts {
  readonly addedTokens: readonly AddedToken[];
  readonly normalizer: Normalizer;
  readonly preTokenizer: PreTokenizer;
  readonly vocabulary: BpeVocabulary;
  readonly createDecoderChain: DecoderFactory;
  readonly prependsBos: boolean;
}

export class BpeTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly specialTokenIds: ReadonlySet<number>;
  readonly addedTokens: ReadonlyMap<string, number>;
  readonly prependsBos: boolean;

  private readonly normalizer: Normalizer;
  private readonly preTokenizer: PreTokenizer;
  private readonly words: WordEncoder;
  private readonly createDecoderChain: DecoderFactory;
  private readonly verbatimMatcher: AddedTokenMatcher;
  private readonly normalizedMatcher: AddedTokenMatcher;
  private readonly tokenOfId: readonly (string | undefined)[];
  /** Nothing but what BPE does looks beyond a character, so that a long text need not be normalised at once. */
  private readonly worksInParts: boolean;

  constructor(parts: TokenizerParts) {
    const { addedTokens, normalizer, vocabulary } = parts;
    this.normalizer = normalizer;
    this.preTokenizer = parts.preTokenizer;
    this.createDecoderChain = parts.createDecoderChain;
    this.prependsBos = parts.prependsBos;
    this.words = new WordEncoder(vocabulary, parts.preTokenizer);
    this.addedTokens = new Map(addedTokens.map((token) => [token.content, token.id]));
    this.specialTokenIds = new Set(addedTokens.filter((token) => token.special).map((token) => token.id));

    const tokenOfId = [...vocabulary.tokens];
    let tokenCount = vocabulary.ids.size;
    // As tokenizers 0.23 does. (It then fails to skip special tokens whose normalised form differs; here they are skipped.)
    for (const { id, content, normalized } of addedTokens) {
      if (tokenOfId[id] === undefined) tokenCount += 1;
      tokenOfId[id] = normalized ? normalizer.normalize(content) : content;
    }
    this.tokenOfId = tokenOfId;
    this.vocabularySize = tokenCount;

    // Where two tokens have one normalised form, Hugging Face's library finds the special one.
    const ordered = [...addedTokens].sort((a, b) => Number(b.special) - Number(a.special));
    this.verbatimMatcher = new AddedTokenMatcher(
      ordered.filter((token) => !token.normalized),
      (token) => token.content,
    );
    this.normalizedMatcher = new AddedTokenMatcher(
      ordered.filter((token) => token.normalized),
      (token) => normalizer.normalize(token.content),
    );
    this.worksInParts =
      normalizer.worksInParts && this.normalizedMatcher.isEmpty && parts.preTokenizer.isEmpty && this.words.cutsFirst;
  }

  encode(text: string, options: { readonly specialTokens?: 'parse' | 'text' } = {}): Int32Array {
    refuseUnknownKeys('encode', options, ['specialTokens']);
    return this.encodePieces([{ text, specialTokens: options.specialTokens ?? 'text' }]);
  }

  encodePieces(pieces: readonly { readonly text: string; readonly specialTokens: 'parse' | 'text' }[]): Int32Array {
    let joined = '';
    const controlRanges: Range[] = [];
    for (const { text, specialTokens } of pieces) {
      checkChoice('encodePieces', 'specialTokens', specialTokens, ['parse', 'text']);
      const start = joined.length;
      joined += text;
      if (joined.length > MAX_TEXT_CHARACTERS) {
        throw new OptionError('INPUT_INVALID', `The text has more than ${MAX_TEXT_CHARACTERS} characters.`);
      }
      if (specialTokens === 'text' || text === '') continue;
      const last = controlRanges.at(-1);
      if (last?.end === start) controlRanges[controlRanges.length - 1] = { start: last.start, end: joined.length };
      else controlRanges.push({ start, end: joined.length });
    }
    const out = new IdList();
    // Half a surrogate pair becomes U+FFFD: UTF-8, and with it Hugging Face's library, has no place for it.
    this.encodeText((joined as WellFormable).toWellFormed(), controlRanges, out);
    return out.toArray();
  }

  decode(ids: ArrayLike<number>, options: { readonly skipSpecialTokens?: boolean } = {}): string {
    const decoder = this.createDecoder(options);
    const parts: string[] = [];
    for (let i = 0; i < ids.length; i += 1) parts.push(decoder.push(ids[i] ?? -1));
    parts.push(decoder.flush());
    return parts.join('');
  }

  createDecoder(options: { readonly skipSpecialTokens?: boolean } = {}): StreamDecoder {
    refuseUnknownKeys('createDecoder', options, ['skipSpecialTokens']);
    const skips = options.skipSpecialTokens ?? true;
    const chain = this.createDecoderChain();
    return {
      push: (id) => {
        const token = this.tokenOfId[id];
        // An id that the vocabulary lacks has no text: a model's logits may have more rows than there are tokens.
        if (token === undefined || (skips && this.specialTokenIds.has(id))) return '';
        return chain.push(token);
      },
      flush: () => chain.flush(),
    };
  }

  private encodeText(text: string, controlRanges: readonly Range[], out: IdList): void {
    let rangeIndex = 0;
    for (const segment of this.verbatimMatcher.split(text, controlRanges)) {
      if (segment.id !== null) {
        out.push(segment.id);
        continue;
      }
      const { start, end } = segment;
      while ((controlRanges[rangeIndex]?.end ?? Infinity) <= start) rangeIndex += 1;
      const within: Range[] = [];
      for (let i = rangeIndex; ; i += 1) {
        const range = controlRanges[i];
        if (range === undefined || range.start >= end) break;
        within.push({ start: Math.max(range.start, start) - start, end: Math.min(range.end, end) - start });
      }
      this.encodeSegment(text.slice(start, end), start === 0, within, out);
    }
  }

  private encodeSegment(text: string, isFirst: boolean, controlRanges: readonly Range[], out: IdList): void {
    if (this.worksInParts && text.length > PART_UNITS) {
      this.encodeInParts(text, out);
      return;
    }
    const normalized = this.normalizer.normalize(text);
    // Positions are followed only for the sake of control tokens that are looked for in normalised text.
    const ranges = this.normalizedMatcher.isEmpty ? [] : this.normalizer.mapRanges(text, controlRanges);
    let first = isFirst;
    for (const part of this.normalizedMatcher.split(normalized, ranges)) {
      if (part.id !== null) out.push(part.id);
      else {
        this.preTokenizer.split(normalized, part.start, part.end, first, (words, start, end) => {
          this.words.encode(words, start, end, out);
        });
      }
      first = false;
    }
  }

  private encodeInParts(text: string, out: IdList): void {
    const words = this.words.stream(out);
    let isFirst = true;
    for (const part of textParts(text, 0, text.length)) {
      words.push(isFirst ? this.normalizer.normalize(part) : this.normalizer.normalizeLaterPart(part));
      isFirst = false;
    }
    words.flush();
  }
}
