/**
 * The filters between logits and a draw, one small function each: repetition penalty and temperature change scores,
 * top-k, top-p and min-p remove tokens. Their meaning is that of transformers' logits processors
 * (transformers/generation/logits_process.py), in float64. They neither know the options nor draw.
 *
 * Every filter keeps the candidates in ascending order of id. Each takes one or a few passes over them; top-k and
 * top-p sort no more than those that can matter.
 */
import { expNonPositive } from './exponential.js';

/** The tokens still possible, in ascending order of id; the first `count` entries of each array are valid. */
export interface Candidates {
  count: number;
  readonly ids: Int32Array;
  /** Logits divided by the temperature, relative to the largest: at most 0. */
  readonly scores: Float64Array;
  /** Probabilities relative to the likeliest token's, not normalised; valid after computeWeights. */
  readonly weights: Float64Array;
}

/** Memory for candidates out of `vocabularySize` tokens: 20 bytes for each. Empty until applyTemperature fills it. */
export function allocateCandidates(vocabularySize: number): Candidates {
  return {
    count: 0,
    ids: new Int32Array(vocabularySize),
    scores: new Float64Array(vocabularySize),
    weights: new Float64Array(vocabularySize),
  };
}

/**
 * As transformers, in float32 like the logits: positive logits are divided by the penalty, negative ones multiplied, so
 * that both fall if it exceeds 1.
 */
export function penalise(logit: number, penalty: number): number {
  const factor = Math.fround(penalty);
  return Math.fround(logit < 0 ? logit * factor : logit / factor);
}

/**
 * Starts anew with every token of a row of logits whose largest is `max`: scores are logits divided by the
 * temperature, above 0, less the largest. (Softmax does not see the shift; without it a small temperature would
 * overflow.)
 */
export function applyTemperature(candidates: Candidates, logits: Float32Array, max: number, temperature: number): void {
  const { ids, scores } = candidates;
  candidates.count = logits.length;
  for (let id = 0; id < logits.length; id++) {
    ids[id] = id;
    scores[id] = ((logits[id] as number) - max) / temperature;
  }
}

/** Keeps the k highest scores, and all that equal the k-th. */
export function keepTopK(candidates: Candidates, k: number): void {
  if (k >= candidates.count) return;
  const { ids, scores, count, weights } = candidates;
  const threshold = kthLargest(scores, count, k, weights);
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const score = scores[i] as number;
    if (score >= threshold) {
      scores[kept] = score;
      ids[kept++] = ids[i] as number;
    }
  }
  candidates.count = kept;
}

/** Turns scores relative to the largest into weights: softmax before its division. */
export function computeWeights(candidates: Candidates): void {
  const { scores, weights, count } = candidates;
  for (let i = 0; i < count; i++) weights[i] = expNonPositive(scores[i] as number);
}

/**
 * Keeps the smallest set of likeliest tokens whose probability reaches p, in (0, 1]; of equally likely ones the lower
 * ids go first. Uses `scores` as scratch memory.
 */
export function keepTopP(candidates: Candidates, p: number): void {
  if (p >= 1) return;
  const { ids, scores, weights, count } = candidates;
  const total = sumOfWeights(candidates);
  // Tokens below this together weigh less than (1 - p) of the total, so none of them is needed to reach p.
  const negligible = ((1 - p) * total) / count;
  let considered = 0;
  for (let i = 0; i < count; i++) {
    const weight = weights[i] as number;
    if (weight >= negligible) scores[considered++] = weight;
  }
  const threshold = thresholdReaching(scores, considered, p * total, 'sum');

  let above = 0;
  for (let i = 0; i < count; i++) {
    const weight = weights[i] as number;
    if (weight > threshold) above += weight;
  }
  let equalsToKeep = Math.max(1, Math.ceil((p * total - above) / threshold));

  let kept = 0;
  for (let i = 0; i < count; i++) {
    const weight = weights[i] as number;
    if (weight > threshold || (weight === threshold && equalsToKeep-- > 0)) {
      weights[kept] = weight;
      ids[kept++] = ids[i] as number;
    }
  }
  candidates.count = kept;
}

/** Keeps the tokens that are at least `minP` times as likely as the likeliest, whose weight is 1. */
export function keepMinP(candidates: Candidates, minP: number): void {
  if (minP <= 0) return;
  const { ids, weights, count } = candidates;
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const weight = weights[i] as number;
    if (weight >= minP) {
      weights[kept] = weight;
      ids[kept++] = ids[i] as number;
    }
  }
  candidates.count = kept;
}

/** The sum of the candidates' weights, added in order of id. */
function sumOfWeights(candidates: Candidates): number {
  let total = 0;
  for (let i = 0; i < candidates.count; i++) total += candidates.weights[i] as number;
  return total;
}

/** The candidate on which `fraction`, in [0, 1), of the weights falls. Never one of weight zero. */
export function drawCandidate(candidates: Candidates, fraction: number): number {
  const { ids, weights, count } = candidates;
  const target = fraction * sumOfWeights(candidates);
  let reached = 0;
  let last = 0;
  for (let i = 0; i < count; i++) {
    const weight = weights[i] as number;
    reached += weight;
    if (reached > target) return ids[i] as number;
    if (weight > 0) last = i;
  }
  return ids[last] as number; // rounding: the target is the whole sum
}

/**
 * The k-th largest of the first `count` values, 1 <= k <= count. One pass over the values keeps those that can still
 * matter in a buffer of 2k, which is halved whenever it is full: linear in any order. `buffer`: room for `count`.
 */
function kthLargest(values: Float64Array, count: number, k: number, buffer: Float64Array): number {
  const capacity = Math.min(count, Math.max(2 * k, 64));
  let held = 0;
  let threshold = -Infinity;
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    if (value <= threshold) continue;
    if (held === capacity) {
      threshold = thresholdReaching(buffer, held, k, 'count');
      held = k;
      if (value <= threshold) continue;
    }
    buffer[held++] = value;
  }
  return held < k ? -Infinity : thresholdReaching(buffer, held, k, 'count');
}

/**
 * The largest value that, with all that are at least as large, reaches `target` in number or in sum. Quickselect
 * with Hoare's partition ("Algorithm 65: Find", CACM 4, 1961): reorders the first `count` values, at least one, so
 * that none before the found one is smaller.
 */
function thresholdReaching(values: Float64Array, count: number, target: number, measure: 'count' | 'sum'): number {
  let left = 0;
  let right = count - 1;
  let missing = target;
  while (left < right) {
    const pivot = values[(left + right) >>> 1] as number;
    let i = left;
    let j = right;
    let sum = 0;
    while (i <= j) {
      let low = values[i] as number;
      while (low > pivot) {
        sum += low;
        low = values[++i] as number;
      }
      let high = values[j] as number;
      while (high < pivot) high = values[--j] as number;
      if (i <= j) {
        sum += high;
        values[i++] = high;
        values[j--] = low;
      }
    }
    // Now left..i-1 are at least the pivot, i..right at most; j is i-1, or i-2 with the pivot itself between.
    const reached = measure === 'count' ? i - left : sum;
    if (reached < missing) {
      missing -= reached;
      left = i;
    } else if (j === i - 1) {
      right = j;
    } else {
      const between = measure === 'count' ? 1 : pivot;
      if (reached - between < missing) return pivot;
      right = j;
    }
  }
  return values[Math.min(left, right)] as number; // left is right + 1 where rounding left nothing missing
}
