/**
 * Extremes of a stretch of f32 weights, which tell of NaN and infinity too. The caller guarantees start < end <= length;
 * a check on each read would halve the speed.
 */

/** NaN if there is a NaN or an infinity. */
export function minimum(weights: Float32Array, start: number, end: number): number {
  let min = weights[start] as number;
  let nonFinite = 0; // v - v is 0 for every finite v and NaN for any other
  for (let i = start; i < end; i++) {
    const v = weights[i] as number;
    if (v < min) min = v;
    nonFinite += v - v;
  }
  return min + nonFinite;
}

/** Unspecified if there is a NaN: minimum() tells. */
export function maximum(weights: Float32Array, start: number, end: number): number {
  let max = weights[start] as number;
  for (let i = start; i < end; i++) {
    const v = weights[i] as number;
    if (v > max) max = v;
  }
  return max;
}
