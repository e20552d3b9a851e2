import { describe, expect, it } from 'vitest';
import { createFakeEngine } from '../engine/fake/fake-engine.js';
import type { EngineLimits } from '../engine/engine.js';
import { commonPrefixLength, reusableTokens, stepTokens } from './prefix.js';
import { Scheduler } from './scheduler.js';
import { answerOf } from './testing/requests.js';

const limitsOf = (limits: Partial<EngineLimits>) => createFakeEngine({ limits }).limits;
/** Over a past, one token at a time: DirectML. */
const appendingOne = limitsOf({ contextTokens: 4096, prefillChunkTokens: 4096, maxAppendTokens: 1 });

describe('commonPrefixLength', () => {
  it('counts the equal tokens at the beginning', () => {
    expect(commonPrefixLength(Int32Array.of(1, 2, 3), Int32Array.of(1, 2, 4, 5))).toBe(2);
    expect(commonPrefixLength(Int32Array.of(1, 2), Int32Array.of(1, 2, 4))).toBe(2);
    expect(commonPrefixLength(Int32Array.of(), Int32Array.of(1))).toBe(0);
  });
});

describe('stepTokens', () => {
  it('cuts prompts and what is appended into chunks', () => {
    const limits = limitsOf({ prefillChunkTokens: 16 });
    expect(stepTokens(limits, 0, 40)).toBe(16);
    expect(stepTokens(limits, 16, 24)).toBe(16);
    expect(stepTokens(limits, 32, 8)).toBe(8);
  });

  it('begins with a longer run where the engine takes one on an empty slot', () => {
    const limits = limitsOf({ prefillChunkTokens: 16, firstChunkTokens: 30 });
    expect(stepTokens(limits, 0, 40)).toBe(30);
    expect(stepTokens(limits, 30, 20)).toBe(16);
  });

  it('begins with all that it may where appending is restricted', () => {
    expect(stepTokens(appendingOne, 0, 4000)).toBe(4000);
    expect(stepTokens({ ...appendingOne, maxPromptTokens: 1024 }, 0, 4000)).toBe(1024);
    expect(stepTokens(appendingOne, 1024, 2976)).toBe(1);
  });

  it('keeps to a limit of the caller, but not below what the engine begins with', () => {
    const limits = limitsOf({ minFirstTokens: 2 });
    expect(stepTokens(limits, 0, 40, 4)).toBe(4);
    expect(stepTokens(limits, 0, 40, 1)).toBe(2);
    expect(stepTokens(limits, 2, 38, 1)).toBe(1);
  });
});

describe('reusableTokens', () => {
  it('keeps all but the last token of the prompt', () => {
    const limits = limitsOf({});
    expect(reusableTokens(limits, 10, 30)).toBe(10);
    expect(reusableTokens(limits, 30, 30)).toBe(29);
    expect(reusableTokens(limits, 1, 200)).toBe(1);
    expect(reusableTokens(limits, 0, 30)).toBe(0);
    expect(reusableTokens(limits, 1, 1)).toBe(0);
  });

  it('prefers prefilling all to many small steps, and a few small steps to prefilling all', () => {
    expect(reusableTokens(appendingOne, 500, 550)).toBe(0);
    expect(reusableTokens(appendingOne, 2000, 2050)).toBe(2000);
    expect(reusableTokens({ ...appendingOne, maxAppendTokens: 32 }, 500, 550)).toBe(500);
  });
});

describe('a masked rewind', () => {
  const limits = { contextTokens: 32, maxSlots: 1, rewind: 'masked' } as const;

  it('keeps the prefix, and is given up as soon as the occupied positions take the room', async () => {
    const engine = createFakeEngine({ limits });
    const scheduler = new Scheduler(engine);
    const sequence = scheduler.createSequence();
    const prompt = Array.from({ length: 20 }, (_, index) => index);
    await answerOf(scheduler, { sequence, prompt, maxNewTokens: 2 });
    const other = [...prompt.slice(0, 10), 40, 41];
    const { finish } = await answerOf(scheduler, { sequence, prompt: other });
    expect(finish.usage).toEqual({ inputTokens: 12, cachedInputTokens: 10, outputTokens: 20 });
    const fresh = await answerOf(scheduler, { sequence: scheduler.createSequence(), prompt: other });
    expect(finish.tokenIds).toEqual(fresh.finish.tokenIds);
    // 21 positions were occupied and 11 free: 2 for the prompt, 9 for the answer; then everything again.
    const prefills = engine.runs.map(({ sequences }) => sequences[0]).filter((part) => part?.pastTokens === 0);
    expect(prefills.map((part) => part?.tokens.length)).toEqual([16, 16, 12]);
  });
});
