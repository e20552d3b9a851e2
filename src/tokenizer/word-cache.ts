/**
 * Ids of words seen before: a hash table from stretches of text to ids, of bounded size, which neither cuts strings
 * out of the text nor keeps it alive. When full it starts afresh, which costs little and needs no order of use.
 */
import { type IdList } from './id-list.js';

/** Words of a few languages and a project's names; with what follows, 2.5 MB. */
const MAX_WORDS = 1 << 16;
const SLOTS = MAX_WORDS * 2;
/** UTF-16 code units of all words together. */
const MAX_KEY_UNITS = MAX_WORDS * 8;
/** Ids of all words together. */
const MAX_IDS = MAX_WORDS * 4;
/** Longer words are rare and seldom come again. */
export const MAX_CACHED_WORD_CHARACTERS = 64;

export class WordCache {
  /** Index of the word + 1; 0: free. */
  private readonly slots = new Int32Array(SLOTS);
  /** By word: where its code units and its ids begin; those of the next word end them. */
  private readonly keyStarts = new Int32Array(MAX_WORDS + 1);
  private readonly idStarts = new Int32Array(MAX_WORDS + 1);
  private readonly keys = new Uint16Array(MAX_KEY_UNITS);
  private readonly ids = new Int32Array(MAX_IDS);
  private words = 0;

  /** Appends the ids of text.slice(start, end) to `out` and returns true, or returns false if they are not known. */
  appendTo(text: string, start: number, end: number, out: IdList): boolean {
    const word = (this.slots[this.findSlot(text, start, end)] ?? 0) - 1;
    if (word === -1) return false;
    const last = this.idStarts[word + 1] ?? 0;
    for (let at = this.idStarts[word] ?? 0; at < last; at += 1) out.push(this.ids[at] ?? 0);
    return true;
  }

  /** Remembers the ids in `out` from `firstId` on as those of text.slice(start, end), which must not be known yet. */
  add(text: string, start: number, end: number, out: IdList, firstId: number): void {
    const units = end - start;
    const idCount = out.length - firstId;
    if (units > MAX_CACHED_WORD_CHARACTERS || idCount > MAX_IDS) return;
    let keyAt = this.keyStarts[this.words] ?? 0;
    let idAt = this.idStarts[this.words] ?? 0;
    if (this.words === MAX_WORDS || keyAt + units > MAX_KEY_UNITS || idAt + idCount > MAX_IDS) {
      this.slots.fill(0);
      this.words = 0;
      keyAt = 0;
      idAt = 0;
    }
    for (let at = start; at < end; at += 1) this.keys[keyAt++] = text.charCodeAt(at);
    for (let at = firstId; at < out.length; at += 1) this.ids[idAt++] = out.at(at);
    this.words += 1;
    this.keyStarts[this.words] = keyAt;
    this.idStarts[this.words] = idAt;
    this.slots[this.findSlot(text, start, end)] = this.words;
  }

  /** The slot of the word, or the free one where it belongs. */
  private findSlot(text: string, start: number, end: number): number {
    let hash = 0x811c9dc5;
    for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    hash ^= hash >>> 15;
    for (let slot = hash & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
      const word = (this.slots[slot] ?? 0) - 1;
      if (word === -1 || this.holds(word, text, start, end)) return slot;
    }
  }

  private holds(word: number, text: string, start: number, end: number): boolean {
    let key = this.keyStarts[word] ?? 0;
    if ((this.keyStarts[word + 1] ?? 0) - key !== end - start) return false;
    for (let at = start; at < end; at += 1, key += 1) if (this.keys[key] !== text.charCodeAt(at)) return false;
    return true;
  }
}
