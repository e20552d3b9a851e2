/** Half-precision floats to single precision, for logits that a model gives in f16. IEEE 754 binary16. */

let table: Float32Array | undefined;

/** The f32 value of every f16 bit pattern: 256 KiB, made once. */
function float16Table(): Float32Array {
  const values = new Float32Array(2 ** 16);
  for (let bits = 0; bits < values.length; bits += 1) {
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    let magnitude: number;
    if (exponent === 0x1f) magnitude = fraction === 0 ? Infinity : NaN;
    else if (exponent === 0) magnitude = fraction * 2 ** -24;
    else magnitude = (1 + fraction / 1024) * 2 ** (exponent - 15);
    values[bits] = bits >= 0x8000 ? -magnitude : magnitude;
  }
  return values;
}

/** Writes the values of the f16 bit patterns `from` to `to`, which must have the same length. */
export function widenFloat16(from: Uint16Array, to: Float32Array): void {
  table ??= float16Table();
  for (let i = 0; i < from.length; i += 1) to[i] = table[from[i] ?? 0] ?? 0;
}
