/**
 * The inner loops of quantisation as WebAssembly with 128-bit vectors: ten times as fast as the same loops in
 * JavaScript, which computes in f64 and rounds each step to f32. AssemblyScript, compiled by scripts/build.mjs to
 * dist/src/convert/quantise-kernels.wasm. What the numbers mean is told where they are called: src/convert/quantise.ts
 * (ONNX Runtime's rounding) and src/convert/openvino/compress-weights.ts (NNCF's).
 *
 * Pointers are byte offsets into the module's memory, which the caller lays out. All arithmetic is f32, each step
 * rounded once, unless it says f64. WebAssembly's SIMD is deterministic: every platform gives the same bytes.
 */

/** Magnitudes' bit patterns order as magnitudes do; from here on they are infinite or NaN. */
const NOT_FINITE_BITS: i32 = 0x7f800000;
const MAGNITUDE_MASK: i32 = 0x7fffffff;
/** NNCF's smallest magnitude of a scale: FLT_EPSILON. */
const SMALLEST_SCALE: f32 = 1.1920928955078125e-7;

let least: f32 = 0;
let most: f32 = 0;

/** Sets `least` and `most` of f32 [count], count > 0; false where one is NaN or infinite. */
function findRange(weights: usize, count: i32): bool {
  let index = 0;
  let low = load<f32>(weights);
  let high = low;
  let largest = 0;
  if (count >= 8) {
    let lows0 = v128.load(weights);
    let lows1 = lows0;
    let highs0 = lows0;
    let highs1 = lows0;
    let magnitudes = i32x4.splat(0);
    const mask = i32x4.splat(MAGNITUDE_MASK);
    for (; index + 8 <= count; index += 8) {
      const first = v128.load(weights + (<usize>index << 2));
      const second = v128.load(weights + (<usize>index << 2), 16);
      lows0 = f32x4.pmin(lows0, first);
      lows1 = f32x4.pmin(lows1, second);
      highs0 = f32x4.pmax(highs0, first);
      highs1 = f32x4.pmax(highs1, second);
      magnitudes = i32x4.max_s(magnitudes, i32x4.max_s(v128.and(first, mask), v128.and(second, mask)));
    }
    const lows = f32x4.pmin(lows0, lows1);
    const highs = f32x4.pmax(highs0, highs1);
    low = smaller(
      smaller(f32x4.extract_lane(lows, 0), f32x4.extract_lane(lows, 1)),
      smaller(f32x4.extract_lane(lows, 2), f32x4.extract_lane(lows, 3)),
    );
    high = larger(
      larger(f32x4.extract_lane(highs, 0), f32x4.extract_lane(highs, 1)),
      larger(f32x4.extract_lane(highs, 2), f32x4.extract_lane(highs, 3)),
    );
    largest = largerInt(
      largerInt(i32x4.extract_lane(magnitudes, 0), i32x4.extract_lane(magnitudes, 1)),
      largerInt(i32x4.extract_lane(magnitudes, 2), i32x4.extract_lane(magnitudes, 3)),
    );
  }
  for (; index < count; index++) {
    const at = weights + (<usize>index << 2);
    const weight = load<f32>(at);
    low = smaller(low, weight);
    high = larger(high, weight);
    largest = largerInt(largest, load<i32>(at) & MAGNITUDE_MASK);
  }
  least = low;
  most = high;
  return largest < NOT_FINITE_BITS;
}

// @ts-ignore: decorator
@inline
function smaller(a: f32, b: f32): f32 {
  return b < a ? b : a;
}

// @ts-ignore: decorator
@inline
function larger(a: f32, b: f32): f32 {
  return a < b ? b : a;
}

// @ts-ignore: decorator
@inline
function largerInt(a: i32, b: i32): i32 {
  return a < b ? b : a;
}

// NNCF's rounding: nearest(clamp(w / scale + zero point)), halves to even.

// @ts-ignore: decorator
@inline
function divided(weights: usize, scale: v128, zeroPoint: v128, low: v128, high: v128): v128 {
  const q = f32x4.add(f32x4.div(v128.load(weights), scale), zeroPoint);
  return f32x4.nearest(f32x4.pmin(high, f32x4.pmax(low, q)));
}

// @ts-ignore: decorator
@inline
function dividedOne(weights: usize, scale: f32, zeroPoint: f32, low: f32, high: f32): i32 {
  const q = load<f32>(weights) / scale + zeroPoint;
  return <i32>nearest<f32>(q > low ? (q < high ? q : high) : low);
}

// ONNX Runtime's rounding: clamp(w * reciprocal + zero point), halves away from zero. What is not a number becomes 0.

// @ts-ignore: decorator
@inline
function multiplied(weights: usize, reciprocal: v128, zeroPoint: v128, low: v128, high: v128): v128 {
  const q = f32x4.add(f32x4.mul(v128.load(weights), reciprocal), zeroPoint);
  const clamped = f32x4.pmin(high, f32x4.pmax(low, q));
  // clamped + 0.5 could round up in f32; the fraction is exact.
  const whole = f32x4.trunc(clamped);
  const up = f32x4.ge(f32x4.sub(clamped, whole), f32x4.splat(0.5));
  return f32x4.add(whole, v128.and(up, f32x4.splat(1)));
}

