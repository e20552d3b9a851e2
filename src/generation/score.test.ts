import { describe, expect, it } from 'vitest';
import { createFakeEngine, fakeLogits, type FakeEngineOptions } from '../engine/fake/fake-engine.js';
import { Scheduler } from './scheduler.js';
import { MAX_STEP_LOGITS, scoreTokens } from './score.js';
import { answerOf } from './testing/requests.js';

const tokens = Int32Array.from({ length: 50 }, (_, index) => (index * 37) % 64);

function setUp(options: FakeEngineOptions = {}) {
  const engine = createFakeEngine(options);
  return { engine, scheduler: new Scheduler(engine) };
}

/** From the definition, in f64. */
function logProbability(history: readonly number[], token: number, regime: number): number {
  const exponentials = [...fakeLogits(history, 64, regime)].map((logit) => Math.exp(logit));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return Math.log((exponentials[token] ?? NaN) / sum);
}

const failsWith = (code: string): unknown => expect.objectContaining({ code });

describe('scoreTokens', () => {
  it.each([
    ['all rows', {}, 0],
    ['the last row only', { logits: 'last' } as const, 0],
    [
      'prompts of two tokens at least and 8 at most, 4 appended',
      { minFirstTokens: 2, maxPromptTokens: 8, maxAppendTokens: 4 },
      0,
    ],
    ['appending one', { maxPromptTokens: 8, maxAppendTokens: 1 }, 0],
    ['a rope boundary that the text crosses', { ropeBoundaries: [30] }, 1],
    ['a context that the text fills', { contextTokens: 50 }, 0],
  ])('gives each log-probability on an engine with %s', async (_, limits, regime) => {
    const { scheduler } = setUp({ limits });
    const { logProbabilities, perplexity } = await scoreTokens(scheduler, tokens);
    const expected = Array.from(tokens.slice(1), (token, index) =>
      logProbability([...tokens.slice(0, index + 1)], token, regime),
    );
    expect(logProbabilities).toHaveLength(49);
    for (const [index, value] of expected.entries()) expect(logProbabilities[index]).toBeCloseTo(value, 9);
    const mean = expected.reduce((total, value) => total + value, 0) / expected.length;
    expect(perplexity).toBeCloseTo(Math.exp(-mean), 9);
  });

  it('asks for no more logits at a time than its limit, and turns the event loop while it reads them', async () => {
    const vocabularySize = 2 ** 19;
    const { scheduler, engine } = setUp({ vocabularySize });
    const scoring = scoreTokens(scheduler, tokens.subarray(0, 18));
    let running = true;
    let turns = 0;
    const count = () => {
      turns++;
      if (running) setImmediate(count);
    };
    count();
    await scoring;
    running = false;
    const rows = engine.runs.map(({ sequences }) => sequences[0]?.logitsRows ?? 0);
    expect(rows).toEqual([8, 8, 2]);
    expect(8 * vocabularySize).toBe(MAX_STEP_LOGITS);
    expect(turns).toBeGreaterThanOrEqual(18);
  });

  it('runs beside answers, and frees its slot', async () => {
    const { scheduler, engine } = setUp({ limits: { maxSlots: 2 } });
    const alone = await scoreTokens(scheduler, tokens);
    const wish = { prompt: [1, 2, 3], maxNewTokens: 20 };
    const [beside, answer] = await Promise.all([
      scoreTokens(scheduler, tokens),
      answerOf(scheduler, { sequence: scheduler.createSequence(), ...wish }),
    ]);
    expect(beside).toEqual(alone);
    expect(answer.finish.usage.outputTokens).toBe(20);
    await using slot = await engine.openSlot({ capacityTokens: 8 });
    expect(slot.state).toBe('ready');
  });

  it('stops at an abort, with its reason', async () => {
    const { scheduler, engine } = setUp({ runDelayMs: 5, limits: { logits: 'last' } });
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    await expect(scoreTokens(scheduler, tokens, { signal: controller.signal })).rejects.toBe(reason);
    expect(engine.runs.length).toBeLessThan(30);
  });

  it.each([
    ['a single token', Int32Array.of(1), {}, 'INPUT_INVALID'],
    ['an id outside the vocabulary', Int32Array.of(1, 64), {}, 'INPUT_INVALID'],
    ['more tokens than the context', tokens, { contextTokens: 49 }, 'CONTEXT_EXCEEDED'],
    [
      'an engine on which it cannot be done',
      tokens,
      { logits: 'last', minFirstTokens: 2 } as const,
      'MODEL_FEATURE_UNSUPPORTED',
    ],
  ])('refuses %s', async (_, given, limits, code) => {
    const { scheduler } = setUp({ limits });
    await expect(scoreTokens(scheduler, given)).rejects.toThrow(failsWith(code));
  });
});
