/** The frequencies of rotary embedding. */

/**
 * theta^(-2i / rotarySize) for i from 0 to rotarySize / 2 - 1, every step rounded to f32 as transformers does it
 * (modeling_rope_utils.py): f32 [rotarySize / 2].
 */
export function inverseFrequencies(theta: number, rotarySize: number): Float32Array {
  return Float32Array.from({ length: rotarySize / 2 }, (_, i) =>
    Math.fround(1 / Math.fround(theta ** Math.fround((2 * i) / rotarySize))),
  );
}
