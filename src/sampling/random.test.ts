import { describe, expect, it } from 'vitest';
import { createRandomSource, expandSeed, xoshiro128StarStar } from './random.js';

describe('xoshiro128**', () => {
  it("gives the words of the authors' C program", () => {
    const next = xoshiro128StarStar(Uint32Array.of(1, 2, 3, 4));
    expect(Array.from({ length: 10 }, next)).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  it("fills its state with SplitMix64 as the authors' C program does", () => {
    const state = expandSeed(42);
    expect([...state]).toEqual([803958421, 3184996902, 2993090819, 686809907]);
    const next = xoshiro128StarStar(state);
    expect(Array.from({ length: 4 }, next)).toEqual([1776835114, 4165204688, 17111135, 2317295270]);
  });
});

describe('a random source', () => {
  it('repeats itself for the same seed and differs for another', () => {
    const draw = (seed: number) => Array.from({ length: 100 }, createRandomSource(seed));
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it.each([0, 1, 2 ** 32 - 1])('gives evenly spread numbers in [0, 1) for seed %i', (seed) => {
    const random = createRandomSource(seed);
    const bins = new Float64Array(16);
    const draws = 16_000;
    for (let i = 0; i < draws; i++) {
      const number = random();
      expect(number >= 0 && number < 1).toBe(true);
      const bin = Math.floor(number * bins.length);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    const expected = draws / bins.length;
    const chiSquare = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chiSquare).toBeLessThan(37.7); // 15 degrees of freedom, p = 0.001
  });
});
