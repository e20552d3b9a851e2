import { describe, expect, it } from 'vitest';
import { createFakeEngine, fakeLogits, type FakeEngineOptions } from '../engine/fake/fake-engine.js';
import { ropeRegime, type Engine } from '../engine/engine.js';
import { Scheduler } from './scheduler.js';
import { answerOf, ask, collect, decodeAll, naiveAnswer, type Wish } from './testing/requests.js';

function logitsOf(engine: Engine): (history: readonly number[]) => Float32Array {
  return (history) => fakeLogits(history, engine.info.vocabularySize, ropeRegime(engine.limits, history.length));
}

function setUp(options: FakeEngineOptions = {}) {
  const engine = createFakeEngine(options);
  const scheduler = new Scheduler(engine);
  const expected = (wish: Omit<Wish, 'sequence'>) => naiveAnswer(engine, logitsOf(engine), wish);
  return { engine, scheduler, expected };
}

/** An engine that says these tokens whatever the prompt, whose length is given. */
function scripted(promptLength: number, script: readonly number[]): FakeEngineOptions {
  return { favourite: (history) => script[history.length - promptLength] };
}

const failsWith = (code: string): unknown => expect.objectContaining({ code });

describe('generate', () => {
  it('gives a start, the text as it comes, and a finish with all ids, counts and times', async () => {
    const { scheduler, expected } = setUp();
    const wish = { sequence: scheduler.createSequence(), prompt: [1, 2, 3], maxNewTokens: 12 };
    const { parts, text, finish } = await answerOf(scheduler, wish);
    const { tokenIds, text: expectedText } = expected(wish);
    expect(parts[0]).toEqual({ type: 'start', inputTokens: 3, cachedInputTokens: 0 });
    expect(finish).toMatchObject({ finishReason: 'length', tokenIds, endTokenId: null, stopString: null });
    expect(finish.usage).toEqual({ inputTokens: 3, cachedInputTokens: 0, outputTokens: 12 });
    expect(text).toBe(expectedText);
    expect(text).toBe(decodeAll(tokenIds));
    const reported = parts.flatMap((part) => (part.type === 'text-delta' ? part.tokenIds : []));
    expect(reported).toEqual(tokenIds.slice(0, reported.length));
    const { queueMs, timeToFirstTokenMs, totalMs, prefillTokensPerSecond, decodeTokensPerSecond } = finish.timings;
    expect(queueMs).toBeGreaterThanOrEqual(0);
    expect(timeToFirstTokenMs).toBeGreaterThan(queueMs);
    expect(totalMs).toBeGreaterThan(timeToFirstTokenMs ?? Infinity);
    expect(prefillTokensPerSecond).toBeGreaterThan(0);
    expect(decodeTokensPerSecond).toBeGreaterThan(0);
  });

  it('ends at any of the end tokens, and does not say it', async () => {
    const { scheduler } = setUp(scripted(2, [5, 6, 9, 8]));
    const { text, finish } = await answerOf(scheduler, {
      sequence: scheduler.createSequence(),
      prompt: [1, 2],
      endTokenIds: new Set([9, 10]),
    });
    expect(finish).toMatchObject({ finishReason: 'stop', endTokenId: 9, tokenIds: [5, 6] });
    expect(text).toBe(decodeAll([5, 6]));
  });

  it('cuts the answer at a stop string that spans tokens, and gives no part of it out', async () => {
    // 5: 'bbb', 6: 'c', 8: 'aaa', 10: 'cc', 11: 'ddd'
    const { scheduler } = setUp(scripted(1, [5, 6, 8, 10, 11]));
    const { text, finish } = await answerOf(scheduler, {
      sequence: scheduler.createSequence(),
      prompt: [1],
      stopStrings: ['zz', 'bcaa'],
    });
    expect(finish).toMatchObject({ finishReason: 'stop', stopString: 'bcaa', tokenIds: [5, 6, 8] });
    expect(text).toBe('bb');
  });

  it('gives out at the end what was held back', async () => {
    const { scheduler } = setUp(scripted(1, [5, 7]));
    const { text, finish } = await answerOf(scheduler, {
      sequence: scheduler.createSequence(),
      prompt: [1],
      stopStrings: ['bbbb'],
      maxNewTokens: 2,
    });
    expect(finish.finishReason).toBe('length');
    expect(text).toBe('bbb\uFFFD');
  });

  it('ends with the context, whatever maxNewTokens', async () => {
    const { scheduler } = setUp({ limits: { contextTokens: 10 } });
    for (const wish of [{}, { maxNewTokens: 1000 }]) {
      const { finish } = await answerOf(scheduler, {
        sequence: scheduler.createSequence(),
        prompt: [1, 2, 3, 4],
        ...wish,
      });
      expect(finish).toMatchObject({ finishReason: 'length', usage: { outputTokens: 6 } });
    }
  });

  it.each([4, 5])('refuses a prompt of %i tokens in a context of 4', async (length) => {
    const { scheduler } = setUp({ limits: { contextTokens: 4 } });
    const sequence = scheduler.createSequence();
    const prompt = Array.from({ length }, () => 1);
    await expect(answerOf(scheduler, { sequence, prompt })).rejects.toThrow(failsWith('CONTEXT_EXCEEDED'));
  });

  it.each([
    ['an empty prompt', { prompt: [] }, 'INPUT_INVALID'],
    ['an id outside the vocabulary', { prompt: [1, 64] }, 'INPUT_INVALID'],
    ['a negative id', { prompt: [1, -1] }, 'INPUT_INVALID'],
    ['no new tokens', { prompt: [1], maxNewTokens: 0 }, 'OPTION_INVALID'],
    ['an empty stop string', { prompt: [1], stopStrings: [''] }, 'OPTION_INVALID'],
    ['an unknown option', { prompt: [1], temperature: 1 }, 'OPTION_UNKNOWN'],
  ])('refuses %s', async (_, wish, code) => {
    const { scheduler, engine } = setUp();
    const sequence = scheduler.createSequence();
    await expect(answerOf(scheduler, { sequence, ...wish })).rejects.toThrow(failsWith(code));
    expect(engine.runs).toEqual([]);
  });

  it('refuses a prompt shorter than the engine can begin with', async () => {
    const { scheduler } = setUp({ limits: { minFirstTokens: 2 } });
    const sequence = scheduler.createSequence();
    await expect(answerOf(scheduler, { sequence, prompt: [1] })).rejects.toThrow(failsWith('INPUT_INVALID'));
    await answerOf(scheduler, { sequence, prompt: [1, 2], maxNewTokens: 2 });
  });

  it('reuses the KV cache of the turns before', async () => {
    const { scheduler, engine, expected } = setUp();
    const sequence = scheduler.createSequence();
    const first = await answerOf(scheduler, { sequence, prompt: [1, 2, 3], maxNewTokens: 4 });
    const wish = { prompt: [1, 2, 3, ...first.finish.tokenIds, 7, 8], maxNewTokens: 4 };
    const runsBefore = engine.runs.length;
    const { parts, finish } = await answerOf(scheduler, { sequence, ...wish });
    expect(parts[0]).toEqual({ type: 'start', inputTokens: 9, cachedInputTokens: 6 });
    expect(engine.runs[runsBefore]?.sequences[0]?.pastTokens).toBe(6);
    expect(finish.tokenIds).toEqual(expected(wish).tokenIds);
  });

  it('runs at least the last token of a prompt that is cached whole', async () => {
    const { scheduler, expected } = setUp();
    const sequence = scheduler.createSequence();
    const wish = { prompt: [1, 2, 3], maxNewTokens: 4 };
    await answerOf(scheduler, { sequence, ...wish });
    const { finish } = await answerOf(scheduler, { sequence, ...wish });
    expect(finish.usage.cachedInputTokens).toBe(2);
    expect(finish.tokenIds).toEqual(expected(wish).tokenIds);
  });

  it('computes the whole sequence anew where it crosses a rope boundary', async () => {
    const { scheduler, engine, expected } = setUp({ limits: { ropeBoundaries: [8] } });
    const wish = { prompt: [1, 2, 3, 4, 5, 6], maxNewTokens: 6 };
    const { finish } = await answerOf(scheduler, { sequence: scheduler.createSequence(), ...wish });
    expect(finish.tokenIds).toEqual(expected(wish).tokenIds);
    const firsts = engine.runs.filter(({ sequences }) => sequences[0]?.pastTokens === 0);
    expect(firsts.map(({ sequences }) => sequences[0]?.tokens.length)).toEqual([6, 9]);
  });

  describe('aborted', () => {
    const reason = new Error('enough');

    it('before it began, throws the reason', async () => {
      const { scheduler, engine } = setUp();
      const wish = { sequence: scheduler.createSequence(), prompt: [1, 2, 3], signal: AbortSignal.abort(reason) };
      await expect(answerOf(scheduler, wish)).rejects.toBe(reason);
      expect(engine.runs).toEqual([]);
    });

    it('while it waits for a slot, throws the reason and leaves the queue', async () => {
      const { scheduler, expected } = setUp({ limits: { maxSlots: 1 } });
      const controller = new AbortController();
      const running = answerOf(scheduler, { sequence: scheduler.createSequence(), prompt: [1], maxNewTokens: 30 });
      const sequence = scheduler.createSequence();
      const waiting = answerOf(scheduler, { sequence, prompt: [2], signal: controller.signal });
      setTimeout(() => controller.abort(reason), 5);
      await expect(waiting).rejects.toBe(reason);
      expect((await running).finish.tokenIds).toEqual(expected({ prompt: [1], maxNewTokens: 30 }).tokenIds);
    });

    it('in the midst of a long prefill, finishes at once with no text', async () => {
      const { scheduler, expected } = setUp({ runDelayMs: ({ index }) => (index === 0 ? 30_000 : 0) });
      const sequence = scheduler.createSequence();
      const controller = new AbortController();
      const stream = ask(scheduler, { sequence, prompt: [1, 2, 3], signal: controller.signal });
      expect((await stream.next()).value).toMatchObject({ type: 'start' });
      setTimeout(() => controller.abort(reason), 5);
      const { parts, finish } = await collect(stream);
      expect(parts).toEqual([finish]);
      expect(finish).toMatchObject({ finishReason: 'aborted', tokenIds: [], usage: { outputTokens: 0 } });
      expect(finish.timings).toMatchObject({ timeToFirstTokenMs: null, decodeTokensPerSecond: null });
      const wish = { prompt: [1, 2, 4], maxNewTokens: 5 };
      expect((await answerOf(scheduler, { sequence, ...wish })).finish.tokenIds).toEqual(expected(wish).tokenIds);
    });

    it('while it decodes, finishes with the text so far, that held back included', async () => {
      const { scheduler, expected } = setUp();
      const sequence = scheduler.createSequence();
      const controller = new AbortController();
      const wish = { prompt: [1, 2, 3], stopStrings: ['aaaaaaaaaaaaa', 'bbbbbbbbbbbb'] };
      let texts = 0;
      const decoder = { push: (id: number) => String.fromCharCode(97 + (id % 4)), flush: () => '!' };
      const { text, finish } = await collect(
        (async function* () {
          for await (const part of ask(scheduler, { sequence, ...wish, decoder, signal: controller.signal })) {
            if (part.type === 'text-delta' && ++texts === 4) controller.abort(reason);
            yield part;
          }
        })(),
      );
      expect(finish.finishReason).toBe('aborted');
      expect(finish.tokenIds.length).toBeLessThan(100);
      expect(finish.tokenIds).toEqual(expected(wish).tokenIds.slice(0, finish.tokenIds.length));
      expect(text).toBe(finish.tokenIds.map((id) => decoder.push(id)).join('') + '!');
    });
  });

  it('stops when the reader leaves, and the sequence can go on', async () => {
    const { scheduler, engine, expected } = setUp();
    const sequence = scheduler.createSequence();
    for await (const part of ask(scheduler, { sequence, prompt: [1, 2, 3] })) if (part.type === 'text-delta') break;
    const runs = engine.runs.length;
    expect(runs).toBeLessThan(20);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(engine.runs.length).toBe(runs);
    const wish = { prompt: [1, 2, 3], maxNewTokens: 8 };
    const { finish } = await answerOf(scheduler, { sequence, ...wish });
    expect(finish.usage.cachedInputTokens).toBe(2);
    expect(finish.tokenIds).toEqual(expected(wish).tokenIds);
  });

  it('refuses a second answer on a sequence that is generating', async () => {
    const { scheduler } = setUp();
    const sequence = scheduler.createSequence();
    const first = answerOf(scheduler, { sequence, prompt: [1], maxNewTokens: 3 });
    await expect(answerOf(scheduler, { sequence, prompt: [1] })).rejects.toThrow(failsWith('BUSY'));
    expect((await first).finish.finishReason).toBe('length');
  });

  it.each([true, false])('passes an engine error on and can go on after it (slot lost: %s)', async (lost) => {
    const failure = new Error('device removed');
    const { scheduler, expected } = setUp({
      failuresLoseSlots: lost,
      failRun: ({ index }) => (index === 3 ? failure : undefined),
    });
    const sequence = scheduler.createSequence();
    const wish = { prompt: [1, 2, 3], maxNewTokens: 8 };
    await expect(answerOf(scheduler, { sequence, ...wish })).rejects.toBe(failure);
    const { finish } = await answerOf(scheduler, { sequence, ...wish });
    expect(finish.usage.cachedInputTokens).toBe(lost ? 0 : 2);
    expect(finish.tokenIds).toEqual(expected(wish).tokenIds);
  });

  it('passes on what the sampler throws', async () => {
    const { scheduler } = setUp();
    const failure = new Error('logits are not numbers');
    const sampler = {
      random: false,
      seed: 0,
      sample: () => {
        throw failure;
      },
    };
    const sequence = scheduler.createSequence();
    await expect(answerOf(scheduler, { sequence, prompt: [1], sampler })).rejects.toBe(failure);
    await answerOf(scheduler, { sequence, prompt: [1], maxNewTokens: 1 });
  });
});
