/**
 * Byte-pair encoding of one word, as Hugging Face's `BPE` model does it: the word's characters become symbols, then
 * the pair of neighbours with the lowest rank merges, again and again. Time is in proportion to the length of the word.
 * It does not cut text into words and does not know added tokens.
 */
import { type IdList } from './id-list.js';
import { type MergeTable } from './merge-table.js';
import { MergeQueue } from './merge-queue.js';
import { RankBuckets } from './rank-buckets.js';

export interface BpeVocabulary {
  /** Token -> id. */
  readonly ids: ReadonlyMap<string, number>;
  /** Id -> token. */
  readonly tokens: readonly (string | undefined)[];
  readonly merges: MergeTable;
  /** By pair (last character of the left, first character of the right token): can any merge join them? */
  readonly seams: SeamSet;
  /** Ids of `<0x00>` to `<0xFF>` if characters outside the vocabulary become their UTF-8 bytes; -1: no such token. */
  readonly byteIds: Int32Array | null;
  /** The id of characters outside the vocabulary; null: they are dropped. */
  readonly unknownId: number | null;
  /** A run of unknown characters becomes one id. */
  readonly fuseUnknown: boolean;
  /**
   * A character outside the vocabulary always becomes its bytes, and no merge takes those: it never touches the
   * symbols beside it. (Otherwise it may be dropped, or fused with its neighbour.)
   */
  readonly unknownIsSeparate: boolean;
  /** Words that are tokens are not built from merges; control tokens excepted. */
  readonly wholeWords: ReadonlyMap<string, number> | null;
}

/** A set of pairs of UTF-16 code units that may say yes wrongly (hash collisions), never no. */
export class SeamSet {
  private readonly bits = new Uint32Array(1 << 15);

  add(left: number, right: number): void {
    const hash = SeamSet.hash(left, right);
    this.bits[hash >>> 5] = (this.bits[hash >>> 5] ?? 0) | (1 << (hash & 31));
  }

  has(left: number, right: number): boolean {
    const hash = SeamSet.hash(left, right);
    return (((this.bits[hash >>> 5] ?? 0) >>> (hash & 31)) & 1) === 1;
  }

  private static hash(left: number, right: number): number {
    return (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 12;
  }
}

const UNKNOWN = -1;
const DEAD = -1;
/** The memory of a longer word is given back after it. */
const MAX_KEPT_SYMBOLS = 1 << 16;
/** Up to here a heap is faster: it lies in the cache. */
const MAX_HEAP_SYMBOLS = 512;

export class Bpe {
  private readonly vocabulary: BpeVocabulary;
  /** Ids of the characters of the basic plane. */
  private readonly characterIds = new Int32Array(0x10000).fill(UNKNOWN);
  private readonly queue = new MergeQueue();
  /** Made for the first long word. */
  private buckets: RankBuckets | null = null;
  /**
   * Symbols of the word in work, each at the place of its first character: an id. What a merge leaves behind is negative:
   * DEAD where two characters have one symbol; of longer ones the second place holds -2 - (where the symbol ends) and the
   * last one -2 - (where it begins), so that neighbours are found without a list of them.
   */
  private ids = new Int32Array(64);

  constructor(vocabulary: BpeVocabulary) {
    this.vocabulary = vocabulary;
    for (const [token, id] of vocabulary.ids) if (token.length === 1) this.characterIds[token.charCodeAt(0)] = id;
  }

  /** The id of a character if it is a token, else -1. */
  private characterId(character: string): number {
    return this.vocabulary.ids.get(character) ?? UNKNOWN;
  }

  /**
   * Where text.slice(start, end) can be cut first so that both parts, tokenised by themselves, give the same ids: no
   * merge joins the two characters there. `end` if it cannot be cut.
   */
  pieceEnd(text: string, start: number, end: number): number {
    let left = text.charCodeAt(start);
    for (let at = start + 1; at < end; at += 1) {
      const right = text.charCodeAt(at);
      if (this.canCut(left, right)) return at;
      left = right;
    }
    return end;
  }

  /** Whether a text can be cut between two of its UTF-16 code units. */
  canCut(left: number, right: number): boolean {
    const { seams, unknownIsSeparate } = this.vocabulary;
    const isInsidePair = right >= 0xdc00 && right < 0xe000;
    return !isInsidePair && !seams.has(left, right) && (unknownIsSeparate || (this.knows(left) && this.knows(right)));
  }

  /** Whether a UTF-16 code unit is a character of the vocabulary; half a surrogate pair counts as none. */
  private knows(unit: number): boolean {
    return this.characterIds[unit] !== UNKNOWN;
  }

