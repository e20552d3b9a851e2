/**
 * What every engine must do, whatever runtime it wraps, each case under the limits that the engine declares.
 * It tests the interface of src/engine/engine.ts alone: not speed, not whether the logits are those of the model.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine, Slot, Step, StepLogits } from '../../src/engine/engine.js';

export interface EngineContractOptions {
  /** Largest difference of a logit between two ways to compute it. Default 0. */
  readonly tolerance?: number;
}

/** A token sequence that is the same in each run and repeats nothing for long. */
function tokensOf(count: number, seed: number, vocabularySize: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (i * i * 31 + i * 17 + seed * 101 + 5) % vocabularySize);
}

const join = (...parts: readonly Int32Array[]): Int32Array => Int32Array.from(parts.flatMap((part) => [...part]));

const thrown = (code: string): Error => expect.objectContaining({ code }) as Error;

function difference(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  // A NaN on either side makes the result NaN, which no comparison accepts.
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] ?? NaN))), 0);
}

/**
 * Registers the suite. `makeEngine` gives a fresh engine for each case; its context must hold at least 64 tokens,
 * its prefill chunk at most half of the context.
 */
export function describeEngineContract(
  name: string,
  makeEngine: () => Promise<Engine>,
  { tolerance = 0 }: EngineContractOptions = {},
): void {
  describe(`engine contract: ${name}`, () => {
    let engine: Engine;
    /** As long a prompt as this suite uses. */
    let longest: number;

    beforeEach(async () => {
      engine = await makeEngine();
      longest = Math.min(engine.limits.contextTokens, engine.limits.maxPromptTokens, 160);
    });
    afterEach(() => engine.dispose());

    const open = (capacityTokens = engine.limits.contextTokens): Promise<Slot> => engine.openSlot({ capacityTokens });
    const tokens = (count: number, seed = 1): Int32Array => tokensOf(count, seed, engine.info.vocabularySize);
    const step = (slot: Slot, ids: Int32Array, logits: Step['logits'] = 'last'): Step => ({
      slot,
      tokens: ids,
      logits,
      finalLength: slot.length + ids.length,
    });
    /** The rows of a step's logits, out of the engine's memory. */
    const rowsOf = (logits: StepLogits | undefined): number[][] => {
      if (logits === undefined) throw new Error('no logits for this step');
      const { vocabularySize } = engine.info;
      expect(logits.data).toHaveLength(logits.rows * vocabularySize);
      return Array.from({ length: logits.rows }, (_, row) => [
        ...logits.data.subarray(row * vocabularySize, (row + 1) * vocabularySize),
      ]);
    };
    const run = async (slot: Slot, ids: Int32Array, logits: Step['logits'] = 'last'): Promise<number[][]> =>
      rowsOf((await engine.forward([step(slot, ids, logits)]))[0]);
    /** Appends in steps that the limits allow; gives the logits of the last token. */
    const feed = async (slot: Slot, ids: Int32Array): Promise<number[]> => {
      const { maxPromptTokens, maxAppendTokens } = engine.limits;
      let row: number[] | undefined;
      for (let from = 0; from < ids.length;) {
        const to = Math.min(ids.length, from + (slot.length === 0 ? maxPromptTokens : maxAppendTokens));
        [row] = await run(slot, ids.subarray(from, to));
        from = to;
      }
      if (row === undefined) throw new Error('no tokens to feed');
      return row;
    };
    /** The logits of the last of `ids` in a slot of its own. Engines with one slot need all others disposed. */
    const reference = async (ids: Int32Array): Promise<number[]> => {
      const slot = await open();
      try {
        return await feed(slot, ids);
      } finally {
        await slot.dispose();
      }
    };
    const expectSame = (a: readonly number[] | undefined, b: readonly number[] | undefined): void => {
      expect(difference(a ?? [], b ?? [])).toBeLessThanOrEqual(tolerance);
    };

    it('reports what it runs on, and limits that make sense', () => {
      const { info, limits } = engine;
      expect(info.runtimeVersion).not.toBe('');
      expect(info.deviceName).not.toBe('');
      expect(info.vocabularySize).toBeGreaterThan(1);
      for (const value of [limits.maxSlots, limits.maxBatch, limits.minFirstTokens, limits.prefillChunkTokens]) {
        expect(value).toBeGreaterThanOrEqual(1);
      }
      expect(limits.contextTokens).toBeGreaterThanOrEqual(64);
    });

    it('gives different logits for different histories', async () => {
      const other = tokens(20);
      other[3] = other[3] === 1 ? 2 : 1;
      expect(difference(await reference(tokens(20)), await reference(other))).toBeGreaterThan(10 * tolerance);
    });

    it('prefill, then decode, equals one long prefill', async () => {
      const all = tokens(40);
      const slot = await open();
      await feed(slot, all.subarray(0, 33));
      let row: number[] | undefined;
      for (let i = 33; i < 40; i += 1) row = await feed(slot, all.subarray(i, i + 1));
      expect(slot.length).toBe(40);
      await slot.dispose();
      expectSame(row, await reference(all));
    });

    it('a prompt of several chunks equals the same prompt in small steps', async () => {
      const ids = tokens(Math.min(longest, 2 * engine.limits.prefillChunkTokens + 3));
      const slot = await open();
      let row = await feed(slot, ids.subarray(0, engine.limits.minFirstTokens));
      while (slot.length < ids.length) row = await feed(slot, ids.subarray(slot.length, slot.length + 5));
      await slot.dispose();
      expectSame(row, await reference(ids));
    });

    it('keeps what it holds while the cache grows', async () => {
      const all = tokens(longest);
      const slot = await open();
      const early = await feed(slot, all.subarray(0, 10));
      const middle = await feed(slot, all.subarray(10, longest / 2));
      const end = await feed(slot, all.subarray(longest / 2));
      expect(slot.length).toBe(longest);
      await slot.dispose();
      expectSame(early, await reference(all.subarray(0, 10)));
      expectSame(middle, await reference(all.subarray(0, longest / 2)));
      expectSame(end, await reference(all));
    });

    it('rewind, then append, equals never having been there', async () => {
      const slot = await open();
      await feed(slot, tokens(20));
      await feed(slot, tokens(9, 2));
      const rewound = slot.rewind(20);
      expect(rewound).toBe(engine.limits.rewind !== 'none');
      if (rewound) {
        expect(slot.length).toBe(20);
        expect(slot.occupied).toBe(engine.limits.rewind === 'exact' ? 20 : 29);
      } else {
        expect([slot.length, slot.state]).toEqual([29, 'ready']);
        await slot.reset();
        await feed(slot, tokens(20));
      }
      const row = await feed(slot, tokens(6, 3));
      await slot.dispose();
      expectSame(row, await reference(join(tokens(20), tokens(6, 3))));
    });

    it('rewinds to where it is, and refuses what lies beyond', async () => {
      const slot = await open();
      await feed(slot, tokens(8));
      expect(slot.rewind(8)).toBe(true);
      expect(() => slot.rewind(9)).toThrow(thrown('OPTION_INVALID'));
      expect(() => slot.rewind(-1)).toThrow(thrown('OPTION_INVALID'));
      const row = await feed(slot, tokens(5, 4));
      await slot.dispose();
      expectSame(row, await reference(join(tokens(8), tokens(5, 4))));
    });

    it('rewound to nothing, or reset, it is as new', async () => {
      for (const empty of [(slot: Slot) => slot.rewind(0), () => false]) {
        const slot = await open();
        await feed(slot, tokens(30));
        if (!empty(slot)) {
          await slot.reset();
          expect(slot.occupied).toBe(0);
        }
        expect([slot.length, slot.state]).toEqual([0, 'ready']);
        const row = await feed(slot, tokens(4, 5));
        await slot.dispose();
        expectSame(row, await reference(tokens(4, 5)));
      }
    });

    it('two slots do not disturb each other', async ({ skip }) => {
      skip(engine.limits.maxSlots < 2, 'this engine has one slot');
      const [a, b] = [await open(), await open()];
      await feed(a, tokens(12, 1));
      await feed(b, tokens(25, 2));
      const rowA = await feed(a, tokens(3, 3));
      const rowB = await feed(b, tokens(2, 4));
      await a.dispose();
      await b.dispose();
      expectSame(rowA, await reference(join(tokens(12, 1), tokens(3, 3))));
      expectSame(rowB, await reference(join(tokens(25, 2), tokens(2, 4))));
    });

    it('one-token steps over different lengths in one forward equal single ones, an idle slot between', async () => {
      const sequences = [];
      for (let i = 0; i < Math.min(engine.limits.maxSlots, 4); i += 1) {
        const slot = await open();
        const history = tokens(4 + 9 * i, i);
        sequences.push({ slot, history, row: await feed(slot, history) });
      }
      // Backwards: the order of the steps is not the order of the slots.
      const busy = sequences.filter((_, i) => i !== 1).reverse();
      for (let round = 0; round < 3; round += 1) {
        const results = await engine.forward(busy.map(({ slot }, i) => step(slot, tokens(1, 40 + 7 * i + round))));
        expect(results).toHaveLength(busy.length);
        for (const [i, sequence] of busy.entries()) {
          sequence.row = rowsOf(results[i])[0] ?? [];
          sequence.history = join(sequence.history, tokens(1, 40 + 7 * i + round));
        }
      }
      const idle = sequences[1];
      if (idle !== undefined) {
        idle.row = await feed(idle.slot, tokens(1, 77));
        idle.history = join(idle.history, tokens(1, 77));
      }
      for (const { slot, history } of sequences) {
        expect(slot.length).toBe(history.length);
        await slot.dispose();
      }
      for (const { row, history } of sequences) expectSame(row, await reference(history));
    });

    it('slots filled to their capacity and to the end of the context stay right while others decode', async ({
      skip,
    }) => {
      skip(engine.limits.maxSlots < 3, 'this engine has fewer than three slots');
      for (const capacityTokens of [20, Math.min(engine.limits.contextTokens, 512)]) {
        const slots = [await open(), await open(capacityTokens), await open()] as const;
        const held = tokens(capacityTokens - 1, 2);
        await feed(slots[0], tokens(30, 1));
        await feed(slots[1], held);
        await feed(slots[2], tokens(6, 3));
        const full = await feed(slots[1], tokens(1, 4));
        await engine.forward([step(slots[0], tokens(1, 5)), step(slots[2], tokens(1, 6))]);
        // Only an exact rewind makes room in a full slot.
        const isExact = engine.limits.rewind === 'exact' && slots[1].rewind(capacityTokens - 1);
        const again = isExact ? await feed(slots[1], tokens(1, 4)) : full;
        for (const slot of slots) await slot.dispose();
        expectSame(full, await reference(join(held, tokens(1, 4))));
        expectSame(again, full);
      }
    });

    it('a forward may mix prompts and one-token steps', async ({ skip }) => {
      skip(engine.limits.maxSlots < 3, 'this engine has fewer than three slots');
      const slots = [await open(), await open(), await open()] as const;
      await feed(slots[0], tokens(7, 1));
      await feed(slots[2], tokens(19, 2));
      const results = await engine.forward([
        step(slots[0], tokens(1, 3)),
        step(slots[1], tokens(23, 4)),
        step(slots[2], tokens(1, 5)),
      ]);
      const rows = results.map((result) => rowsOf(result)[0]);
      for (const slot of slots) await slot.dispose();
      expectSame(rows[0], await reference(join(tokens(7, 1), tokens(1, 3))));
      expectSame(rows[1], await reference(tokens(23, 4)));
      expectSame(rows[2], await reference(join(tokens(19, 2), tokens(1, 5))));
    });

    it("computes no logits for 'none' and one row for 'last'", async () => {
      const slot = await open();
      expect(await run(slot, tokens(30), 'none')).toEqual([]);
      expect(slot.length).toBe(30);
      await slot.reset();
      const rows = await run(slot, tokens(30), 'last');
      await slot.dispose();
      expect(rows).toHaveLength(1);
      expectSame(rows[0], await reference(tokens(30)));
    });

    it('computes all rows or the last n, across chunks too', async ({ skip }) => {
      skip(engine.limits.logits === 'last', 'this engine gives the last row only');
      const ids = tokens(Math.min(longest, engine.limits.prefillChunkTokens + 20));
      const slot = await open();
      const all = await run(slot, ids, 'all');
      await slot.reset();
      const few = await run(slot, ids, { last: 12 });
      await slot.dispose();
      expect([all.length, few.length]).toEqual([ids.length, 12]);
      for (const [i, row] of few.entries()) expectSame(row, all.at(i - 12));
      for (const at of [3, ids.length - 12, ids.length - 1]) {
        expectSame(all[at], await reference(ids.subarray(0, at + 1)));
      }
    });

    it('refuses rows of logits that it cannot give', async () => {
      const slot = await open();
      const impossible: Step['logits'][] = [{ last: 0 }, { last: 6 }, { last: 1.5 }];
      if (engine.limits.logits === 'last') impossible.push('all', { last: 2 });
      for (const logits of impossible) {
        await expect(run(slot, tokens(5), logits)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
      }
      expect([slot.state, slot.length]).toEqual(['ready', 0]);
    });

    it('an abort in mid-prefill leaves every slot right or lost, and going on is right', async () => {
      const held = tokens(6, 1);
      const slot = await open();
      const bystander = engine.limits.maxSlots > 1 ? await open() : undefined;
      if (bystander !== undefined) await feed(bystander, tokens(11, 2));
      const reason = new Error('enough');
      // Whenever the abort comes, even after the end, the state must be sound.
      for (const delayMs of [0, 1, 2, 5, 10]) {
        await slot.reset();
        await feed(slot, held);
        const room = Math.min(longest - held.length, engine.limits.maxAppendTokens);
        const controller = new AbortController();
        const outcome = engine.forward([step(slot, tokens(room, 3))], controller.signal).then(
          () => 'finished',
          (error: unknown) => error,
        );
        if (delayMs > 0) await sleep(delayMs);
        controller.abort(reason);
        const result = await outcome;
        if (delayMs === 0) expect(result).toBe(reason);
        let before = held;
        if (result === 'finished') before = join(held, tokens(room, 3));
        else expect(result).toBe(reason);
        if (slot.state === 'lost') {
          await slot.reset();
          before = tokens(0);
        }
        expect([slot.state, slot.length]).toEqual(['ready', before.length]);
        if (slot.occupied + 7 > slot.capacityTokens) {
          await slot.reset();
          before = tokens(0);
        }
        const row = await feed(slot, tokens(7, 9));
        expect(slot.length).toBe(before.length + 7);
        // The same sequence in the same slot, prefilled anew.
        await slot.reset();
        expectSame(row, await feed(slot, join(before, tokens(7, 9))));
      }
      await slot.dispose();
      if (bystander !== undefined) {
        expect([bystander.state, bystander.length]).toEqual(['ready', 11]);
        const row = await feed(bystander, tokens(1, 5));
        await bystander.dispose();
        expectSame(row, await reference(join(tokens(11, 2), tokens(1, 5))));
      }
    });

    it('an abort before the start rejects with its reason and changes nothing', async () => {
      const slot = await open();
      await feed(slot, tokens(5));
      const reason = new Error('never mind');
      await expect(engine.forward([step(slot, tokens(3))], AbortSignal.abort(reason))).rejects.toBe(reason);
      expect([slot.state, slot.length]).toEqual(['ready', 5]);
      const row = await feed(slot, tokens(3, 2));
      await slot.dispose();
      expectSame(row, await reference(join(tokens(5), tokens(3, 2))));
    });

    it('refuses a second forward while one runs, and what would change a running slot', async () => {
      const slot = await open();
      const first = engine.forward([step(slot, tokens(longest))]);
      expect(slot.state).toBe('running');
      await expect(engine.forward([step(slot, tokens(3))])).rejects.toMatchObject({ code: 'BUSY' });
      expect(() => slot.rewind(0)).toThrow(thrown('BUSY'));
      await expect(slot.reset()).rejects.toMatchObject({ code: 'BUSY' });
      const row = rowsOf((await first)[0])[0];
      await slot.dispose();
      expectSame(row, await reference(tokens(longest)));
    });

    it('a slot disposed while it runs waits for the run', async () => {
      const slot = await open();
      const forward = engine.forward([step(slot, tokens(longest))]);
      const disposal = slot.dispose();
      const row = rowsOf((await forward)[0])[0];
      await disposal;
      expect(slot.state).toBe('disposed');
      expectSame(row, await reference(tokens(longest)));
    });

    it('refuses one slot too many, and gives a place back when a slot is disposed', async () => {
      const slots: Slot[] = [];
      for (let i = 0; i < engine.limits.maxSlots; i += 1) slots.push(await open(8));
      await expect(open(8)).rejects.toMatchObject({ code: 'SLOTS_EXHAUSTED' });
      await slots.pop()?.dispose();
      await (await open(8)).dispose();
    });

    it('a slot takes no trace of the sequence that had its place', async () => {
      const first = await open();
      await feed(first, tokens(50, 8));
      await first.dispose();
      const second = await open();
      const row = await feed(second, tokens(9, 2));
      expect(second.length).toBe(9);
      await second.dispose();
      const slot = await open();
      const again = await feed(slot, tokens(9, 2));
      expectSame(row, again);
    });

    it('refuses tokens beyond the capacity and leaves the slot as it was', async () => {
      const slot = await open(16);
      expect(slot.capacityTokens).toBe(16);
      await expect(run(slot, tokens(17))).rejects.toMatchObject({ code: 'CONTEXT_EXCEEDED' });
      expect([slot.state, slot.length]).toEqual(['ready', 0]);
      await feed(slot, tokens(15));
      await expect(run(slot, tokens(2, 2))).rejects.toMatchObject({ code: 'CONTEXT_EXCEEDED' });
      expect([slot.state, slot.length]).toEqual(['ready', 15]);
      const row = await feed(slot, tokens(1, 2));
      await slot.dispose();
      expectSame(row, await reference(join(tokens(15), tokens(1, 2))));
    });

    it('refuses a capacity beyond the context', async () => {
      for (const capacityTokens of [0, 1.5, engine.limits.contextTokens + 1, NaN]) {
        await expect(engine.openSlot({ capacityTokens })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
      }
    });

    it('refuses malformed steps and runs nothing of them', async () => {
      const slot = await open();
      await feed(slot, tokens(4));
      const stranger = await makeEngine();
      try {
        const good = step(slot, tokens(1));
        const malformed: (readonly Step[])[] = [
          [{ ...good, tokens: new Int32Array(0) }],
          [{ ...good, tokens: Int32Array.of(engine.info.vocabularySize) }],
          [{ ...good, tokens: Int32Array.of(-1) }],
          [{ ...good, finalLength: 4 }],
          [good, good],
          [good, { ...good, slot: await stranger.openSlot({ capacityTokens: 8 }) }],
        ];
        for (const steps of malformed) {
          await expect(engine.forward(steps)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
        }
      } finally {
        await stranger.dispose();
      }
      expect([slot.state, slot.length]).toEqual(['ready', 4]);
      expect(await engine.forward([])).toEqual([]);
    });

    it('asks for as many first tokens as it declares', async ({ skip }) => {
      const { minFirstTokens } = engine.limits;
      skip(minFirstTokens === 1, 'this engine takes single first tokens');
      const slot = await open();
      await expect(run(slot, tokens(minFirstTokens - 1))).rejects.toMatchObject({ code: 'OPTION_INVALID' });
      await run(slot, tokens(minFirstTokens));
      expect(slot.length).toBe(minFirstTokens);
    });

    it('leaves the event loop free while it computes', async () => {
      const slot = await open();
      let turns = 0;
      let computing = true;
      const countTurns = (): void => {
        turns += 1;
        if (computing) setImmediate(countTurns);
      };
      const forward = engine.forward([step(slot, tokens(longest))]);
      setImmediate(countTurns);
      await forward;
      computing = false;
      // An engine that computed on this thread would never let it turn. Not more than this: the machine may be busy.
      expect(turns).toBeGreaterThanOrEqual(Math.ceil(longest / engine.limits.prefillChunkTokens));
    });

    it('disposes slots and engines twice without harm', async () => {
      const slot = await open();
      await feed(slot, tokens(4));
      await slot.dispose();
      await slot.dispose();
      expect([slot.state, slot.length, slot.occupied]).toEqual(['disposed', 0, 0]);
      await Promise.all([engine.dispose(), engine.dispose()]);
      await engine.dispose();
    });

    it('throws DISPOSED after disposal', async () => {
      const slot = await open();
      await slot.dispose();
      expect(() => slot.rewind(0)).toThrow(thrown('DISPOSED'));
      await expect(slot.reset()).rejects.toMatchObject({ code: 'DISPOSED' });
      await expect(run(slot, tokens(4))).rejects.toMatchObject({ code: 'DISPOSED' });
      const left = await open();
      await engine.dispose();
      expect(left.state).toBe('disposed');
      await expect(open()).rejects.toMatchObject({ code: 'DISPOSED' });
      await expect(engine.forward([])).rejects.toMatchObject({ code: 'DISPOSED' });
    });

    it('disposed while it computes, it stops the run and lets go of everything', async () => {
      const slot = await open();
      const outcome = engine.forward([step(slot, tokens(longest))]).catch((error: unknown) => error);
      await engine.dispose();
      expect(await outcome).toMatchObject({ code: 'DISPOSED' });
      expect(slot.state).toBe('disposed');
    });
  });
}
