/** The frequencies of rotary embedding. */

/**
 * theta^(2i / rotarySize) for i from 0 to rotarySize / 2 - 1: f32 [rotarySize / 2]. Every step is rounded to f32, here
 * and below, as transformers does it (modeling_rope_utils.py).
 */
export function wavelengths(theta: number, rotarySize: number): Float32Array {
  return Float32Array.from({ length: rotarySize / 2 }, (_, i) => theta ** Math.fround((2 * i) / rotarySize));
}

/** 1 / (factors[i] * theta^(2i / rotarySize)): f32 [rotarySize / 2]. Without factors they are 1. */
export function inverseFrequencies(
  theta: number,
  rotarySize: number,
  factors: readonly number[] | null = null,
): Float32Array {
  return wavelengths(theta, rotarySize).map(
    (wavelength, i) => 1 / Math.fround(Math.fround(factors?.[i] ?? 1) * wavelength),
  );
}
