import { describe, expect, it } from 'vitest';
import { NO_SEARCH_DEFAULTS } from '../engine/onnxruntime/genai-config.js';
import { defaultMaxNewTokens, withSearchDefaults } from './search-defaults.js';

const sampling = { ...NO_SEARCH_DEFAULTS, doSample: true, temperature: 0.7, topK: 20, topP: 0.9 };

describe('withSearchDefaults', () => {
  it('stays greedy where the folder does not ask to sample, whatever else it names', () => {
    expect(withSearchDefaults({}, { ...sampling, doSample: false })).toEqual({});
    expect(withSearchDefaults({}, undefined)).toEqual({});
  });

  it('samples as the folder asks, each of its values unless the caller gives that one', () => {
    expect(withSearchDefaults({}, sampling)).toEqual({ temperature: 0.7, topK: 20, topP: 0.9 });
    expect(withSearchDefaults({ topK: 5, temperature: undefined } as never, sampling)).toEqual({
      ...{ temperature: 0.7, topK: 5, topP: 0.9 },
    });
    expect(withSearchDefaults({}, { ...NO_SEARCH_DEFAULTS, doSample: true })).toEqual({ temperature: 1 });
  });

  it('takes neutral values for none, and a share of nothing for the likeliest token', () => {
    expect(withSearchDefaults({}, { ...sampling, topK: 0, topP: 1, repetitionPenalty: 1 })).toEqual({
      temperature: 0.7,
    });
    expect(withSearchDefaults({}, { ...sampling, topP: 0 })).toEqual({ temperature: 0 });
  });

  it('lets doSample: false win, which leaves the penalty alone', () => {
    expect(withSearchDefaults({ doSample: false }, { ...sampling, repetitionPenalty: 1.2 })).toEqual({
      doSample: false,
      repetitionPenalty: 1.2,
    });
  });
});

describe('defaultMaxNewTokens', () => {
  it('counts the prompt in, and says nothing to a prompt that is longer already', () => {
    const search = { ...NO_SEARCH_DEFAULTS, maxLength: 100 };
    expect([1, 99, 100, 200].map((tokens) => defaultMaxNewTokens(search, tokens))).toEqual([
      99,
      1,
      undefined,
      undefined,
    ]);
    expect(defaultMaxNewTokens(NO_SEARCH_DEFAULTS, 5)).toBeUndefined();
  });
});
