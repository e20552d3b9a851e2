/**
 * IEEE 754 binary32 to binary16, rounded to nearest even, for weights stored as fp16.
 * It does not read fp16: that is the weights folder's.
 */
const bits32 = new Uint32Array(1);
const float32 = new Float32Array(bits32.buffer);

/** Largest finite fp16 value. */
export const MAX_FLOAT16 = 65504;

/** The 16 bits of the fp16 number nearest to `value`; infinity beyond the range, NaN stays NaN. */
export function toFloat16Bits(value: number): number {
  float32[0] = value;
  const bits = bits32[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds to 65536 or more
  if (magnitude >= 0x38800000) {
    // Normal: move the exponent bias from 127 to 15 and round the 13 dropped bits to even.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  if (magnitude < 0x33000000) return sign; // under half of the smallest subnormal
  const exponent = magnitude >>> 23;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent;
  const half = 1 << (shift - 1);
  const quotient = significand >>> shift;
  const remainder = significand & ((1 << shift) - 1);
  const up = remainder > half || (remainder === half && (quotient & 1) === 1);
  return sign | (quotient + (up ? 1 : 0));
}
