/**
 * The merges that could be done next, the lowest rank first and, among equal ranks, the leftmost: a binary heap of
 * numbers, each of which holds a rank and a position.
 */

/** Ranks are below 2^22 (MAX_MERGES), positions below 2^29: together exact in a double. */
const POSITIONS = 2 ** 29;

export class MergeQueue {
  private heap = new Float64Array(64);
  private size = 0;

  clear(): void {
    this.size = 0;
  }

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
      const parent = (at - 1) >> 1;
      const parentKey = heap[parent] ?? 0;
      if (parentKey <= key) break;
      heap[at] = parentKey;
      at = parent;
    }
    heap[at] = key;
  }

  /** Takes out the first merge; undefined when there is none. */
  pop(): { rank: number; position: number } | undefined {
    if (this.size === 0) return undefined;
    const { heap } = this;
    const first = heap[0] ?? 0;
    this.size -= 1;
    const key = heap[this.size] ?? 0;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && (heap[child + 1] ?? 0) < (heap[child] ?? 0)) child += 1;
      const childKey = heap[child] ?? 0;
      if (childKey >= key) break;
      heap[at] = childKey;
      at = child;
    }
    heap[at] = key;
    const rank = Math.floor(first / POSITIONS);
    return { rank, position: first - rank * POSITIONS };
  }
}
