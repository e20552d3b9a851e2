/**
 * A growing list of token ids in one typed array, so that the sampler and the engine read it without a copy.
 * It does not know what the tokens mean nor which of them are in a KV cache.
 */

const INITIAL_CAPACITY_TOKENS = 256;

export class TokenBuffer {
  private storage = new Int32Array(INITIAL_CAPACITY_TOKENS);
  private count = 0;

  get length(): number {
    return this.count;
  }

  /** Amortised constant time. */
  push(token: number): void {
    this.reserve(this.count + 1);
    this.storage[this.count++] = token;
  }

  /** Makes `tokens` (copied) the whole content. */
  replace(tokens: Int32Array): void {
    this.reserve(tokens.length);
    this.storage.set(tokens);
    this.count = tokens.length;
  }

  clear(): void {
    this.count = 0;
  }

  /** The tokens of [from, to), not copied: valid until the next replace(), unaffected by push(). */
  view(from = 0, to = this.count): Int32Array {
    return this.storage.subarray(from, Math.min(to, this.count));
  }

  private reserve(capacityTokens: number): void {
    if (capacityTokens <= this.storage.length) return;
    const grown = new Int32Array(Math.max(capacityTokens, 2 * this.storage.length));
    grown.set(this.view());
    this.storage = grown;
  }
}
