/** A growing list of token ids, in blocks: a long list is not copied as it grows. */

const BLOCK_BITS = 14;
const BLOCK_IDS = 1 << BLOCK_BITS;

export class IdList {
  /** Full ones, of BLOCK_IDS each. */
  private readonly full: Int32Array[] = [];
  private block = new Int32Array(256);
  /** Ids in `block`. */
  private count = 0;

  push(id: number): void {
    if (this.count === this.block.length) this.grow();
    this.block[this.count] = id;
    this.count += 1;
  }

  get length(): number {
    return this.full.length * BLOCK_IDS + this.count;
  }

  /** The id at an index below `length`. */
  at(index: number): number {
    const block = this.full[index >> BLOCK_BITS] ?? this.block;
    return block[index & (BLOCK_IDS - 1)] ?? -1;
  }

  /** A copy of all ids. */
  toArray(): Int32Array {
    const ids = new Int32Array(this.length);
    for (const [index, block] of this.full.entries()) ids.set(block, index * BLOCK_IDS);
    ids.set(this.block.subarray(0, this.count), this.full.length * BLOCK_IDS);
    return ids;
  }

  private grow(): void {
    if (this.block.length === BLOCK_IDS) {
      this.full.push(this.block);
      this.block = new Int32Array(BLOCK_IDS);
      this.count = 0;
      return;
    }
    const grown = new Int32Array(this.block.length * 4);
    grown.set(this.block);
    this.block = grown;
  }
}
