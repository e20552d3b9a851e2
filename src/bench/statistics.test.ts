/** Percentiles of values that everybody can count. */
import { describe, expect, it } from 'vitest';
import { percentiles, quantile, summarise } from './statistics.js';

const hundred = Array.from({ length: 101 }, (_, index) => 100 - index);

describe('statistics', () => {
  it('take quantiles between neighbours, in any order of the values', () => {
    expect(percentiles(hundred)).toEqual({ median: 50, p90: 90, p99: 99, least: 0, most: 100 });
    expect(quantile([4, 1], 0.5)).toBe(2.5);
    expect(quantile([7], 0.99)).toBe(7);
    expect(() => quantile([], 0.5)).toThrow(RangeError);
  });

  it('keep the values as they were measured', () => {
    expect(summarise([3, 1, 2.00049])).toEqual({ median: 2, least: 1, most: 3, values: [3, 1, 2] });
  });
});