  /** Appends the ids of the word text.slice(start, end) to `out`. */
  encode(text: string, start: number, end: number, out: IdList): void {
    const symbols = this.readSymbols(text, start, end);
    if (symbols > MAX_HEAP_SYMBOLS) {
      this.buckets ??= new RankBuckets(this.vocabulary.merges.size);
      this.buckets.reserve(symbols);
      this.mergeAll(symbols, this.buckets);
    } else if (symbols > 1) this.mergeAll(symbols, this.queue);
    for (let at = 0; at < symbols; at = this.next(at, symbols)) out.push(this.ids[at] ?? UNKNOWN);
    if (this.ids.length > MAX_KEPT_SYMBOLS) this.resize(MAX_KEPT_SYMBOLS);
  }

  /** Fills `ids` with the symbols of the word's characters and returns how many there are. */
  private readSymbols(text: string, start: number, end: number): number {
    // A character has at most 3 UTF-8 bytes for each of its UTF-16 code units.
    const most = (end - start) * (this.vocabulary.byteIds === null ? 1 : 3);
    if (this.ids.length < most) this.resize(Math.max(most, this.ids.length * 2));
    const { unknownId, fuseUnknown } = this.vocabulary;
    let count = 0;
    let pendingUnknown = false;
    for (let at = start; at < end; at += 1) {
      const unit = text.charCodeAt(at);
      let id = this.characterIds[unit] ?? UNKNOWN;
      let bytes = 0;
      if (id === UNKNOWN) {
        const codePoint = text.codePointAt(at) ?? 0;
        if (codePoint > 0xffff) {
          at += 1;
          id = this.characterId(String.fromCodePoint(codePoint));
        }
        if (id === UNKNOWN) bytes = this.byteFallback(codePoint, count);
      }
      if (id !== UNKNOWN) {
        if (pendingUnknown && unknownId !== null) this.ids[count++] = unknownId;
        pendingUnknown = false;
        this.ids[count++] = id;
      } else if (bytes > 0) {
        // An unknown character still pending comes out after the bytes: so it does in Hugging Face's library.
        count += bytes;
      } else if (unknownId !== null) {
        if (pendingUnknown && !fuseUnknown) this.ids[count++] = unknownId;
        pendingUnknown = true;
      }
    }
    if (pendingUnknown && unknownId !== null) this.ids[count++] = unknownId;
    return count;
  }

  /** Writes the ids of a character's bytes to `ids` from `at` on and returns how many; 0 where one has no token. */
  private byteFallback(codePoint: number, at: number): number {
    const { byteIds } = this.vocabulary;
    if (byteIds === null) return 0;
    // UTF-8: 6 bits in each byte but the first. TextEncoder takes ten times as long for one character.
    const bytes = codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
    for (let i = 0; i < bytes; i += 1) {
      const bits = codePoint >> (6 * (bytes - 1 - i));
      const byte = i > 0 ? 0x80 | (bits & 0x3f) : bytes === 1 ? bits : ((0xf00 >> bytes) & 0xff) | bits;
      const id = byteIds[byte] ?? UNKNOWN;
      if (id === UNKNOWN) return 0;
      this.ids[at + i] = id;
    }
    return bytes;
  }

  private resize(symbols: number): void {
    this.ids = new Int32Array(symbols);
    if (symbols === MAX_KEPT_SYMBOLS) this.buckets?.shrink();
  }

  /** Where the symbol after the one at `at` begins; `count` where there is none. */
  private next(at: number, count: number): number {
    if (at + 1 === count) return count;
    const value = this.ids[at + 1] ?? 0;
    return value >= 0 ? at + 1 : value === DEAD ? at + 2 : -2 - value;
  }

  /** Where the symbol before the one at `at` (not 0) begins. */
  private previous(at: number): number {
    const value = this.ids[at - 1] ?? 0;
    return value >= 0 ? at - 1 : value === DEAD ? at - 2 : -2 - value;
  }

  /** `queue` is empty, before and after. */
  private mergeAll(count: number, queue: MergeQueue | RankBuckets): void {
    const { ids } = this;
    const { merges } = this.vocabulary;
    for (let at = 1; at < count; at += 1) this.offer(at - 1, at, queue);
    while (queue.pop()) {
      const { rank, position } = queue;
      const left = ids[position] ?? UNKNOWN;
      // Outdated, here and below: one of the two symbols has merged otherwise since.
      if (left < 0) continue;
      const right = this.next(position, count);
      if (right === count || merges.rank(left, ids[right] ?? UNKNOWN) !== rank) continue;
      const end = this.next(right, count);
      ids[right] = DEAD;
      ids[position] = merges.result(rank);
      if (end - position > 2) {
        ids[position + 1] = -2 - end;
        ids[end - 1] = -2 - position;
      }
      if (end < count) this.offer(position, end, queue);
      if (position > 0) this.offer(this.previous(position), position, queue);
    }
  }

  private offer(left: number, right: number, queue: MergeQueue | RankBuckets): void {
    const rank = this.vocabulary.merges.rank(this.ids[left] ?? UNKNOWN, this.ids[right] ?? UNKNOWN);
    if (rank !== -1) queue.push(rank, left);
  }
}
