/**
 * Ids of words seen before: a hash table from stretches of text to ids, of bounded size, which neither cuts strings
 * out of the text nor keeps it alive. When full it starts afresh, which costs little and needs no order of use.
 */
import { type IdList } from './id-list.js';

/**
 * Most of the words of a text in a few languages are among these, and they and the records (650 kB) fit into a core's
 * cache: of a text of ever new words a larger one would be slower than none.
 */
const MAX_WORDS = 1 << 14;
const SLOTS = MAX_WORDS * 2;
/** Of all records together: a word of 8 characters and 2 ids takes 7. */
const MAX_RECORD_INTS = MAX_WORDS * 6;
/** Longer words are rare and seldom come again. */
export const MAX_CACHED_WORD_CHARACTERS = 64;

export class WordCache {
  /** Two numbers a slot: the word's hash, and where its record begins + 1 (0: free). */
  private readonly slots = new Int32Array(SLOTS * 2);
  /**
   * A record: count of UTF-16 code units + 256 * count of ids, the code units (two to a number), the ids. All of it
   * lies together, since what a lookup costs is the cache misses.
   */
  private readonly records = new Int32Array(MAX_RECORD_INTS);
  private words = 0;
  private recordsEnd = 0;

  /** Appends the ids of text.slice(start, end) to `out` and returns true, or returns false if they are not known. */
  appendTo(text: string, start: number, end: number, out: IdList): boolean {
    const slot = this.findSlot(text, start, end, hashOf(text, start, end));
    const record = (this.slots[slot + 1] ?? 0) - 1;
    if (record === -1) return false;
    const firstId = record + 1 + ((end - start + 1) >> 1);
    const lastId = firstId + ((this.records[record] ?? 0) >> 8);
    for (let at = firstId; at < lastId; at += 1) out.push(this.records[at] ?? 0);
    return true;
  }

  /** Remembers the ids in `out` from `firstId` on as those of text.slice(start, end), which must not be known yet. */
  add(text: string, start: number, end: number, out: IdList, firstId: number): void {
    const units = end - start;
    if (units > MAX_CACHED_WORD_CHARACTERS) return;
    const idCount = out.length - firstId;
    const recordInts = 1 + ((units + 1) >> 1) + idCount;
    if (this.words === MAX_WORDS || this.recordsEnd + recordInts > MAX_RECORD_INTS) {
      this.slots.fill(0);
      this.words = 0;
      this.recordsEnd = 0;
    }
    const hash = hashOf(text, start, end);
    const slot = this.findSlot(text, start, end, hash);
    this.slots[slot] = hash;
    this.slots[slot + 1] = this.recordsEnd + 1;
    let to = this.recordsEnd;
    this.records[to++] = units + (idCount << 8);
    for (let at = start; at < end; at += 2) this.records[to++] = unitPair(text, at, end);
    for (let at = firstId; at < out.length; at += 1) this.records[to++] = out.at(at);
    this.recordsEnd = to;
    this.words += 1;
  }

  /** Index in `slots` of the word, or of the free slot where it belongs. */
  private findSlot(text: string, start: number, end: number, hash: number): number {
    for (let slot = hash & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
      const at = slot * 2;
      const record = (this.slots[at + 1] ?? 0) - 1;
      if (record === -1 || (this.slots[at] === hash && this.holds(record, text, start, end))) return at;
    }
  }

  private holds(record: number, text: string, start: number, end: number): boolean {
    if (((this.records[record] ?? 0) & 0xff) !== end - start) return false;
    let from = record + 1;
    for (let at = start; at < end; at += 2) if (this.records[from++] !== unitPair(text, at, end)) return false;
    return true;
  }
}

/** Two code units as one number; the second is 0 past the end. */
function unitPair(text: string, at: number, end: number): number {
  return text.charCodeAt(at) | (at + 1 < end ? text.charCodeAt(at + 1) << 16 : 0);
}

/** FNV-1a over code units, its upper bits mixed into those that choose the slot. A 32-bit integer. */
function hashOf(text: string, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash ^ (hash >>> 15);
}
