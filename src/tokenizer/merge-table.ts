/**
 * Which pairs of neighbouring symbols merge, into what, and how early (rank 0 first): a hash table of numbers, because
 * looking up pairs is most of the work of BPE.
 */
export class MergeTable {
  private readonly mask: number;
  /** Three numbers an entry: left id (-1: free), right id, rank. */
  private readonly entries: Int32Array;
  private readonly merged: Int32Array;

  /** `capacity`: how many merges will be added at most. */
  constructor(capacity: number) {
    let slots = 16;
    while (slots < capacity * 2) slots *= 2;
    this.mask = slots - 1;
    this.entries = new Int32Array(slots * 3).fill(-1);
    this.merged = new Int32Array(capacity);
  }

  /** Ranks are below this. */
  get size(): number {
    return this.merged.length;
  }

  /** Index into entries of the pair, or of the free place where it belongs. */
  private find(left: number, right: number): number {
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & this.mask;
    for (;;) {
      const at = slot * 3;
      const found = this.entries[at];
      if (found === -1 || (found === left && this.entries[at + 1] === right)) return at;
      slot = (slot + 1) & this.mask;
    }
  }

  /** Adds a merge; a pair that is there already gets the new rank, as in Hugging Face's library. */
  add(left: number, right: number, rank: number, merged: number): void {
    const at = this.find(left, right);
    this.entries[at] = left;
    this.entries[at + 1] = right;
    this.entries[at + 2] = rank;
    this.merged[rank] = merged;
  }

  /** The rank of merging two symbols, -1 if they do not merge. */
  rank(left: number, right: number): number {
    return this.entries[this.find(left, right) + 2] ?? -1;
  }

  /** The id that the merge of this rank makes. */
  result(rank: number): number {
    return this.merged[rank] ?? -1;
  }
}
