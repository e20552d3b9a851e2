/**
 * The merges that could be done next, the lowest rank first and, among equal ranks, the leftmost: a heap of
 * numbers, each of which holds a rank and a position. For words of some hundred characters; rank-buckets.ts is for longer ones.
 */

/** Ranks are at most 2^20 (MAX_MERGES), positions below 2^29: together exact in a double. */
const POSITIONS = 2 ** 29;
const INITIAL_SIZE = 64;

export class MergeQueue {
  private heap = new Float64Array(INITIAL_SIZE);
  private size = 0;
  /** What pop() took out. */
  rank = 0;
  position = 0;

  push(rank: number, position: number): void {
    if (this.size === this.heap.length) {
      const grown = new Float64Array(this.size * 2);
      grown.set(this.heap);
      this.heap = grown;
    }
    const { heap } = this;
    const key = rank * POSITIONS + position;
    let at = this.size;
    this.size += 1;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      const parentKey = heap[parent] ?? 0;
      if (parentKey <= key) break;
      heap[at] = parentKey;
      at = parent;
    }
    heap[at] = key;
  }

  /** Takes out the first merge, into `rank` and `position`; false when there is none. */
  pop(): boolean {
    if (this.size === 0) return false;
    const { heap } = this;
    const first = heap[0] ?? 0;
    this.size -= 1;
    const key = heap[this.size] ?? 0;
    let at = 0;
    for (;;) {
      const firstChild = at * 4 + 1;
      if (firstChild >= this.size) break;
      let child = firstChild;
      let childKey = heap[child] ?? 0;
      const lastChild = Math.min(firstChild + 3, this.size - 1);
      for (let other = firstChild + 1; other <= lastChild; other += 1) {
        const otherKey = heap[other] ?? 0;
        if (otherKey < childKey) {
          child = other;
          childKey = otherKey;
        }
      }
      if (childKey >= key) break;
      heap[at] = childKey;
      at = child;
    }
    heap[at] = key;
    this.rank = Math.floor(first / POSITIONS);
    this.position = first - this.rank * POSITIONS;
    return true;
  }
}
