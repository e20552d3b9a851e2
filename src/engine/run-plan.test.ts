import { describe, expect, it } from 'vitest';
import { ropeRegime } from './engine.js';
import { planRuns } from './run-plan.js';

const limits = { ropeBoundaries: [100], maxBatch: 2, prefillChunkTokens: 4, firstChunkTokens: 4 };
const step = (length: number, count: number, logitsRows = 0, finalLength = length + count) => ({
  slot: { length },
  tokens: new Int32Array(count),
  finalLength,
  logitsRows,
});

describe('planRuns', () => {
  it('cuts a prompt into chunks and says which rows of logits each gives', () => {
    expect(planRuns([step(0, 10, 5)], limits)).toEqual([
      [{ step: 0, from: 0, to: 4, firstLogitsRow: 0, logitsRows: 0 }],
      [{ step: 0, from: 4, to: 8, firstLogitsRow: 0, logitsRows: 3 }],
      [{ step: 0, from: 8, to: 10, firstLogitsRow: 3, logitsRows: 2 }],
    ]);
  });

  it('lets the first run on an empty slot be longer', () => {
    const longFirst = { ...limits, firstChunkTokens: 8 };
    const cuts = (length: number, count: number) =>
      planRuns([step(length, count)], longFirst).map(([part]) => [part?.from, part?.to]);
    expect(cuts(0, 6)).toEqual([[0, 6]]);
    expect(cuts(0, 14)).toEqual([
      [0, 8],
      [8, 12],
      [12, 14],
    ]);
    expect(cuts(1, 6)).toEqual([
      [0, 4],
      [4, 6],
    ]);
  });

  it('gathers one-token steps into batches of at most maxBatch', () => {
    const runs = planRuns([step(5, 1, 1), step(7, 3), step(9, 1, 1), step(4, 1, 1)], limits);
    expect(runs.map((run) => run.map((part) => part.step))).toEqual([[0, 2], [1], [3]]);
  });

  it('never batches the first token of an empty slot', () => {
    const runs = planRuns([step(0, 1), step(5, 1)], limits);
    expect(runs.map((run) => run.map((part) => part.step))).toEqual([[0], [1]]);
  });

  it('keeps rope regimes in batches of their own', () => {
    const runs = planRuns([step(99, 1), step(100, 1), step(5, 1, 0, 200), step(6, 1)], limits);
    expect(runs.map((run) => run.map((part) => part.step))).toEqual([
      [0, 3],
      [1, 2],
    ]);
  });
});

describe('ropeRegime', () => {
  it('changes with the token behind the boundary', () => {
    const ropeBoundaries = [8, 16];
    expect([1, 8, 9, 16, 17].map((length) => ropeRegime({ ropeBoundaries }, length))).toEqual([0, 0, 1, 1, 2]);
  });
});
