/**
 * Choices for the mutators, the same for the same text of a seed. It draws from the generator that sampling uses.
 */
import { createHash } from 'node:crypto';
import { createRandomSource } from '../../src/sampling/random.js';

/** Lengths, offsets and counts that break arithmetic: around the limits of 8 to 64 bits and of exact doubles. */
export const EXTREMES: readonly bigint[] = [
  ...[0n, 1n, 2n, 127n, 128n, 255n, 256n, 65_535n, 65_536n],
  ...[2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 40n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n],
  ...[2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 16n, 2n ** 64n - 8n, 2n ** 64n - 1n],
];

export class Random {
  readonly #next: () => number;

  constructor(seed: string) {
    this.#next = createRandomSource(createHash('sha256').update(seed).digest().readUInt32LE());
  }

  /** An integer in [0, end). */
  below(end: number): number {
    return Math.floor(this.#next() * end);
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  /** Of a list that is not empty. */
  pick<T>(from: readonly T[]): T {
    const picked = from[this.below(from.length)];
    if (picked === undefined) throw new RangeError('Random.pick: nothing to pick from');
    return picked;
  }

  /** An extreme, as it is or moved by one, or a small number. */
  extreme(): bigint {
    if (this.chance(0.25)) return BigInt(this.below(300));
    const moved = this.pick(EXTREMES) + BigInt(this.below(3) - 1);
    return BigInt.asUintN(64, moved);
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)));
  }
}
