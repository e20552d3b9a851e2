import { describe, expect, it } from 'vitest';
import { widenFloat16 } from './float16.js';

describe('widenFloat16', () => {
  it('widens normal, subnormal, zero and special values exactly', () => {
    const from = Uint16Array.of(0x3c00, 0xc000, 0x3555, 0x7bff, 0x0001, 0x8001, 0x03ff, 0x0000, 0x7c00, 0xfc00, 0x7e00);
    const to = new Float32Array(from.length);
    widenFloat16(from, to);
    expect([...to]).toEqual([
      ...[1, -2, 0.333251953125, 65504],
      ...[2 ** -24, -(2 ** -24), 1023 * 2 ** -24, 0],
      ...[Infinity, -Infinity, NaN],
    ]);
  });

  it('keeps the sign of zero', () => {
    const to = new Float32Array(1);
    widenFloat16(Uint16Array.of(0x8000), to);
    expect(Object.is(to[0], -0)).toBe(true);
  });
});
