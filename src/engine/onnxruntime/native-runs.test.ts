/** How steps become native runs: what the contract suite cannot see from outside. */
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Engine, Slot } from '../engine.js';
import { loadOrtApi } from './c-api.js';
import { createOnnxRuntimeEngine } from './onnxruntime-engine.js';

let engine: Engine;
let runs: () => number;

beforeEach(async () => {
  const api = await loadOrtApi();
  const spy = vi.spyOn(api.async, 'runWithBinding');
  runs = () => {
    const count = spy.mock.calls.length;
    spy.mockClear();
    return count;
  };
  const folder = path.join('test', 'contract', 'models', 'builder-cpu-int4');
  engine = await createOnnxRuntimeEngine(folder, { prefillChunkTokens: 16, maxSlots: 8, threads: 1 });
});
afterEach(async () => {
  await engine.dispose();
  vi.restoreAllMocks();
});

async function openFilled(lengths: readonly number[]): Promise<Slot[]> {
  const slots = [];
  for (const length of lengths) {
    const slot = await engine.openSlot({ capacityTokens: 512 });
    await engine.forward([{ slot, tokens: new Int32Array(length).fill(3), logits: 'none', finalLength: length }]);
    slots.push(slot);
  }
  return slots;
}

async function decode(slots: readonly (Slot | undefined)[]): Promise<void> {
  await engine.forward(
    slots
      .filter((slot) => slot !== undefined)
      .map((slot) => ({ slot, tokens: Int32Array.of(5), logits: 'last', finalLength: slot.length + 1 })),
  );
}

describe('native runs', () => {
  it('take a prompt in chunks', async () => {
    await openFilled([40]);
    expect(runs()).toBe(3);
  });

  it('decode sequences of different lengths at once, across a gap of idle rows too', async () => {
    const slots = await openFilled([5, 30, 9, 17, 2, 40]);
    runs();
    await decode(slots);
    expect(runs()).toBe(1);
    await decode([slots[5], slots[3]]);
    expect(runs()).toBe(1);
    await slots[1]?.dispose();
    await decode([slots[0], slots[2]]);
    expect(runs()).toBe(1);
  });

  it('are split where more idle rows lie between than one more run costs', async () => {
    const slots = await openFilled([5, 30, 9, 17, 2]);
    runs();
    await decode([slots[0], slots[3]]);
    expect(runs()).toBe(2);
  });

  it('are split at a row that is full, where an idle token would have no place', async () => {
    const slots = await openFilled([5, 512, 9]);
    runs();
    await decode([slots[0], slots[2]]);
    expect(runs()).toBe(2);
    expect(slots[1]?.length).toBe(512);
  });
});
