/** A growing list of token ids. */
export class IdList {
  private ids = new Int32Array(256);
  private count = 0;

  push(id: number): void {
    if (this.count === this.ids.length) {
      const grown = new Int32Array(this.count * 2);
      grown.set(this.ids);
      this.ids = grown;
    }
    this.ids[this.count] = id;
    this.count += 1;
  }

  get length(): number {
    return this.count;
  }

  /** The id at an index below `length`. */
  at(index: number): number {
    return this.ids[index] ?? -1;
  }

  /** A copy of all ids. */
  toArray(): Int32Array {
    return this.ids.slice(0, this.count);
  }
}
