import { describe, expect, it } from 'vitest';
import { toFloat16Array, toFloat16Bits } from './float16.js';

/** The value of fp16 bits, by the definition of the format. */
function fromBits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}

describe('toFloat16Bits', () => {
  it('gives every fp16 number back', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = fromBits(bits);
      if (!Number.isNaN(value) && toFloat16Bits(value) !== bits) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  it('rounds what lies between two neighbours to the nearer, and the middle to the even one', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x7bff; bits++) {
      const low = fromBits(bits);
      const high = fromBits(bits + 1);
      const middle = (low + high) / 2;
      const step = (high - low) / 1024;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const found = [middle - step, middle + step, middle, -middle].map(toFloat16Bits);
      if (found.join() !== [bits, bits + 1, even, 0x8000 | even].join()) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  it('turns what is too large into infinity and keeps NaN', () => {
    expect(toFloat16Bits(65519.996)).toBe(0x7bff);
    expect(toFloat16Bits(65520)).toBe(0x7c00);
    expect(toFloat16Bits(-1e30)).toBe(0xfc00);
    expect(fromBits(toFloat16Bits(NaN))).toBeNaN();
  });
});

describe('toFloat16Array', () => {
  it('gives what toFloat16Bits gives, at every exponent and around the rounding points', () => {
    const patterns = Uint32Array.from({ length: 1 << 17 }, (_, i) => (i << 15) ^ (Math.imul(i, 0x9e3779b1) >>> 17));
    const values = new Float32Array(patterns.buffer);
    expect([...toFloat16Array(values).halves]).toEqual(Array.from(values, toFloat16Bits));
  });

  it('tells the largest magnitude, also of what does not fit', () => {
    expect(toFloat16Array(Float32Array.of(0.5, -70_000, 3)).largest).toBe(70_000);
    expect(toFloat16Array(Float32Array.of(1, -Infinity)).largest).toBe(Infinity);
    expect(toFloat16Array(Float32Array.of(1, NaN, Infinity)).largest).toBeNaN();
    expect(toFloat16Array(new Float32Array(0))).toEqual({ halves: new Uint16Array(0), largest: 0 });
  });
});
