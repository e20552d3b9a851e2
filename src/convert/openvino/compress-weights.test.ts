import { describe, expect, it } from 'vitest';
import { randomVector } from '../testing/memory-source.js';
import { compressRows, largestInt8Error, packedBytes, type CompressedFormat } from './compress-weights.js';

const INT4_SYM: CompressedFormat = { bits: 4, symmetric: true, groupSize: 4 };
const INT4_ASYM: CompressedFormat = { ...INT4_SYM, symmetric: false };

/** Signed where symmetric. */
function numbers(packed: Uint8Array, count: number, { bits, symmetric }: CompressedFormat): number[] {
  const signed = (q: number): number => (symmetric && q >= 2 ** (bits - 1) ? q - 2 ** bits : q);
  return Array.from({ length: count }, (_, i) =>
    signed(bits === 8 ? (packed[i] ?? NaN) : ((packed[i >> 1] ?? NaN) >> ((i & 1) * 4)) & 15),
  );
}

function f16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return (
    (bits >> 15 === 1 ? -1 : 1) * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
  );
}

// Byte-identity with NNCF on whole models is export-openvino.test.ts's.
describe('compressRows', () => {
  it('gives the larger half the side with one step more, by a negative scale where it is positive', () => {
    const { values, scales } = compressRows(Float32Array.of(-1, 0.5, 0, 0.25, 1, -0.5, 0, 0.25), 4, INT4_SYM);
    expect(Array.from(scales, f16)).toEqual([1 / 8, -1 / 8]);
    expect(numbers(values, 8, INT4_SYM)).toEqual([-8, 4, 0, 2, -8, 4, 0, -2]);
  });

  it('rounds halves to even and clamps', () => {
    // Scale 1/8: 0.0625 is half a step, 0.1875 one and a half; 8 steps up are one too many.
    const { values } = compressRows(Float32Array.of(-1, 0.0625, 0.1875, 1), 4, INT4_SYM);
    expect(numbers(values, 4, INT4_SYM)).toEqual([-8, 0, 2, 7]);
  });

  it('keeps zero exactly, in groups of one sign too', () => {
    const { values, scales, zeroPoints } = compressRows(Float32Array.of(0, 3, 1.5, 15, 0, -15, -1, -3), 4, INT4_ASYM);
    expect(Array.from(scales, f16)).toEqual([1, 1]);
    expect(numbers(zeroPoints ?? Uint8Array.of(), 2, INT4_ASYM)).toEqual([0, 15]);
    expect(numbers(values, 8, INT4_ASYM)).toEqual([0, 3, 2, 15, 15, 0, 14, 12]);
  });

  it.each([INT4_SYM, INT4_ASYM])('stores groups of zeros with the smallest scale, not with none (%o)', (format) => {
    const { values, scales } = compressRows(new Float32Array(4), 4, format);
    expect(Array.from(scales, f16)).toEqual([2 ** -23]);
    expect(numbers(values, 4, format)).toEqual([0, 0, 0, 0]);
  });

  it('packs rows and zero points without gap, the first in the low half', () => {
    const weights = Float32Array.of(15, 1, 15, 2, 15, 3);
    const { values, zeroPoints } = compressRows(weights, 2, { bits: 4, symmetric: false, groupSize: 2 });
    expect([...values]).toEqual([0x1f, 0x2f, 0x3f]);
    expect(zeroPoints).toHaveLength(2);
    const odd = { bits: 4, symmetric: false, groupSize: 3 } as const;
    expect([...compressRows(Float32Array.of(15, 1, 2, 15, 3, 4), 3, odd).values]).toEqual([0x1f, 0xf2, 0x43]);
  });

  it.each([
    { bits: 4, symmetric: true, groupSize: 16 },
    { bits: 4, symmetric: false, groupSize: 48 },
    { bits: 8, symmetric: false, groupSize: 48 },
    { bits: 8, symmetric: true, groupSize: 16 },
  ] as const)('gives the same bytes in slices of an even number of rows (%o)', (format) => {
    const weights = randomVector(48 * 10, 5, 0.1);
    const whole = compressRows(weights, 48, format);
    const slices = [weights.subarray(0, 48 * 4), weights.subarray(48 * 4)].map((rows) =>
      compressRows(rows, 48, format),
    );
    const joined = (part: 'values' | 'zeroPoints'): number[] => slices.flatMap((slice) => [...(slice[part] ?? [])]);
    expect(joined('values')).toEqual([...whole.values]);
    expect(joined('zeroPoints')).toEqual([...(whole.zeroPoints ?? [])]);
    expect(slices.flatMap(({ scales }) => [...scales])).toEqual([...whole.scales]);
    expect(whole.values).toHaveLength(packedBytes(480, format.bits));
  });

  it.each([NaN, Infinity, -Infinity])('refuses %d and names the row', (value) => {
    const weights = new Float32Array(12).fill(1);
    weights[9] = value;
    for (const format of [INT4_SYM, INT4_ASYM]) {
      expect(() => compressRows(weights, 4, format)).toThrow(
        expect.objectContaining({ code: 'FILE_MALFORMED', details: { row: 2 } }),
      );
    }
    expect(() => largestInt8Error(weights, 4)).toThrow(expect.objectContaining({ code: 'FILE_MALFORMED' }));
  });

  it('refuses weights whose scale f16 cannot hold, where NNCF stores infinity', () => {
    const huge = Float32Array.of(1e6, 0, 0, 0);
    expect(() => compressRows(huge, 4, INT4_SYM)).toThrow(expect.objectContaining({ code: 'DTYPE_UNSUPPORTED' }));
    expect(compressRows(Float32Array.of(5e5, 0, 0, 0), 4, INT4_SYM).scales).toHaveLength(1);
  });
});

describe('largestInt8Error', () => {
  it('is the mean square error of the worst row', () => {
    // 255 steps of 1/255: the first row is exact but for its scale, the second is off by half a step in one of four.
    const exact = Float32Array.of(0, 1, 0, 1);
    expect(largestInt8Error(exact, 4)).toBeLessThan(1e-14);
    const worse = Float32Array.of(0, 1, 0, 1, 0, 1, 0.5, 0);
    expect(largestInt8Error(worse, 4) / ((0.5 / 255) ** 2 / 4)).toBeCloseTo(1, 3);
    expect(largestInt8Error(worse.subarray(4), 4)).toBe(largestInt8Error(worse, 4));
  });
});
