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

  /** A copy of the ids from `start` on. */
  slice(start = 0): Int32Array {
    return this.ids.slice(start, this.count);
  }
}
