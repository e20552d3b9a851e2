import { describe, expect, it } from 'vitest';
import { endOfTurnTokenIds } from './end-of-turn.js';

/** Published ids. */
const PHI_3 = { '<s>': 1, '<|endoftext|>': 32000, '<|assistant|>': 32001, '<|end|>': 32007, '<|user|>': 32010 };
const PHI_4_MINI = { '<|endoftext|>': 199999, '<|assistant|>': 200019, '<|end|>': 200020, '<|user|>': 200021 };
const PHI_4 = { '<|endoftext|>': 100257, '<|im_start|>': 100264, '<|im_end|>': 100265, '<|im_sep|>': 100266 };
const SMOLLM2 = { '<|endoftext|>': 0, '<|im_start|>': 1, '<|im_end|>': 2 };

describe('endOfTurnTokenIds', () => {
  it.each([
    ['Phi-3', PHI_3, [32000, 32001, 32007]],
    ['Phi-4-mini', PHI_4_MINI, [200020, 199999]],
    ['phi-4', PHI_4, [100265, 100257]],
    ['SmolLM2', SMOLLM2, [2, 0]],
    ['Llama 3', { '<|start_header_id|>': 128006, '<|eot_id|>': 128009, '<|end_of_text|>': 128001 }, [128009, 128001]],
    ['Llama 2', { '<s>': 1, '</s>': 2 }, []],
  ])('finds those of %s by their texts', (_family, tokens, expected) => {
    const addedTokens = new Map(Object.entries(tokens));
    expect(endOfTurnTokenIds({ addedTokens, specialTokenIds: new Set(addedTokens.values()) })).toEqual(expected);
  });

  it('leaves out tokens that are no control tokens', () => {
    const addedTokens = new Map(Object.entries(SMOLLM2));
    expect(endOfTurnTokenIds({ addedTokens, specialTokenIds: new Set([1, 2]) })).toEqual([2]);
    expect(endOfTurnTokenIds({ addedTokens, specialTokenIds: new Set() })).toEqual([]);
  });
});
