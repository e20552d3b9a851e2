import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dequantiseRows, quantiseRows, type BlockSize } from './quantise.js';
import { randomVector } from './testing/memory-source.js';

interface GoldenCase {
  readonly bits: 4 | 8;
  readonly symmetric: boolean;
  readonly blockSize: BlockSize;
  readonly columnCount: number;
  /** Base64 of little-endian data. */
  readonly weights: string;
  readonly values: string;
  readonly scales: string;
  readonly zeroPoints: string | null;
}

const golden = JSON.parse(readFileSync('test/golden/convert/quantise.json', 'utf8')) as {
  readonly cases: readonly GoldenCase[];
};

function decode(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, 'base64'));
}

/** The first places where the bytes differ: short enough to print. */
function differences(found: ArrayBufferView | null, expected: string | null): number[] {
  const a = found === null ? new Uint8Array() : new Uint8Array(found.buffer, found.byteOffset, found.byteLength);
  const b = expected === null ? new Uint8Array() : decode(expected);
  const places = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i);
  return places.filter((i) => a[i] !== b[i]).slice(0, 5);
}

describe('quantiseRows', () => {
  it.each(golden.cases)(
    "equals ONNX Runtime's quantiser bit for bit: $bits bits, symmetric $symmetric, block $blockSize, $columnCount columns",
    (golden) => {
      const { values, scales, zeroPoints } = quantiseRows(
        new Float32Array(decode(golden.weights).buffer),
        golden.columnCount,
        golden,
      );
      expect(differences(scales, golden.scales)).toEqual([]);
      expect(differences(zeroPoints, golden.zeroPoints)).toEqual([]);
      expect(differences(values, golden.values)).toEqual([]);
    },
  );

  it('gives the same bytes for a matrix in one piece and in slices of rows', () => {
    const weights = randomVector(10 * 80, 1, 1);
    for (const format of [
      { bits: 4, blockSize: 32, symmetric: false },
      { bits: 8, blockSize: 16, symmetric: true },
    ] as const) {
      const whole = quantiseRows(weights, 80, format);
      const top = quantiseRows(weights.subarray(0, 240), 80, format);
      const rest = quantiseRows(weights.subarray(240), 80, format);
      expect(Buffer.concat([top.values, rest.values])).toEqual(Buffer.from(whole.values));
      expect([...top.scales, ...rest.scales]).toEqual([...whole.scales]);
      expect([...(top.zeroPoints ?? []), ...(rest.zeroPoints ?? [])]).toEqual([...(whole.zeroPoints ?? [])]);
    }
  });

  it('stays within half a step of every weight, except for the one end that a symmetric range lacks', () => {
    const columnCount = 96;
    const weights = randomVector(8 * columnCount, 2, 3);
    for (const bits of [4, 8] as const) {
      for (const symmetric of [true, false]) {
        const format = { bits, blockSize: 32, symmetric } as const;
        const quantised = quantiseRows(weights, columnCount, format);
        const back = dequantiseRows(quantised, columnCount, format);
        const allowance = symmetric ? 1.0001 : 0.5001;
        const errorsInSteps = back.map((value, i) => {
          const step = Math.abs(quantised.scales[Math.floor(i / 32)] ?? 0);
          return Math.abs(value - (weights[i] ?? 0)) / step;
        });
        expect(Math.max(...errorsInSteps)).toBeLessThanOrEqual(allowance);
      }
    }
  });

  it('keeps a weight of zero exactly zero', () => {
    const weights = randomVector(64, 3, 1).map((v) => v + 5);
    weights[7] = 0;
    for (const symmetric of [true, false]) {
      const format = { bits: 4, blockSize: 64, symmetric } as const;
      expect(dequantiseRows(quantiseRows(weights, 64, format), 64, format)[7]).toBeCloseTo(0, 30);
    }
  });

  it.each([NaN, Infinity, -Infinity])('refuses %s and says in which row it is', (value) => {
    const weights = randomVector(3 * 40, 4, 1);
    weights[2 * 40 + 39] = value;
    expect(() => quantiseRows(weights, 40, { bits: 4, blockSize: 32, symmetric: true })).toThrow(
      expect.objectContaining({ code: 'FILE_MALFORMED', details: { row: 2 } }),
    );
  });

  it('refuses a vector that is not whole rows', () => {
    expect(() => quantiseRows(new Float32Array(70), 40, { bits: 8, blockSize: 32, symmetric: true })).toThrow(
      RangeError,
    );
  });
});
