import { describe, expect, it } from 'vitest';
import { isSameRow, mendingRun } from './graph-mending.js';

describe('mendingRun', () => {
  it('differs from the run that the graph has noted in each number that decides shapes', () => {
    for (let tokens = 1; tokens < 8; tokens += 1) {
      for (let past = 0; past < 8; past += 1) {
        const width = past + tokens;
        for (const rows of [1, 2, tokens]) {
          const run = mendingRun({ tokens, width, rows }, true);
          expect([tokens, width]).not.toContain(run.tokens);
          expect(run.width).toBe(run.tokens);
          expect(run.rows).not.toBe(rows);
          expect(run.rows).toBeLessThanOrEqual(run.tokens);
        }
        const run = mendingRun({ tokens, width, rows: tokens }, false);
        expect([tokens, width]).not.toContain(run.tokens);
        expect(run.rows).toBe(run.tokens);
      }
    }
  });
});

describe('isSameRow', () => {
  const row = Float32Array.of(1, -4, NaN, 0.5);

  it('takes rounding for the same, and another value or a lost one not', () => {
    expect(isSameRow(row, row)).toBe(true);
    expect(isSameRow(Float32Array.of(1.0001, -4, NaN, 0.5), row)).toBe(true);
    expect(isSameRow(Float32Array.of(1.1, -4, NaN, 0.5), row)).toBe(false);
    expect(isSameRow(Float32Array.of(1, NaN, NaN, 0.5), row)).toBe(false);
  });
});
