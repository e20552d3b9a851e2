import { describe, expect, it } from 'vitest';
import { EngineError, OptionError } from '../errors.js';
import { logProbability } from './log-probability.js';

describe('log-probabilities', () => {
  it('are the logarithms of softmax', () => {
    const logits = Float32Array.of(1, 2, 3);
    // 1, 2, 3 minus ln(e + e^2 + e^3)
    expect(logProbability(logits, 0)).toBeCloseTo(-2.4076059644443806, 14);
    expect(logProbability(logits, 1)).toBeCloseTo(-1.4076059644443806, 14);
    expect(logProbability(logits, 2)).toBeCloseTo(-0.4076059644443806, 14);
  });

  it('sum to one over the vocabulary', () => {
    const logits = Float32Array.from({ length: 500 }, (_, i) => Math.sin(i * i) * 20);
    const sum = logits.reduce((total, _, id) => total + Math.exp(logProbability(logits, id)), 0);
    expect(sum).toBeCloseTo(1, 12);
  });

  it('neither overflow nor underflow for huge logits', () => {
    const logits = Float32Array.of(3e38, -3e38, 3e38);
    expect(logProbability(logits, 0)).toBeCloseTo(-Math.LN2, 12);
    expect(Number.isFinite(logProbability(logits, 1))).toBe(true);
  });

  it('are minus infinity for a token that is ruled out', () => {
    expect(logProbability(Float32Array.of(0, -Infinity), 1)).toBe(-Infinity);
  });

  it('are not shifted by a constant added to every logit', () => {
    const logits = Float32Array.of(0.5, -1.5, 4);
    const shifted = logits.map((logit) => logit + 64);
    for (let id = 0; id < 3; id++) expect(logProbability(shifted, id)).toBeCloseTo(logProbability(logits, id), 12);
  });

  it('refuse an id outside the row', () => {
    for (const id of [-1, 3, 0.5, NaN]) {
      expect(() => logProbability(Float32Array.of(1, 2, 3), id)).toThrow(OptionError);
    }
  });

  it('refuse a row that is no distribution', () => {
    expect(() => logProbability(Float32Array.of(1, NaN), 0)).toThrow(EngineError);
    expect(() => logProbability(Float32Array.of(-Infinity, -Infinity), 0)).toThrow(EngineError);
    expect(() => logProbability(Float32Array.of(Infinity, 1), 0)).toThrow(EngineError);
  });
});
