import { describe, expect, it } from 'vitest';
import { createFakeEngine, fakeLogits, FAVOURITE_LOGIT } from './fake-engine.js';

const step = { logits: 'last', finalLength: 256 } as const;

describe('createFakeEngine', () => {
  it('gives the documented logits of the whole history, however it was cut into steps', async () => {
    await using engine = createFakeEngine({ vocabularySize: 10 });
    const slot = await engine.openSlot({ capacityTokens: 20 });
    await engine.forward([{ ...step, slot, tokens: Int32Array.of(1, 2, 3) }]);
    const [logits] = await engine.forward([{ ...step, slot, tokens: Int32Array.of(4, 5) }]);
    expect(logits?.data).toEqual(fakeLogits([1, 2, 3, 4, 5], 10));
    expect(fakeLogits([1, 2, 3, 4, 5], 10)).not.toEqual(fakeLogits([2, 1, 3, 4, 5], 10));
  });

  it('puts the favourite on top', async () => {
    await using engine = createFakeEngine({ favourite: (history) => history.length % 7 });
    const slot = await engine.openSlot({ capacityTokens: 20 });
    const [logits] = await engine.forward([{ ...step, slot, tokens: Int32Array.of(1, 2, 3) }]);
    expect(logits?.data[3]).toBe(FAVOURITE_LOGIT);
    expect(Math.max(...(logits?.data ?? []))).toBe(FAVOURITE_LOGIT);
  });

  it('tells its native runs: chunks of a prompt, batches of one-token steps', async () => {
    await using engine = createFakeEngine({ limits: { prefillChunkTokens: 4, maxBatch: 2 } });
    const slots = await Promise.all([0, 1, 2].map(() => engine.openSlot({ capacityTokens: 20 })));
    await engine.forward(slots.map((slot) => ({ ...step, slot, tokens: Int32Array.of(1, 2, 3, 4, 5) })));
    await engine.forward(slots.map((slot) => ({ ...step, slot, tokens: Int32Array.of(6) })));
    expect(engine.runs.map(({ sequences }) => sequences.map(({ tokens }) => tokens.length))).toEqual([
      ...[[4], [1], [4], [1], [4], [1]],
      ...[[1, 1], [1]],
    ]);
  });

  it('fails a run as told, keeping or losing the slots as told', async () => {
    for (const failuresLoseSlots of [false, true]) {
      const failure = new Error('as told');
      await using engine = createFakeEngine({
        failuresLoseSlots,
        failRun: ({ index }) => (index === 1 ? failure : undefined),
      });
      const slot = await engine.openSlot({ capacityTokens: 20 });
      await engine.forward([{ ...step, slot, tokens: Int32Array.of(1) }]);
      await expect(engine.forward([{ ...step, slot, tokens: Int32Array.of(2) }])).rejects.toBe(failure);
      expect(slot.state).toBe(failuresLoseSlots ? 'lost' : 'ready');
      if (failuresLoseSlots) {
        await expect(engine.forward([{ ...step, slot, tokens: Int32Array.of(2) }])).rejects.toThrow(
          expect.objectContaining({ code: 'SLOT_LOST' }),
        );
        await slot.reset();
      } else {
        expect(slot.length).toBe(1);
        expect(slot.rewind(0)).toBe(true);
      }
      const [logits] = await engine.forward([{ ...step, slot, tokens: Int32Array.of(3, 4) }]);
      expect(logits?.data).toEqual(fakeLogits([3, 4], 64));
    }
  });

  it('refuses unknown options', () => {
    expect(() => createFakeEngine({ vocabulary: 3 } as object)).toThrow(
      expect.objectContaining({ code: 'OPTION_UNKNOWN' }),
    );
  });
});
