/** Greedy answers of a device against those of a reference: where they part first, and by how much. Pure. */

export interface GreedyAnswer {
  readonly tokenIds: readonly number[];
  /** The row of logits that each token was chosen from, f32 [vocabulary]. */
  readonly logits: readonly Float32Array[];
}

/** same: all tokens; near-tie: they part where the reference itself was undecided; different: they part elsewhere. */
export type AnswerVerdict = 'same' | 'near-tie' | 'different';

export interface AnswerComparison {
  readonly verdict: AnswerVerdict;
  readonly tokens: number;
  /** Tokens before the first that differs; all of them where none does. */
  readonly sameTokens: number;
  /** Of all logits up to there, the largest difference. */
  readonly largestLogitDifference: number;
  readonly parting: Parting | null;
}

export interface Parting {
  /** Counted from 0 in the answer. */
  readonly index: number;
  readonly deviceToken: number;
  readonly referenceToken: number;
  /** By how much the reference prefers its token to the device's, in logits. */
  readonly referenceMargin: number;
  /** By how much the device prefers its token to the reference's, in logits. */
  readonly deviceMargin: number;
}

/** `tolerance`: a margin in logits up to which the reference counts as undecided. After the parting nothing is comparable. */
export function compareAnswers(device: GreedyAnswer, reference: GreedyAnswer, tolerance: number): AnswerComparison {
  const tokens = Math.min(device.tokenIds.length, reference.tokenIds.length);
  let largestLogitDifference = 0;
  for (let index = 0; index < tokens; index++) {
    const [ours, theirs] = [device.logits[index], reference.logits[index]];
    if (ours === undefined || theirs === undefined) throw new RangeError('Each token has a row of logits.');
    largestLogitDifference = Math.max(largestLogitDifference, largestDifference(ours, theirs));
    const [deviceToken = -1, referenceToken = -1] = [device.tokenIds[index], reference.tokenIds[index]];
    if (deviceToken === referenceToken) continue;
    const margin = (row: Float32Array, winner: number, other: number): number =>
      (row[winner] ?? NaN) - (row[other] ?? NaN);
    const referenceMargin = margin(theirs, referenceToken, deviceToken);
    const deviceMargin = margin(ours, deviceToken, referenceToken);
    return {
      verdict: referenceMargin <= tolerance ? 'near-tie' : 'different',
      ...{ tokens, sameTokens: index, largestLogitDifference },
      parting: { index, deviceToken, referenceToken, referenceMargin, deviceMargin },
    };
  }
  return { verdict: 'same', tokens, sameTokens: tokens, largestLogitDifference, parting: null };
}

/** Rows of another length never compare. */
function largestDifference(left: Float32Array, right: Float32Array): number {
  if (left.length !== right.length) return Infinity;
  let largest = 0;
  for (let index = 0; index < left.length; index++) {
    const difference = Math.abs((left[index] ?? NaN) - (right[index] ?? NaN));
    // Masked tokens may be -Infinity on both sides.
    if (difference > largest || (Number.isNaN(difference) && left[index] !== right[index])) largest = difference;
  }
  return largest;
}
