import { describe, expect, it } from 'vitest';
import { createFakeEngine, fakeLogits } from './fake/fake-engine.js';

/** What the contract suite cannot ask of every engine. */
describe('the engine core', () => {
  const ids = (count: number, seed = 0): Int32Array =>
    Int32Array.from({ length: count }, (_, i) => (i * 7 + seed) % 64);

  it('refuses to go on across a rope boundary until the sequence is prefilled anew', async () => {
    await using engine = createFakeEngine({ limits: { ropeBoundaries: [32] } });
    const slot = await engine.openSlot({ capacityTokens: 100 });
    await engine.forward([{ slot, tokens: ids(32), logits: 'none', finalLength: 32 }]);
    const crossing = { slot, tokens: ids(1, 5), logits: 'last', finalLength: 33 } as const;
    await expect(engine.forward([crossing])).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    expect([slot.state, slot.length]).toEqual(['ready', 32]);
    await slot.reset();
    const all = Int32Array.from([...ids(32), ...ids(1, 5)]);
    const [logits] = await engine.forward([{ slot, tokens: all, logits: 'last', finalLength: 33 }]);
    expect(logits?.data).toEqual(fakeLogits([...all], 64, 1));
  });

  it('cannot rewind from beyond a rope boundary to before it, except to nothing', async () => {
    await using engine = createFakeEngine({ limits: { ropeBoundaries: [32] } });
    const slot = await engine.openSlot({ capacityTokens: 100 });
    await engine.forward([{ slot, tokens: ids(50), logits: 'none', finalLength: 50 }]);
    expect([slot.rewind(40), slot.rewind(32), slot.length]).toEqual([true, false, 40]);
    expect(slot.rewind(0)).toBe(true);
    const [logits] = await engine.forward([{ slot, tokens: ids(5), logits: 'last', finalLength: 5 }]);
    expect(logits?.data).toEqual(fakeLogits([...ids(5)], 64, 0));
  });

  it('rolls every step of a failed forward back, those of finished runs too', async () => {
    const failure = new Error('second run');
    let fail = false;
    await using engine = createFakeEngine({
      failRun: ({ sequences }) => (fail && sequences[0]?.tokens.length === 9 ? failure : undefined),
    });
    const [a, b] = [await engine.openSlot({ capacityTokens: 50 }), await engine.openSlot({ capacityTokens: 50 })];
    const steps = [
      { slot: a, tokens: ids(7), logits: 'last', finalLength: 7 },
      { slot: b, tokens: ids(9, 3), logits: 'last', finalLength: 9 },
    ] as const;
    fail = true;
    await expect(engine.forward(steps)).rejects.toBe(failure);
    expect([a.length, b.length, a.state, b.state]).toEqual([0, 0, 'ready', 'ready']);
    fail = false;
    const [rowA, rowB] = await engine.forward(steps);
    expect(rowA?.data).toEqual(fakeLogits([...ids(7)], 64));
    expect(rowB?.data).toEqual(fakeLogits([...ids(9, 3)], 64));
  });

  it('hands out logits in memory that the next forward uses again', async () => {
    await using engine = createFakeEngine();
    const slot = await engine.openSlot({ capacityTokens: 50 });
    const [first] = await engine.forward([{ slot, tokens: ids(3), logits: 'last', finalLength: 3 }]);
    const [second] = await engine.forward([{ slot, tokens: ids(2), logits: 'last', finalLength: 5 }]);
    expect(second?.data.buffer).toBe(first?.data.buffer);
  });

  it('refuses rows of logits that would not fit into memory', async () => {
    const limits = { contextTokens: 2 ** 21, prefillChunkTokens: 2 ** 21 };
    await using engine = createFakeEngine({ vocabularySize: 2 ** 24, limits });
    const slot = await engine.openSlot({ capacityTokens: 2 ** 21 });
    const tokens = new Int32Array(2 ** 21);
    const step = { slot, tokens, logits: 'all', finalLength: tokens.length } as const;
    await expect(engine.forward([step])).rejects.toMatchObject({ code: 'MEMORY_INSUFFICIENT' });
    expect([slot.state, slot.length]).toEqual(['ready', 0]);
  });
});
