/**
 * Byte-pair encoding of one word, as Hugging Face's `BPE` model does it: the word's characters become symbols, then
 * the pair of neighbours with the lowest rank merges, again and again. O(n log n) in the length of the word.
 * It does not cut text into words and does not know added tokens.
 */
import { type IdList } from './id-list.js';
import { type MergeTable } from './merge-table.js';
import { MergeQueue } from './merge-queue.js';

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

const utf8 = new TextEncoder();
const UNKNOWN = -1;
/** The memory of a longer word is given back after it. */
const MAX_KEPT_SYMBOLS = 1 << 16;

export class Bpe {
  private readonly vocabulary: BpeVocabulary;
  /** Ids of the characters of the basic plane. */
  private readonly characterIds = new Int32Array(0x10000).fill(UNKNOWN);
  private readonly queue = new MergeQueue();
  /** Symbols of the word in work, a doubly linked list: id (-1 once merged away) and the neighbours' indices. */
  private ids = new Int32Array(64);
  private previous = new Int32Array(64);
  private next = new Int32Array(64);

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
    const { seams, unknownIsSeparate } = this.vocabulary;
    let left = text.charCodeAt(start);
    for (let at = start + 1; at < end; at += 1) {
      const right = text.charCodeAt(at);
      const isInsidePair = right >= 0xdc00 && right < 0xe000;
      if (!isInsidePair && !seams.has(left, right) && (unknownIsSeparate || (this.knows(left) && this.knows(right)))) {
        return at;
      }
      left = right;
    }
    return end;
  }

  /** Whether a UTF-16 code unit is a character of the vocabulary; half a surrogate pair counts as none. */
  private knows(unit: number): boolean {
    return this.characterIds[unit] !== UNKNOWN;
  }

  /** Appends the ids of the word text.slice(start, end) to `out`. */
  encode(text: string, start: number, end: number, out: IdList): void {
    const symbols = this.readSymbols(text, start, end);
    if (symbols > 1) this.mergeAll(symbols);
    for (let at = 0; at < symbols; at += 1) {
      const id = this.ids[at] ?? UNKNOWN;
      if (id !== UNKNOWN) out.push(id);
    }
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
      let bytes: readonly number[] | null = null;
      if (id === UNKNOWN) {
        const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
        if (character.length === 2) {
          at += 1;
          id = this.characterId(character);
        }
        if (id === UNKNOWN) bytes = this.byteFallback(character);
      }
      if (id !== UNKNOWN) {
        if (pendingUnknown && unknownId !== null) this.ids[count++] = unknownId;
        pendingUnknown = false;
        this.ids[count++] = id;
      } else if (bytes !== null) {
        // An unknown character still pending comes out after the bytes: so it does in Hugging Face's library.
        for (const byteId of bytes) this.ids[count++] = byteId;
      } else if (unknownId !== null) {
        if (pendingUnknown && !fuseUnknown) this.ids[count++] = unknownId;
        pendingUnknown = true;
      }
    }
    if (pendingUnknown && unknownId !== null) this.ids[count++] = unknownId;
    return count;
  }

  private byteFallback(character: string): number[] | null {
    const { byteIds } = this.vocabulary;
    if (byteIds === null) return null;
    const ids = Array.from(utf8.encode(character), (byte) => byteIds[byte] ?? UNKNOWN);
    return ids.includes(UNKNOWN) ? null : ids;
  }

  private resize(symbols: number): void {
    this.ids = new Int32Array(symbols);
    this.previous = new Int32Array(symbols);
    this.next = new Int32Array(symbols);
    if (symbols === MAX_KEPT_SYMBOLS) this.queue.shrink();
  }

  private mergeAll(count: number): void {
    const { ids, previous, next, queue } = this;
    const { merges } = this.vocabulary;
    queue.clear();
    for (let at = 0; at < count; at += 1) {
      previous[at] = at - 1;
      next[at] = at + 1 < count ? at + 1 : -1;
      if (at + 1 < count) this.offer(at, at + 1);
    }
    while (queue.pop()) {
      const { rank, position } = queue;
      const right = next[position] ?? -1;
      const left = ids[position] ?? UNKNOWN;
      // Outdated: one of the two symbols has merged otherwise since.
      if (left === UNKNOWN || right === -1 || merges.rank(left, ids[right] ?? UNKNOWN) !== rank) continue;
      ids[position] = merges.result(rank);
      ids[right] = UNKNOWN;
      const after = next[right] ?? -1;
      next[position] = after;
      if (after !== -1) {
        previous[after] = position;
        this.offer(position, after);
      }
      const before = previous[position] ?? -1;
      if (before !== -1) this.offer(before, position);
    }
  }

  private offer(left: number, right: number): void {
    const rank = this.vocabulary.merges.rank(this.ids[left] ?? UNKNOWN, this.ids[right] ?? UNKNOWN);
    if (rank !== -1) this.queue.push(rank, left);
  }
}
