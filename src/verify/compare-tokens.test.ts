/** Answers of two devices, made up so that everybody sees what they have in common. */
import { describe, expect, it } from 'vitest';
import { compareAnswers, type GreedyAnswer } from './compare-tokens.js';

/** Each row's largest logit is its token. */
const answer = (...rows: readonly (readonly number[])[]): GreedyAnswer => ({
  tokenIds: rows.map((row) => row.indexOf(Math.max(...row))),
  logits: rows.map((row) => Float32Array.from(row)),
});

describe('compareAnswers', () => {
  it('finds all tokens the same, and how far the logits are apart', () => {
    const comparison = compareAnswers(answer([0, 5, 1], [3, 0, 1]), answer([0, 5.25, 1], [3, 0, 0.5]), 0.1);
    expect(comparison).toEqual({
      verdict: 'same',
      tokens: 2,
      sameTokens: 2,
      largestLogitDifference: 0.5,
      parting: null,
    });
  });

  it('tells where the answers part, and by how much each prefers its own token', () => {
    const device = answer([0, 5, 1], [3, 0, 5], [9, 0, 0]);
    const reference = answer([0, 5, 1], [4, 0, 1], [0, 9, 0]);
    expect(compareAnswers(device, reference, 0.5)).toEqual({
      verdict: 'different',
      tokens: 3,
      sameTokens: 1,
      largestLogitDifference: 4,
      parting: { index: 1, deviceToken: 2, referenceToken: 0, referenceMargin: 3, deviceMargin: 2 },
    });
  });

  it('calls it a near-tie where the reference hardly prefers its token', () => {
    const comparison = compareAnswers(answer([2, 2.125, 0]), answer([2.25, 2, 0]), 0.25);
    expect(comparison).toMatchObject({ verdict: 'near-tie', sameTokens: 0, parting: { referenceMargin: 0.25 } });
  });

  it('does not take rows of another vocabulary, or logits that are none, for equal ones', () => {
    expect(compareAnswers(answer([1, 0]), answer([1, 0, 0]), 1).largestLogitDifference).toBe(Infinity);
    expect(compareAnswers(answer([1, -Infinity]), answer([1, -Infinity]), 1).largestLogitDifference).toBe(0);
    expect(compareAnswers(answer([1, 0]), answer([1, -Infinity]), 1).largestLogitDifference).toBe(Infinity);
  });
});
