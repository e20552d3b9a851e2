/**
 * The merges that could be done next in a long word: the same order as MergeQueue's, lowest rank first and leftmost among
 * equals, but in time that stays in proportion to the word. A heap of a million merges misses the cache at each of its
 * levels; here every rank has a list of positions, which a scan from left to right fills in order, and only the ranks in
 * use are in a heap.
 *
 * A list that is being taken from gets no new positions: a merge makes pairs with a longer token than either of its own,
 * and so do all that lower-ranked merges make of those. So each position is sorted at most once.
 */
const NONE = -1;
const INITIAL_SIZE = 1024;

export class RankBuckets {
  /** By rank: first and last entry of its list. */
  private readonly first: Int32Array;
  private readonly last: Int32Array;
  /** By rank: 1 where a position was added that is left of the one before it. */
  private readonly isUnsorted: Uint8Array;
  /** Ranks with a list, a binary heap. */
  private readonly ranks: Int32Array;
  private rankCount = 0;
  /** Two numbers an entry: a position, and where the next entry of the list is. */
  private entries = new Int32Array(INITIAL_SIZE);
  private size = 0;
  /** Entries that pop() took out, to be used again: they are in the processor's cache. */
  private free = NONE;
  /** What pop() took out. */
  rank = 0;
  position = 0;

  /** Ranks are below `ranks`. */
  constructor(ranks: number) {
    this.first = new Int32Array(ranks).fill(NONE);
    this.last = new Int32Array(ranks);
    this.isUnsorted = new Uint8Array(ranks);
    this.ranks = new Int32Array(ranks + 1);
  }

  /** Makes room for that many merges at once, so that a long word's list is not copied as it grows. */
  reserve(merges: number): void {
    if (this.entries.length < merges * 2) this.resize(merges * 2);
  }

  push(rank: number, position: number): void {
    let entry = this.free;
    if (entry === NONE) {
      entry = this.size;
      this.size += 2;
      if (entry === this.entries.length) this.resize(entry * 2);
    } else {
      this.free = this.entries[entry + 1] ?? NONE;
    }
    const { entries } = this;
    entries[entry] = position;
    entries[entry + 1] = NONE;
    if (this.first[rank] === NONE) {
      this.first[rank] = entry;
      this.isUnsorted[rank] = 0;
      this.addRank(rank);
    } else {
      const last = this.last[rank] ?? NONE;
      if ((entries[last] ?? 0) > position) this.isUnsorted[rank] = 1;
      entries[last + 1] = entry;
    }
    this.last[rank] = entry;
  }

  /** Takes out the first merge, into `rank` and `position`; false when there is none. */
  pop(): boolean {
    if (this.rankCount === 0) return false;
    const rank = this.ranks[0] ?? 0;
    if (this.isUnsorted[rank] === 1) this.sort(rank);
    const { entries } = this;
    const entry = this.first[rank] ?? NONE;
    this.rank = rank;
    this.position = entries[entry] ?? 0;
    const next = entries[entry + 1] ?? NONE;
    this.first[rank] = next;
    if (next === NONE) this.removeFirstRank();
    entries[entry + 1] = this.free;
    this.free = entry;
    return true;
  }

  /** Gives back the memory of a long word; call it when all is taken out. */
  shrink(): void {
    this.entries = new Int32Array(INITIAL_SIZE);
    this.size = 0;
    this.free = NONE;
  }

  private resize(length: number): void {
    const entries = new Int32Array(length);
    entries.set(this.entries);
    this.entries = entries;
  }

  private sort(rank: number): void {
    const { entries } = this;
    const positions: number[] = [];
    for (let at = this.first[rank] ?? NONE; at !== NONE; at = entries[at + 1] ?? NONE) positions.push(entries[at] ?? 0);
    let at = this.first[rank] ?? NONE;
    for (const position of Int32Array.from(positions).sort()) {
      entries[at] = position;
      at = entries[at + 1] ?? NONE;
    }
    this.isUnsorted[rank] = 0;
  }

  private addRank(rank: number): void {
    const { ranks } = this;
    let at = this.rankCount;
    this.rankCount += 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const parentRank = ranks[parent] ?? 0;
      if (parentRank <= rank) break;
      ranks[at] = parentRank;
      at = parent;
    }
    ranks[at] = rank;
  }

  private removeFirstRank(): void {
    const { ranks } = this;
    this.rankCount -= 1;
    const rank = ranks[this.rankCount] ?? 0;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= this.rankCount) break;
      if (child + 1 < this.rankCount && (ranks[child + 1] ?? 0) < (ranks[child] ?? 0)) child += 1;
      const childRank = ranks[child] ?? 0;
      if (childRank >= rank) break;
      ranks[at] = childRank;
      at = child;
    }
    ranks[at] = rank;
  }
}
