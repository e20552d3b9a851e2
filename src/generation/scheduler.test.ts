import { describe, expect, it } from 'vitest';
import { createFakeEngine, fakeLogits, type FakeEngine, type FakeEngineOptions } from '../engine/fake/fake-engine.js';
import type { Engine } from '../engine/engine.js';
import { ResourceError } from '../errors.js';
import { Scheduler } from './scheduler.js';
import { answerOf, ask, collect, naiveAnswer, type Wish } from './testing/requests.js';

function setUp(options: FakeEngineOptions = {}) {
  const engine = createFakeEngine(options);
  const scheduler = new Scheduler(engine);
  const logitsAfter = (history: readonly number[]) => fakeLogits(history, engine.info.vocabularySize);
  const expected = (wish: Omit<Wish, 'sequence'>) => naiveAnswer(engine, logitsAfter, wish).tokenIds;
  return { engine, scheduler, expected };
}

/** How many sequences each native run had, or the tokens of a prefill: [5] [1, 1] [1, 1]... */
function shapes(engine: FakeEngine): readonly (readonly number[])[] {
  return engine.runs.map(({ sequences }) => sequences.map(({ tokens }) => tokens.length));
}

const failsWith = (code: string): unknown => expect.objectContaining({ code });
const prompts = [0, 1, 2, 3, 4].map((index) => Array.from({ length: 3 + 4 * index }, (_, at) => (7 * at + index) % 64));

