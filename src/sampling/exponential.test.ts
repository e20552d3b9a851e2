import { expect, it } from 'vitest';
import { expNonPositive } from './exponential.js';
import { createRandomSource } from './random.js';

it('is within two units in the last place of Math.exp', () => {
  const random = createRandomSource(1);
  for (let i = 0; i < 20_000; i++) {
    const x = -(random() ** 4) * 707;
    const expected = Math.exp(x);
    expect(Math.abs(expNonPositive(x) - expected)).toBeLessThanOrEqual(2 * Number.EPSILON * expected);
  }
});

it('is exactly 1 at zero and 0 for what is too small to count', () => {
  expect(expNonPositive(0)).toBe(1);
  expect(expNonPositive(-0)).toBe(1);
  expect(expNonPositive(-708)).toBeGreaterThan(0);
  expect(expNonPositive(-708.1)).toBe(0);
  expect(expNonPositive(-Infinity)).toBe(0);
});

it('never grows as its argument falls', () => {
  let previous = 1;
  for (let i = 0; i <= 70_800; i++) {
    const value = expNonPositive(-i / 100);
    expect(value).toBeLessThanOrEqual(previous);
    previous = value;
  }
});
