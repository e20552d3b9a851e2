/** ggml's Q4_0: 32 values to a block, an f16 scale and 4 bits for each (quantize_row_q4_0_ref in ggml-quants.c). */
import { toFloat16Bits } from '../../dist/src/convert/float16.js';

export const BLOCK_ELEMENTS = 32;
export const BLOCK_BYTES = 18;
const HALF = BLOCK_ELEMENTS / 2;

/** @param {Float32Array} values whole blocks @returns {Uint8Array} */
export function quantiseQ4_0(values) {
  const blocks = values.length / BLOCK_ELEMENTS;
  const bytes = new Uint8Array(blocks * BLOCK_BYTES);
  for (let block = 0; block < blocks; block += 1) {
    const from = block * BLOCK_ELEMENTS;
    let extreme = 0; // the value farthest from 0, with its sign: it becomes -8
    for (let index = from; index < from + BLOCK_ELEMENTS; index += 1) {
      if (Math.abs(values[index]) > Math.abs(extreme)) extreme = values[index];
    }
    const scale = Math.fround(extreme / -8);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    const half = toFloat16Bits(scale);
    let at = block * BLOCK_BYTES;
    bytes[at++] = half & 0xff;
    bytes[at++] = half >>> 8;
    for (let index = from; index < from + HALF; index += 1) {
      const low = Math.min(15, (values[index] * inverse + 8.5) | 0);
      const high = Math.min(15, (values[index + HALF] * inverse + 8.5) | 0);
      bytes[at++] = low | (high << 4);
    }
  }
  return bytes;
}
