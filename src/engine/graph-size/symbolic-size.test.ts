import { describe, expect, it } from 'vitest';
import {
  add,
  BATCH,
  constantOf,
  divide,
  either,
  fitsBits,
  isAtMost,
  isEqual,
  largest,
  multiply,
  number,
  PAST,
  smallest,
  subtract,
  TOKENS,
  UNKNOWN,
  variable,
  type Amount,
} from './symbolic-size.js';

const [batch, tokens, past] = [variable(BATCH), variable(TOKENS), variable(PAST)];
const all = add(past, tokens);

/** The polynomial's value for a run. */
function at({ exact, high }: Amount, b: number, s: number, p: number): number {
  let sum = 0;
  for (const [monomial, x] of exact ?? high) {
    sum += x * b ** Math.floor(monomial / 100) * s ** (Math.floor(monomial / 10) % 10) * p ** (monomial % 10);
  }
  return sum;
}

describe('an amount', () => {
  it('is computed as the run will compute it', () => {
    const product = multiply(multiply(batch, all), number(64));
    expect(at(product, 2, 3, 5)).toBe(2 * 8 * 64);
    expect(at(subtract(all, tokens), 2, 3, 5)).toBe(5);
    expect(constantOf(subtract(all, all))).toBe(0);
  });

  it('is divided exactly where it can be, and bounded where it cannot', () => {
    const whole = multiply(multiply(batch, all), number(64));
    expect(at(divide(whole, multiply(all, number(16))), 2, 3, 5)).toBe(8);
    const half = divide(all, number(2));
    expect(half.exact).toBeUndefined();
    expect(half.low).toBe(0);
    expect(at(half, 1, 3, 4)).toBe(3.5);
    expect(divide(whole, number(0))).toEqual(UNKNOWN);
  });

  it('is compared for every run at once', () => {
    expect(isAtMost(tokens, all)).toBe(true);
    expect(isAtMost(number(1), tokens)).toBe(true);
    expect(isAtMost(number(2), tokens)).toBeUndefined();
    expect(isEqual(all, add(tokens, past))).toBe(true);
    expect(isEqual(tokens, number(-1))).toBe(false);
    expect(isEqual(tokens, number(3))).toBeUndefined();
  });

  it('is bounded by both where one of two is meant', () => {
    expect(at(either(number(7), tokens), 1, 3, 0)).toBe(10);
    expect(largest(tokens, all)).toBe(all);
    expect(at(smallest(tokens, number(4)), 1, 9, 0)).toBe(4);
  });

  it('is not taken for exact beyond what whole numbers of 32 bits hold', () => {
    expect(number(2 ** 53 + 1).exact).toBeUndefined();
    expect(multiply(number(2 ** 20), number(2 ** 20)).exact).toBeUndefined();
    expect(subtract(number(2 ** 53 + 2), number(2 ** 53)).exact).toBeUndefined();
  });

  it('may be negative where a runtime may overflow', () => {
    const large = multiply(either(number(2), number(2 ** 30)), either(number(2), number(2 ** 30)));
    expect(large.low).toBe(4);
    expect(multiply(large, large).low).toBe(-Infinity);
    expect(add(multiply(large, number(4)), multiply(large, number(4))).low).toBe(-Infinity);
    const cube = multiply(multiply(tokens, tokens), multiply(tokens, tokens));
    expect(multiply(cube, number(2 ** 20)).low).toBe(-Infinity);
    expect(fitsBits(multiply(batch, all).high, 31)).toBe(true);
    expect(fitsBits(multiply(batch, multiply(all, number(2))).high, 30)).toBe(false);
  });
});
