/** f16 to f32 by table: dequantising looks up a scale or two for every 32 values. */

let f16Table: Uint32Array | undefined;

/** The f32 bit pattern of every f16 bit pattern (IEEE 754 binary16): 256 KiB, made on first use. */
export function f16Bits(): Uint32Array {
  if (f16Table !== undefined) return f16Table;
  const table = new Uint32Array(0x10000);
  const values = new Float32Array(table.buffer);
  for (let magnitude = 0; magnitude < 0x8000; magnitude++) {
    const exponent = magnitude >> 10;
    const fraction = magnitude & 0x3ff;
    if (exponent === 0) values[magnitude] = fraction * 2 ** -24;
    else if (exponent === 0x1f) table[magnitude] = 0x7f800000 | (fraction << 13);
    else table[magnitude] = ((exponent + 112) << 23) | (fraction << 13);
    table[magnitude | 0x8000] = (table[magnitude] ?? 0) | 0x80000000;
  }
  f16Table = table;
  return table;
}

/** The same as values: a view, made anew by each call. */
export function f16Values(): Float32Array {
  return new Float32Array(f16Bits().buffer);
}
