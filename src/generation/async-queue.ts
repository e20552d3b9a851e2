/**
 * Hands values from callbacks to one async iterator, in order. It has no limit of its own:
 * the producer bounds what it pushes.
 */
export class AsyncQueue<T extends object> {
  private readonly items: T[] = [];
  private ended: { readonly failure?: { readonly error: unknown } } | undefined;
  private wakeReader: () => void = () => undefined;

  push(item: T): void {
    this.items.push(item);
    this.wakeReader();
  }

  /** The iterator ends after the items pushed so far. */
  end(): void {
    this.ended ??= {};
    this.wakeReader();
  }

  /** The iterator throws `error` after the items pushed so far. */
  fail(error: unknown): void {
    this.ended ??= { failure: { error } };
    this.wakeReader();
  }

  /** To be iterated once. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    while (true) {
      for (let item = this.items.shift(); item !== undefined; item = this.items.shift()) yield item;
      if (this.ended !== undefined) break;
      await new Promise<void>((resolve) => (this.wakeReader = resolve));
    }
    if (this.ended.failure !== undefined) throw this.ended.failure.error;
  }
}
