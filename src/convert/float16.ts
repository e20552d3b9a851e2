/**
 * IEEE 754 binary32 to binary16, rounded to nearest even, for weights stored as fp16.
 * It does not read fp16: that is the weights folder's.
 */
const bits32 = new Uint32Array(1);
const float32 = new Float32Array(bits32.buffer);

/** A number's magnitude is compared as its bits, which order as it does; from here on it is infinite or NaN. */
const NOT_FINITE_BITS = 0x7f800000;
/** Smallest normal fp16. */
const SMALLEST_NORMAL_BITS = 0x38800000;
/** From here on it rounds to infinity. */
const OVERFLOW_BITS = 0x477ff000;

/** Largest finite fp16 value. */
export const MAX_FLOAT16 = 65504;

/** The 16 bits of the fp16 number nearest to `value`; infinity beyond the range, NaN stays NaN. */
export function toFloat16Bits(value: number): number {
  float32[0] = value;
  const bits = bits32[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= NOT_FINITE_BITS) return sign | (magnitude > NOT_FINITE_BITS ? 0x7e00 : 0x7c00);
  if (magnitude >= OVERFLOW_BITS) return sign | 0x7c00; // rounds to 65536 or more
  if (magnitude >= SMALLEST_NORMAL_BITS) {
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

/**
 * All of `values` as toFloat16Bits gives them, several times as fast. `largest` is the largest magnitude among them,
 * infinity or NaN if there is one.
 */
export function toFloat16Array(values: Float32Array): { readonly halves: Uint16Array; readonly largest: number } {
  const patterns = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  let largestBits = 0;
  for (let i = 0; i < patterns.length; i++) {
    const bits = patterns[i] as number; // in bounds: a check on each read would halve the speed
    const magnitude = bits & 0x7fffffff;
    if (magnitude > largestBits) largestBits = magnitude;
    halves[i] =
      magnitude >= SMALLEST_NORMAL_BITS && magnitude < OVERFLOW_BITS
        ? ((bits >>> 16) & 0x8000) | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
        : toFloat16Bits(values[i] as number);
  }
  return { halves, largest: fromBits(largestBits) };
}

function fromBits(bits: number): number {
  bits32[0] = bits;
  return float32[0] ?? NaN;
}
