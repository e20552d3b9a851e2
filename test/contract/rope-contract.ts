/**
 * What an engine must do beside engine-contract.ts where the rope factors change with the length of the sequence
 * (longrope): one regime for a whole sequence, named by Step.finalLength, and no key of one regime seen from another.
 * Whether the logits are those of the model is test/golden's.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine, Slot, Step } from '../../src/engine/engine.js';

export interface RopeContractOptions {
  /** Largest difference of a logit between two ways to compute it. Default 0. */
  readonly tolerance?: number;
}

/**
 * Registers the suite. `makeEngine` gives a fresh engine for each case, with three slots or more, one boundary, and a
 * context at least twice as long; its prefill chunk is shorter than the boundary.
 */
export function describeRopeContract(
  name: string,
  makeEngine: () => Promise<Engine>,
  { tolerance = 0 }: RopeContractOptions = {},
): void {
  describe(`rope regimes: ${name}`, () => {
    let engine: Engine;
    let boundary: number;

    beforeEach(async () => {
      engine = await makeEngine();
      [boundary = NaN] = engine.limits.ropeBoundaries;
    });
    afterEach(() => engine.dispose());

    const open = (): Promise<Slot> => engine.openSlot({ capacityTokens: engine.limits.contextTokens });
    const tokens = (count: number, seed = 1): Int32Array =>
      Int32Array.from({ length: count }, (_, i) => (i * i * 31 + i * 17 + seed * 101 + 5) % engine.info.vocabularySize);
    const step = (slot: Slot, ids: Int32Array, finalLength = slot.length + ids.length): Step => ({
      slot,
      tokens: ids,
      finalLength,
      logits: 'last',
    });
    const forward = async (...steps: readonly Step[]): Promise<Float32Array[]> =>
      (await engine.forward(steps)).map((logits) => logits.data.slice());
    const run = async (slot: Slot, ids: Int32Array, finalLength?: number): Promise<Float32Array> =>
      (await forward(step(slot, ids, finalLength)))[0] ?? new Float32Array(0);
    /** The logits after `ids`, in one step in a slot of its own. */
    const reference = async (ids: Int32Array, finalLength?: number): Promise<Float32Array> => {
      const slot = await open();
      const row = await run(slot, ids, finalLength);
      await slot.dispose();
      return row;
    };
    const difference = (a: Float32Array | undefined, b: Float32Array | undefined): number => {
      expect(a?.length).toBe(engine.info.vocabularySize);
      expect(b?.length).toBe(engine.info.vocabularySize);
      // A NaN on either side makes the result NaN, which no comparison accepts.
      return (a ?? new Float32Array(0)).reduce(
        (worst, value, i) => Math.max(worst, Math.abs(value - (b?.[i] ?? NaN))),
        0,
      );
    };
    const expectSame = (a: Float32Array | undefined, b: Float32Array | undefined): void => {
      expect(difference(a, b)).toBeLessThanOrEqual(tolerance);
    };
    const expectOther = (a: Float32Array, b: Float32Array): void => {
      expect(difference(a, b)).toBeGreaterThan(10 * tolerance);
    };

    it('has one boundary, with room on both sides', () => {
      expect(engine.limits.ropeBoundaries).toEqual([boundary]);
      expect(engine.limits.contextTokens).toBeGreaterThanOrEqual(2 * boundary);
      expect(engine.limits.prefillChunkTokens).toBeLessThan(boundary);
    });

    it('takes the regime from the final length, not from the tokens at hand', async () => {
      const short = await reference(tokens(20));
      expectSame(await reference(tokens(20), boundary), short);
      const long = await reference(tokens(20), boundary + 1);
      expectOther(long, short);
      // However far beyond, even where the slot could not hold it.
      const slot = await engine.openSlot({ capacityTokens: 24 });
      expectSame(await run(slot, tokens(20), 1_000_000), long);
    });

    it('changes it behind the boundary, not on it', async () => {
      const slot = await open();
      await run(slot, tokens(boundary - 1));
      const last = await run(slot, tokens(boundary).subarray(boundary - 1));
      expectSame(last, await reference(tokens(boundary)));
      expectOther(last, await reference(tokens(boundary), boundary + 1));
    });

    it('a prompt that crosses is the same in small steps as in one', async () => {
      const ids = tokens(boundary + 21);
      const whole = await reference(ids);
      for (const count of [1, 5, boundary - 1, boundary, boundary + 1]) {
        const slot = await open();
        let row: Float32Array | undefined;
        while (slot.length < ids.length) {
          row = await run(slot, ids.subarray(slot.length, slot.length + count), ids.length);
        }
        await slot.dispose();
        expectSame(row, whole);
      }
    });

    it('gives every row of such a prompt', async () => {
      const ids = tokens(boundary + 3);
      const slot = await open();
      const [logits] = await engine.forward([{ ...step(slot, ids), logits: 'all' }]);
      const { vocabularySize } = engine.info;
      const rows = logits?.data.slice();
      await slot.dispose();
      for (const at of [0, 7, boundary - 1, boundary, boundary + 2]) {
        expectSame(
          rows?.subarray(at * vocabularySize, (at + 1) * vocabularySize),
          await reference(ids.subarray(0, at + 1), ids.length),
        );
      }
    });

    it('refuses to go on across the boundary over keys of the other side, and leaves them as they are', async () => {
      const slot = await open();
      await run(slot, tokens(boundary));
      await expect(forward(step(slot, tokens(1)))).rejects.toMatchObject({ code: 'OPTION_INVALID' });
      expect([slot.state, slot.length]).toEqual(['ready', boundary]);
      await slot.reset();
      await run(slot, tokens(10), boundary + 1);
      await expect(forward(step(slot, tokens(1), 11))).rejects.toMatchObject({ code: 'OPTION_INVALID' });
      const ids = Int32Array.of(...tokens(10), 7);
      expectSame(await run(slot, ids.subarray(10), boundary + 1), await reference(ids, boundary + 1));
    });

    it('goes on across the boundary after a reset and a prefill of the whole', async () => {
      const ids = tokens(boundary + 4);
      const slot = await open();
      await run(slot, ids.subarray(0, boundary));
      await slot.reset();
      await run(slot, ids.subarray(0, boundary + 1));
      for (const at of [1, 2]) await run(slot, ids.subarray(boundary + at, boundary + at + 1));
      expectSame(await run(slot, ids.subarray(boundary + 3)), await reference(ids));
    });

    it('does not rewind from beyond to below, and rewinds beyond as everywhere', async () => {
      const ids = tokens(boundary + 20);
      const slot = await open();
      await run(slot, ids);
      expect(slot.rewind(boundary)).toBe(false);
      expect([slot.state, slot.length]).toEqual(['ready', boundary + 20]);
      const rewound = slot.rewind(boundary + 5);
      expect(rewound).toBe(engine.limits.rewind !== 'none');
      if (!rewound) return;
      const other = Int32Array.of(...ids.subarray(0, boundary + 5), ...tokens(6, 3));
      expectSame(await run(slot, other.subarray(boundary + 5)), await reference(other));
    });

    it('keeps the two regimes apart in one forward, whatever lies in idle slots between', async () => {
      // One below, one idle at the boundary, one below, one idle beyond, one beyond: as far as there are slots.
      const lengths = [10, boundary, 12, boundary + 2, boundary + 9].slice(0, engine.limits.maxSlots);
      const slots: { readonly slot: Slot; history: Int32Array; row?: Float32Array | undefined }[] = [];
      for (const [i, length] of lengths.entries()) {
        const slot = await open();
        const history = tokens(length, i);
        await run(slot, history);
        slots.push({ slot, history });
      }
      const append = (entry: { history: Int32Array }, ids: Int32Array): void => {
        entry.history = Int32Array.of(...entry.history, ...ids);
      };
      const busy = slots.filter((_, i) => i % 2 === 0);
      for (let round = 0; round < 3; round += 1) {
        const added = busy.map((_, i) => tokens(1, 20 + 5 * i + round));
        const rows = await forward(...busy.map(({ slot }, i) => step(slot, added[i] ?? tokens(0))));
        for (const [i, entry] of busy.entries()) {
          append(entry, added[i] ?? tokens(0));
          entry.row = rows[i];
        }
      }
      // The idle ones still hold what they held; the one at the boundary cannot go on.
      for (const entry of slots.filter(({ row, slot }) => row === undefined && slot.length !== boundary)) {
        entry.row = await run(entry.slot, tokens(1, 50));
        append(entry, tokens(1, 50));
      }
      for (const { slot, history } of slots) {
        expect(slot.length).toBe(history.length);
        await slot.dispose();
      }
      for (const { row, history } of slots) if (row !== undefined) expectSame(row, await reference(history));
    });

    it('a slot can be filled to the end of the context', async () => {
      const ids = tokens(engine.limits.contextTokens);
      const slot = await open();
      await run(slot, ids.subarray(0, ids.length - 1), ids.length);
      const row = await run(slot, ids.subarray(ids.length - 1));
      expect([slot.length, slot.occupied]).toEqual([ids.length, ids.length]);
      await slot.dispose();
      expectSame(row, await reference(ids));
    });
  });
}