// @ts-ignore: decorator
@inline
function multipliedOne(weights: usize, reciprocal: f32, zeroPoint: f32, low: f32, high: f32): i32 {
  const q = load<f32>(weights) * reciprocal + zeroPoint;
  const clamped: f32 = q > low ? (q < high ? q : high) : low;
  return <i32>(<f64>clamped + 0.5);
}

/**
 * Quantises f32 [count] to numbers of `bits` bits at number `first` of `values`: bytes, or nibbles of which the first
 * is the low one; `values` holds zeros there. `byReciprocal` chooses the rounding; `factor` is the scale, or its reciprocal.
 */
// @ts-ignore: decorator
@inline
function quantiseGroup(
  weights: usize,
  count: i32,
  values: usize,
  first: i32,
  bits: i32,
  byReciprocal: bool,
  factor: f32,
  zeroPoint: f32,
  low: f32,
  high: f32,
): void {
  let index = 0;
  const factors = f32x4.splat(factor);
  const zeroPoints = f32x4.splat(zeroPoint);
  const lows = f32x4.splat(low);
  const highs = f32x4.splat(high);
  if (bits === 8 || (first & 1) === 0) {
    for (; index + 16 <= count; index += 16) {
      const at = weights + (<usize>index << 2);
      const bytes = packBytes(
        byReciprocal ? multiplied(at, factors, zeroPoints, lows, highs) : divided(at, factors, zeroPoints, lows, highs),
        byReciprocal
          ? multiplied(at + 16, factors, zeroPoints, lows, highs)
          : divided(at + 16, factors, zeroPoints, lows, highs),
        byReciprocal
          ? multiplied(at + 32, factors, zeroPoints, lows, highs)
          : divided(at + 32, factors, zeroPoints, lows, highs),
        byReciprocal
          ? multiplied(at + 48, factors, zeroPoints, lows, highs)
          : divided(at + 48, factors, zeroPoints, lows, highs),
      );
      if (bits === 8) {
        v128.store(values + first + index, bytes);
      } else {
        // Of each pair of bytes, as one u16: low nibble | high byte's nibble << 4.
        const pairs = v128.or(
          v128.and(bytes, i16x8.splat(0x000f)),
          v128.and(i16x8.shr_u(bytes, 4), i16x8.splat(0x00f0)),
        );
        v128.store64_lane(values + ((first + index) >> 1), i8x16.narrow_i16x8_u(pairs, pairs), 0);
      }
    }
  }
  for (; index < count; index++) {
    const at = weights + (<usize>index << 2);
    const q = byReciprocal
      ? multipliedOne(at, factor, zeroPoint, low, high)
      : dividedOne(at, factor, zeroPoint, low, high);
    if (bits === 8) {
      store<u8>(values + first + index, <u8>q);
    } else {
      const target = values + ((first + index) >> 1);
      store<u8>(target, load<u8>(target) | <u8>((q & 15) << (((first + index) & 1) << 2)));
    }
  }
}

/** The low byte of each of 16 numbers from -128 to 255, in order. */
// @ts-ignore: decorator
@inline
function packBytes(a: v128, b: v128, c: v128, d: v128): v128 {
  const mask = i32x4.splat(0xff);
  const ab = i16x8.narrow_i32x4_u(
    v128.and(i32x4.trunc_sat_f32x4_s(a), mask),
    v128.and(i32x4.trunc_sat_f32x4_s(b), mask),
  );
  const cd = i16x8.narrow_i32x4_u(
    v128.and(i32x4.trunc_sat_f32x4_s(c), mask),
    v128.and(i32x4.trunc_sat_f32x4_s(d), mask),
  );
  return i8x16.narrow_i16x8_u(ab, cd);
}

/** Of NNCF: the larger half goes to the negative side, which has one step more. */
// @ts-ignore: decorator
@inline
function signedScale(levels: f32): f32 {
  const magnitude = abs<f32>(least);
  return awayFromZero((magnitude >= most ? magnitude : -most) / levels);
}

/** The range is widened to contain 0, so that a weight of 0 stays exactly 0. */
// @ts-ignore: decorator
@inline
function asymmetricScale(levels: f32): f32 {
  return awayFromZero((larger(0, most) - smaller(0, least)) / levels);
}

// @ts-ignore: decorator
@inline
function asymmetricZeroPoint(scale: f32, high: f32): f32 {
  const rounded = -nearest<f32>(smaller(0, least) / scale);
  return rounded > high ? high : rounded > 0 ? rounded : 0;
}

// @ts-ignore: decorator
@inline
function awayFromZero(scale: f32): f32 {
  return abs<f32>(scale) < SMALLEST_SCALE ? SMALLEST_SCALE : scale;
}

/**
 * NNCF's compression of f32 [groupCount, groupSize]. `values`: i4, u4, i8 or u8, packed, zeros before; `scales`: f32
 * [groupCount]; `zeroPoints`: u8 [groupCount], unused when symmetric. Returns the first group that holds NaN or
 * infinity, at which it stops, or -1.
 */