describe('Scheduler', () => {
  it.each([
    { maxSlots: 4, maxBatch: 4 },
    { maxSlots: 4, maxBatch: 2 },
    { maxSlots: 3, maxBatch: 1 },
    { maxSlots: 2, maxBatch: 4 },
    { maxSlots: 1, maxBatch: 1 },
  ])('answers five at once rightly with %o', async (limits) => {
    const { scheduler, expected } = setUp({ limits });
    const wishes = prompts.map((prompt, index) => ({ prompt, maxNewTokens: 6 + index }));
    const answers = await Promise.all(
      wishes.map((wish) => answerOf(scheduler, { sequence: scheduler.createSequence(), ...wish })),
    );
    expect(answers.map(({ finish }) => finish.tokenIds)).toEqual(wishes.map(expected));
  });

  it('decodes sequences together', async () => {
    const { scheduler, engine } = setUp();
    const wish = { prompt: [1, 2], maxNewTokens: 5 };
    const sequences = [scheduler.createSequence(), scheduler.createSequence(), scheduler.createSequence()];
    await Promise.all(sequences.map((sequence) => answerOf(scheduler, { sequence, ...wish })));
    expect(shapes(engine).filter((shape) => shape.length === 3)).toHaveLength(2);
    expect(engine.runs.length).toBeLessThan(12);
  });

  it('alternates the prompt chunks of one that joins with the decode steps of the others', async () => {
    const { scheduler, engine } = setUp({ limits: { prefillChunkTokens: 8 } });
    const first = ask(scheduler, { sequence: scheduler.createSequence(), prompt: [1, 2], maxNewTokens: 20 });
    await first.next();
    await first.next();
    const prompt = Array.from({ length: 32 }, (_, index) => index);
    const second = answerOf(scheduler, { sequence: scheduler.createSequence(), prompt, maxNewTokens: 1 });
    await Promise.all([collect(first), second]);
    const from = shapes(engine).findIndex(([tokens]) => tokens === 8);
    expect(shapes(engine).slice(from, from + 7)).toEqual([[8], [1], [8], [1], [8], [1], [8]]);
  });

  it('gives a prompt its longer first run only where nobody waits for a token meanwhile', async () => {
    const { scheduler, engine } = setUp({ limits: { prefillChunkTokens: 8, firstChunkTokens: 24 } });
    const prompt = Array.from({ length: 32 }, (_, index) => index);
    await answerOf(scheduler, { sequence: scheduler.createSequence(), prompt, maxNewTokens: 1 });
    expect(shapes(engine)).toEqual([[24], [8]]);
    const first = ask(scheduler, { sequence: scheduler.createSequence(), prompt: [1, 2], maxNewTokens: 20 });
    await first.next();
    await first.next();
    const second = answerOf(scheduler, { sequence: scheduler.createSequence(), prompt, maxNewTokens: 1 });
    await Promise.all([collect(first), second]);
    const from = shapes(engine).findIndex(([tokens], index) => index > 1 && tokens === 8);
    expect(shapes(engine).slice(from, from + 7)).toEqual([[8], [1], [8], [1], [8], [1], [8]]);
  });

  it('takes turns where more decode than fit in a batch', async () => {
    const leads: number[] = [];
    const { scheduler, engine } = setUp({
      limits: { maxBatch: 2 },
      runDelayMs: () => {
        const lengths = sequences.map(({ length }) => length);
        leads.push(Math.max(...lengths) - Math.min(...lengths));
        return 0;
      },
    });
    const sequences = [0, 1, 2].map(() => scheduler.createSequence());
    const wish = { prompt: [1, 2], maxNewTokens: 30 };
    await Promise.all(sequences.map((sequence) => answerOf(scheduler, { sequence, ...wish })));
    expect(Math.max(...leads)).toBeLessThanOrEqual(3);
    expect(Math.max(...shapes(engine).map((shape) => shape.length))).toBe(2);
  });

  it('lets those who wait for a slot have it in the order they came', async () => {
    const { scheduler } = setUp({ limits: { maxSlots: 1 } });
    const order: number[] = [];
    await Promise.all(
      prompts.map(async (prompt, index) => {
        await answerOf(scheduler, { sequence: scheduler.createSequence(), prompt, maxNewTokens: 3 });
        order.push(index);
      }),
    );
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  it('evicts the least recently used idle sequence, which prefills again', async () => {
    const { scheduler, expected } = setUp({ limits: { maxSlots: 2 } });
    const [a, b, c] = [scheduler.createSequence(), scheduler.createSequence(), scheduler.createSequence()];
    const wish = { prompt: [1, 2, 3, 4], maxNewTokens: 3 };
    await answerOf(scheduler, { sequence: a, ...wish });
    await answerOf(scheduler, { sequence: b, ...wish });
    await answerOf(scheduler, { sequence: a, ...wish });
    await answerOf(scheduler, { sequence: c, ...wish });
    expect([a, b, c].map(({ cachedLength }) => cachedLength > 0)).toEqual([true, false, true]);
    expect(b.length).toBe(6);
    const again = await answerOf(scheduler, { sequence: b, ...wish });
    expect(again.finish.usage.cachedInputTokens).toBe(0);
    expect(again.finish.tokenIds).toEqual(expected(wish));
  });

  it('does not let a reader that waits for another answer block it', async () => {
    const { scheduler, expected } = setUp({ limits: { maxSlots: 1 } });
    const outer = ask(scheduler, { sequence: scheduler.createSequence(), prompt: [1, 2], maxNewTokens: 5 });
    await outer.next();
    const inner = await answerOf(scheduler, { sequence: scheduler.createSequence(), prompt: [3], maxNewTokens: 4 });
    expect(inner.finish.tokenIds).toEqual(expected({ prompt: [3], maxNewTokens: 4 }));
    expect((await collect(outer)).finish.tokenIds).toEqual(expected({ prompt: [1, 2], maxNewTokens: 5 }));
  });

  it('makes do with one slot where memory does not suffice for a second', async () => {
    const { engine, expected } = setUp();
    const scheduler = new Scheduler(withRoomForOneSlot(engine));
    const wishes = prompts.map((prompt) => ({ prompt, maxNewTokens: 4 }));
    const answers = await Promise.all(
      wishes.map((wish) => answerOf(scheduler, { sequence: scheduler.createSequence(), ...wish })),
    );
    expect(answers.map(({ finish }) => finish.tokenIds)).toEqual(wishes.map(expected));
  });

  it('says so where memory does not suffice for the first', async () => {
    const { engine } = setUp();
    const narrow = withRoomForOneSlot(engine);
    await narrow.openSlot({ capacityTokens: 1 });
    const scheduler = new Scheduler(narrow);
    const wish = { sequence: scheduler.createSequence(), prompt: [1] };
    await expect(answerOf(scheduler, wish)).rejects.toThrow(failsWith('MEMORY_INSUFFICIENT'));
  });

  it('lets the others of a batch go on when one is aborted in the midst of a run', async () => {
    const controller = new AbortController();
    const { scheduler, engine, expected } = setUp({
      failuresLoseSlots: true,
      runDelayMs: ({ sequences }) => {
        if (sequences.length === 2 && sequences[0]?.pastTokens === 8) controller.abort();
        return 2;
      },
    });
    const wish = { prompt: [1, 2, 3], maxNewTokens: 20 };
    const kept = answerOf(scheduler, { sequence: scheduler.createSequence(), ...wish });
    const { signal } = controller;
    const aborted = answerOf(scheduler, { sequence: scheduler.createSequence(), ...wish, signal });
    expect((await aborted).finish.finishReason).toBe('aborted');
    expect((await kept).finish.tokenIds).toEqual(expected(wish));
    expect(engine.runs.filter(({ sequences }) => sequences[0]?.pastTokens === 0)).toHaveLength(2);
  });

  it('passes an engine error to all in the batch and lets the others go on', async () => {
    const failure = new Error('device removed');
    const { scheduler, expected } = setUp({
      failuresLoseSlots: true,
      limits: { maxSlots: 2 },
      failRun: ({ sequences }) => (sequences.length === 2 && sequences[0]?.pastTokens === 6 ? failure : undefined),
    });
    const sequences = [0, 1, 2].map(() => scheduler.createSequence());
    const wishes = [[1, 2, 3], [4, 5, 6], [7]].map((prompt) => ({ prompt, maxNewTokens: 8 }));
    const ask = (index: number) => {
      const [sequence, wish] = [sequences[index], wishes[index]];
      if (sequence === undefined || wish === undefined) throw new Error('no such sequence');
      return answerOf(scheduler, { sequence, ...wish });
    };
    const [first, second, third] = await Promise.allSettled([ask(0), ask(1), ask(2)]);
    expect(first).toEqual({ status: 'rejected', reason: failure });
    expect(second).toEqual({ status: 'rejected', reason: failure });
    expect(third).toMatchObject({ status: 'fulfilled' });
    expect((await ask(0)).finish.tokenIds).toEqual(expected({ prompt: [1, 2, 3], maxNewTokens: 8 }));
  });

  it('turns the event loop between steps', async () => {
    const { scheduler, engine } = setUp();
    let turns = 0;
    let counting = true;
    const count = () => {
      turns++;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    await answerOf(scheduler, { sequence: scheduler.createSequence(), prompt: [1], maxNewTokens: 10 });
    counting = false;
    expect(turns).toBeGreaterThanOrEqual(engine.runs.length);
  });

  it('refuses a sequence of another scheduler', async () => {
    const { scheduler, engine } = setUp();
    const other = new Scheduler(engine).createSequence();
    await expect(answerOf(scheduler, { sequence: other, prompt: [1] })).rejects.toThrow(failsWith('INPUT_INVALID'));
  });

  describe('disposed', () => {
    it('ends what runs and what waits, frees the slots and leaves the engine', async () => {
      const { scheduler, engine } = setUp({ limits: { maxSlots: 1 }, runDelayMs: 5 });
      const running = answerOf(scheduler, { sequence: scheduler.createSequence(), prompt: [1] });
      const waiting = answerOf(scheduler, { sequence: scheduler.createSequence(), prompt: [2] });
      const ends = Promise.allSettled([running, waiting]);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await Promise.all([scheduler.dispose(), scheduler.dispose()]);
      const failure = { status: 'rejected', reason: failsWith('DISPOSED') };
      expect(await ends).toEqual([failure, failure]);
      await scheduler.dispose();
      expect(() => scheduler.createSequence()).toThrow(failsWith('DISPOSED'));
      await using slot = await engine.openSlot({ capacityTokens: 4 });
      expect(slot.length).toBe(0);
    });

    it('does nothing that needs waiting for where nothing ran', async () => {
      const scheduler = new Scheduler(createFakeEngine());
      const sequence = scheduler.createSequence();
      await scheduler.dispose();
      await sequence.dispose();
      await expect(answerOf(scheduler, { sequence, prompt: [1] })).rejects.toThrow(failsWith('DISPOSED'));
    });
  });

  describe('Sequence.dispose', () => {
    it('frees the slot for others', async () => {
      const { scheduler, engine } = setUp({ limits: { maxSlots: 1 } });
      const sequence = scheduler.createSequence();
      await answerOf(scheduler, { sequence, prompt: [1, 2], maxNewTokens: 2 });
      expect([sequence.length, sequence.cachedLength]).toEqual([3, 3]);
      await sequence.dispose();
      await sequence.dispose();
      expect(sequence.cachedLength).toBe(0);
      await using slot = await engine.openSlot({ capacityTokens: 4 });
      expect(slot.state).toBe('ready');
      await expect(answerOf(scheduler, { sequence, prompt: [1] })).rejects.toThrow(failsWith('DISPOSED'));
    });

    it('ends the generation that runs, whose slot the next one gets', async () => {
      const { scheduler, expected } = setUp({ limits: { maxSlots: 1 }, runDelayMs: 3 });
      const sequence = scheduler.createSequence();
      const running = answerOf(scheduler, { sequence, prompt: [1, 2] });
      const waiting = answerOf(scheduler, { sequence: scheduler.createSequence(), prompt: [3], maxNewTokens: 4 });
      const ended = expect(running).rejects.toThrow(failsWith('DISPOSED'));
      await new Promise((resolve) => setTimeout(resolve, 15));
      await sequence.dispose();
      await ended;
      expect((await waiting).finish.tokenIds).toEqual(expected({ prompt: [3], maxNewTokens: 4 }));
    });
  });
});

/** The same engine on a machine with less memory. */
function withRoomForOneSlot(engine: Engine): Engine {
  let open = 0;
  return {
    info: engine.info,
    limits: engine.limits,
    openSlot: (options) => {
      if (open > 0) throw new ResourceError('MEMORY_INSUFFICIENT', 'No room for another KV cache.');
      open++;
      return engine.openSlot(options);
    },
    forward: (steps, signal) => engine.forward(steps, signal),
    dispose: () => engine.dispose(),
    [Symbol.asyncDispose]: () => engine.dispose(),
  };
}
