/** All changes of one file in an order that is always the same, so that a number names one. It knows no format. */
import type { Mutated } from './bytes.js';

export interface SweepChange {
  readonly what: string;
  /** The file with it. */
  readonly make: () => Buffer;
}

/** They are listed when one is asked for. */
export class DirectedSweep {
  readonly #list: () => Iterable<SweepChange>;
  #listed: readonly SweepChange[] | undefined;

  constructor(list: () => Iterable<SweepChange>) {
    this.#list = list;
  }

  get #changes(): readonly SweepChange[] {
    return (this.#listed ??= [...this.#list()]);
  }

  get length(): number {
    return this.#changes.length;
  }

  describe(number: number): string {
    return this.#changes[number]?.what ?? '';
  }

  make(number: number): Mutated {
    const change = this.#changes[number];
    if (change === undefined) throw new RangeError(`change ${number} of ${this.length}`);
    return { bytes: change.make(), what: change.what };
  }
}
