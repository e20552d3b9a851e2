/**
 * A tokenizer.json put together: added tokens, normalizer, pre-tokenizer, BPE model, decoder. Ids equal those of
 * Hugging Face's `tokenizers` library (Rust), whose order of steps this follows:
 *   text -> cut at added tokens -> normalise each part -> cut at normalised added tokens -> words -> BPE.
 *
 * Why an implementation of our own: that library's Node binding (npm `tokenizers` 0.23) encodes only asynchronously,
 * cannot keep control tokens typed by a person as text, and runs any regular expression of the file: an exponential
 * one ends the whole process. `@huggingface/tokenizers` (JavaScript) is exact, and far too slow for the path to the first token.
 *
 * Not here: bos and eos (post-processor), truncation, padding, offsets; models other than BPE.
 */
import { OptionError } from '../errors.js';
import { checkChoice, refuseUnknownKeys } from '../options.js';
import { type AddedToken, AddedTokenMatcher, isOrdinary, parseAddedTokens } from './added-tokens.js';
import { type BpeVocabulary } from './bpe.js';
import { type DecoderFactory, parseDecoder } from './decoder.js';
import { IdList } from './id-list.js';
import { JsonReader } from './json-reader.js';
import { MAX_TEXT_CHARACTERS } from './limits.js';
import { type Normalizer, parseNormalizer, type Range } from './normalizer.js';
import { parseModel } from './parse-model.js';
import { parsePrependsBos } from './post-processor.js';
import { parsePreTokenizer, type PreTokenizer } from './pre-tokenizer.js';
import { type StreamDecoder, type Tokenizer } from './tokenizer.js';
import { WordEncoder } from './word-encoder.js';

interface Parts {
  readonly addedTokens: readonly AddedToken[];
  readonly normalizer: Normalizer;
  readonly preTokenizer: PreTokenizer;
  readonly vocabulary: BpeVocabulary;
  readonly createDecoderChain: DecoderFactory;
  readonly prependsBos: boolean;
}

class BpeTokenizer implements Tokenizer {
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

  constructor(parts: Parts) {
    const { addedTokens, normalizer, vocabulary } = parts;
    this.normalizer = normalizer;
    this.preTokenizer = parts.preTokenizer;
    this.createDecoderChain = parts.createDecoderChain;
    this.prependsBos = parts.prependsBos;
    this.words = new WordEncoder(vocabulary, parts.preTokenizer);
    this.addedTokens = new Map(addedTokens.map((token) => [token.content, token.id]));
    this.specialTokenIds = new Set(addedTokens.filter((token) => token.special).map((token) => token.id));

    const ids = new Set([...vocabulary.ids.values(), ...this.addedTokens.values()]);
    this.vocabularySize = ids.size;
    let maxId = 0;
    for (const id of ids) maxId = Math.max(maxId, id);
    const tokenOfId = new Array<string | undefined>(maxId + 1);
    for (const [token, id] of vocabulary.ids) tokenOfId[id] = token;
    // As tokenizers 0.23 does. (It then fails to skip special tokens whose normalised form differs; here they are skipped.)
    for (const { id, content, normalized } of addedTokens) {
      tokenOfId[id] = normalized ? normalizer.normalize(content) : content;
    }
    this.tokenOfId = tokenOfId;

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
    this.encodeText(toWellFormed(joined), controlRanges, out);
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
}

/** Lone halves of surrogate pairs become U+FFFD: UTF-8, and with it Hugging Face's library, has no place for them. */
function toWellFormed(text: string): string {
  // The quick question first: most texts have no surrogates at all.
  return /[\uD800-\uDFFF]/.test(text) ? text.replace(/\p{Surrogate}/gu, '\uFFFD') : text;
}

/** Checks the ids of the added tokens against each other and the model's vocabulary. */
function checkIds(json: JsonReader, addedTokens: readonly AddedToken[], vocabulary: BpeVocabulary): void {
  const contentOfId = new Map<number, string>();
  for (const [content, id] of vocabulary.ids) contentOfId.set(id, content);
  for (const { id, content } of addedTokens) {
    const known = vocabulary.ids.get(content);
    const holder = contentOfId.get(id);
    if ((known !== undefined && known !== id) || (holder !== undefined && holder !== content)) {
      throw json.malformed(
        `added token ${JSON.stringify(content)} has id ${id}, but ` +
          (holder !== undefined && holder !== content
            ? `that is ${JSON.stringify(holder.slice(0, 60))}`
            : `the vocabulary gives it ${known ?? id}`),
      );
    }
    contentOfId.set(id, content);
  }
}

export interface TokenizerSource {
  /** The parsed tokenizer.json. */
  readonly tokenizerJson: unknown;
  /** The parsed tokenizer_config.json, if there is one. */
  readonly tokenizerConfig?: unknown;
  /** Where the files are, for messages. */
  readonly location?: string;
}

/**
 * Makes a tokenizer of a parsed tokenizer.json. The object is not kept.
 *
 * Throws TOKENIZER_MALFORMED with the place that is wrong, TOKENIZER_UNSUPPORTED with the component that is not
 * supported.
 */
export function createTokenizer(source: TokenizerSource): Tokenizer {
  refuseUnknownKeys('createTokenizer', source, ['tokenizerJson', 'tokenizerConfig', 'location']);
  const prefix = source.location === undefined ? '' : `${source.location}: `;
  const json = new JsonReader(source.tokenizerJson, `${prefix}tokenizer.json`);
  const config = new JsonReader(source.tokenizerConfig, `${prefix}tokenizer_config.json`);
  const addedField = json.get('added_tokens');
  const addedTokens = parseAddedTokens(addedField);
  const normalizer = parseNormalizer(json.get('normalizer'));
  const positional = addedTokens.find((token) => token.normalized && !isOrdinary(token));
  if (positional !== undefined && !normalizer.tracksPositions) {
    throw addedField.unsupported(
      `control token ${JSON.stringify(positional.content)}, looked for in Unicode-normalised text,`,
      ['"normalized": false', 'the normalizers Prepend and Replace'],
    );
  }
  const vocabulary = parseModel(json.get('model'), addedTokens);
  checkIds(addedField, addedTokens, vocabulary);
  return new BpeTokenizer({
    addedTokens,
    normalizer,
    preTokenizer: parsePreTokenizer(json.get('pre_tokenizer')),
    vocabulary,
    createDecoderChain: parseDecoder(json.get('decoder')),
    prependsBos: parsePrependsBos(json.get('post_processor'), config),
  });
}
