import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BLOCK_LAYOUTS, dequantise } from './dequantise.js';
import { goldenPath } from './testing/files.js';
import { type DType } from './weights.js';

interface Golden {
  readonly blocks: readonly {
    readonly dtype: DType;
    readonly what: string;
    readonly stored: string;
    readonly values: string;
  }[];
  readonly everyFiniteF16: string;
}

const golden = JSON.parse(readFileSync(goldenPath('blocks.json'), 'utf8')) as Golden;

function decode(dtype: DType, stored: Uint8Array): Float32Array {
  const source = new Uint8Array(stored).buffer;
  const { blockBytes, blockElements } = BLOCK_LAYOUTS[dtype];
  const values = new Float32Array((stored.length / blockBytes) * blockElements);
  dequantise(dtype, source, 0, values.length, values, 0);
  return values;
}

const bytesOf = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

describe('dequantise', () => {
  it.each(golden.blocks)('equals the reference bit for bit: $dtype, $what', ({ dtype, stored, values }) => {
    const found = decode(dtype, Buffer.from(stored, 'base64'));
    expect(found.length).toBeGreaterThan(0);
    expect(bytesOf(found).toString('hex')).toBe(Buffer.from(values, 'base64').toString('hex'));
  });

  it('expands every finite f16 exactly, subnormals and both zeros included', () => {
    const finite = Uint16Array.from({ length: 0x10000 }, (_, i) => i).filter((bits) => (bits & 0x7c00) !== 0x7c00);
    const found = decode('F16', new Uint8Array(finite.buffer));
    expect(createHash('sha256').update(bytesOf(found)).digest('hex')).toBe(golden.everyFiniteF16);
  });

  it.each(['F16', 'BF16'] as const)('keeps every NaN of %s a NaN with its sign and payload', (dtype) => {
    const [fractionBits, exponentMask] = dtype === 'F16' ? [10, 0x7c00] : [7, 0x7f80];
    const nans = Uint16Array.from({ length: 0x10000 }, (_, i) => i).filter(
      (bits) => (bits & exponentMask) === exponentMask && (bits & ((1 << fractionBits) - 1)) !== 0,
    );
    const bits = new Uint32Array(decode(dtype, new Uint8Array(nans.buffer)).buffer);
    for (const [i, nan] of nans.entries()) {
      const fraction = (nan & ((1 << fractionBits) - 1)) << (23 - fractionBits);
      expect(bits[i]).toBe((((nan >> 15) << 31) | 0x7f800000 | fraction) >>> 0);
    }
  });

  it('copies f32 bit for bit', () => {
    const values = Float32Array.of(0, -0, 1.5, 2 ** -149, Infinity, -Infinity, NaN);
    expect(bytesOf(decode('F32', bytesOf(values)))).toEqual(bytesOf(values));
  });

  it('writes only its own range of the target', () => {
    const target = new Float32Array(6).fill(9);
    dequantise('F16', Uint16Array.of(0, 0x3c00, 0xc000, 0).buffer, 2, 2, target, 3);
    expect([...target]).toEqual([9, 9, 9, 1, -2, 9]);
  });

  it('multiplies an infinite scale as ggml does: NaN at zero quants', () => {
    const block = new Uint8Array(34);
    block.set([0x00, 0x7c, 0, 1, 0xff]);
    expect([...decode('Q8_0', block).subarray(0, 3)]).toEqual([NaN, Infinity, -Infinity]);
  });
});