export function compressGroups(
  weights: usize,
  groupCount: i32,
  groupSize: i32,
  bits: i32,
  symmetric: bool,
  values: usize,
  scales: usize,
  zeroPoints: usize,
): i32 {
  const levels: f32 = bits === 4 ? (symmetric ? 8 : 15) : symmetric ? 128 : 255;
  const low: f32 = symmetric ? -levels : 0;
  const high: f32 = symmetric ? levels - 1 : levels;
  for (let group = 0; group < groupCount; group++) {
    const first = group * groupSize;
    const start = weights + (<usize>first << 2);
    if (!findRange(start, groupSize)) return group;
    let zeroPoint: f32 = 0;
    let scale: f32;
    if (symmetric) {
      scale = signedScale(levels);
    } else {
      scale = asymmetricScale(levels);
      zeroPoint = asymmetricZeroPoint(scale, high);
      store<u8>(zeroPoints + group, <u8>zeroPoint);
    }
    store<f32>(scales + (<usize>group << 2), scale);
    if (bits === 4) quantiseGroup(start, groupSize, values, first, 4, false, scale, zeroPoint, low, high);
    else quantiseGroup(start, groupSize, values, first, 8, false, scale, zeroPoint, low, high);
  }
  return -1;
}

/**
 * For each row of f32 [rowCount, columnCount] the f64 sum of (w' - w)^2, w' being w after NNCF's asymmetric int8 with one
 * scale a row; f64 [rowCount] at `sums`. Returns the first row that holds NaN or infinity, at which it stops, or -1.
 */
export function int8Errors(weights: usize, rowCount: i32, columnCount: i32, sums: usize): i32 {
  const lows = f32x4.splat(0);
  const highs = f32x4.splat(255);
  for (let row = 0; row < rowCount; row++) {
    const start = weights + (<usize>(row * columnCount) << 2);
    if (!findRange(start, columnCount)) return row;
    const scale = asymmetricScale(255);
    const zeroPoint = asymmetricZeroPoint(scale, 255);
    const scales = f32x4.splat(scale);
    const zeroPoints = f32x4.splat(zeroPoint);
    let evenSums = f64x2.splat(0);
    let oddSums = f64x2.splat(0);
    let index = 0;
    for (; index + 4 <= columnCount; index += 4) {
      const at = start + (<usize>index << 2);
      const q = divided(at, scales, zeroPoints, lows, highs);
      const difference = f32x4.sub(f32x4.mul(f32x4.sub(q, zeroPoints), scales), v128.load(at));
      const square = f32x4.mul(difference, difference);
      evenSums = f64x2.add(evenSums, f64x2.promote_low_f32x4(square));
      oddSums = f64x2.add(oddSums, f64x2.promote_low_f32x4(v128.shuffle<i64>(square, square, 1, 0)));
    }
    const both = f64x2.add(evenSums, oddSums);
    let sum = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
    for (; index < columnCount; index++) {
      const at = start + (<usize>index << 2);
      const q = <f32>dividedOne(at, scale, zeroPoint, 0, 255);
      const difference: f32 = (q - zeroPoint) * scale - load<f32>(at);
      sum += <f64>(difference * difference);
    }
    store<f64>(sums + (<usize>row << 3), sum);
  }
  return -1;
}

/**
 * ONNX Runtime's quantisation of f32 [groupCount, groupSize]; the parameters and results are those of compressGroups,
 * but values and zero points are unsigned, zero points of symmetric groups are not written.
 */
export function quantiseGroups(
  weights: usize,
  groupCount: i32,
  groupSize: i32,
  bits: i32,
  symmetric: bool,
  values: usize,
  scales: usize,
  zeroPoints: usize,
): i32 {
  const midpoint: f32 = bits === 4 ? 8 : 128;
  const high: f32 = bits === 4 ? 15 : 255;
  for (let group = 0; group < groupCount; group++) {
    const first = group * groupSize;
    const start = weights + (<usize>first << 2);
    if (!findRange(start, groupSize)) return group;
    let zeroPoint = midpoint;
    let scale: f32;
    if (symmetric) {
      // The larger half goes to the negative side, which has one step more. Of zeros the first one gives the sign.
      const extreme: f32 = least === 0 && most === 0 ? load<f32>(start) : abs<f32>(least) >= most ? least : most;
      scale = -extreme / midpoint;
    } else {
      const from = smaller(0, least);
      scale = (larger(0, most) - from) / high;
      // In f64: adding 0.5 in f32 could round up.
      zeroPoint = scale === 0 ? 0 : <f32>min<f64>(floor<f64>(<f64>(-from / scale) + 0.5), high);
      store<u8>(zeroPoints + group, <u8>zeroPoint);
    }
    store<f32>(scales + (<usize>group << 2), scale);
    const reciprocal: f32 = scale === 0 ? 0 : 1 / scale;
    if (bits === 4) quantiseGroup(start, groupSize, values, first, 4, true, reciprocal, zeroPoint, 0, high);
    else quantiseGroup(start, groupSize, values, first, 8, true, reciprocal, zeroPoint, 0, high);
  }
  return -1;
}
