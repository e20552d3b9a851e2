/** Aborts in the midst of a long prompt on the CPU: they are quick, and nothing after them is wrong. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EXACT_OPENVINO } from '../../../test/golden/model-runner.js';
import { tinyModelFolder } from '../../../test/golden/vectors.js';
import { describeWithOpenvino } from '../../../test/openvino.js';
import { exportOpenvinoModel } from '../../model/export-openvino-model.js';
import type { Engine, Slot } from '../engine.js';
import { createOpenvinoEngine } from './openvino-engine.js';

const LONG_PROMPT_TOKENS = 2500;
const CONTEXT_TOKENS = 4096;

let root: string;
let folder: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'aipc-abort-'));
  const source = path.join(root, 'model');
  await cp(tinyModelFolder('phi3-deep'), source, { recursive: true });
  const config = JSON.parse(await readFile(path.join(source, 'config.json'), 'utf8')) as object;
  const long = { max_position_embeddings: CONTEXT_TOKENS, original_max_position_embeddings: CONTEXT_TOKENS };
  const attention = { sliding_window: null };
  await writeFile(path.join(source, 'config.json'), JSON.stringify({ ...config, ...long, ...attention }));
  folder = path.join(root, 'ir');
  await exportOpenvinoModel(source, folder, { weightFormat: 'int8', workers: 0 });
});
afterAll(() => rm(root, { recursive: true, force: true }));

const open = (ovConfig: Record<string, string>): Promise<Engine> =>
  createOpenvinoEngine(folder, { device: 'cpu', threads: 2, ovConfig });

const tokens = (count: number, seed: number): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => ((i + 1) * (7919 + seed)) % 300);

function prefill(engine: Engine, slot: Slot, prompt: Int32Array, signal?: AbortSignal): Promise<unknown> {
  return engine.forward([{ slot, tokens: prompt, finalLength: prompt.length, logits: 'last' }], signal);
}

/** Greedy tokens after a prompt. */
async function continuation(engine: Engine, prompt: Int32Array, count = 8): Promise<number[]> {
  await using slot = await engine.openSlot({ capacityTokens: prompt.length + count });
  const answer: number[] = [];
  let next = prompt;
  while (answer.length < count) {
    const finalLength = slot.length + next.length;
    const [logits] = await engine.forward([{ slot, tokens: next, finalLength, logits: 'last' }]);
    const row = logits?.data ?? new Float32Array(0);
    const best = row.indexOf(Math.max(...row));
    answer.push(best);
    next = Int32Array.of(best);
  }
  return answer;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;

describeWithOpenvino('aborts of a long prompt on the CPU', () => {
  it('end soon, measured by the prompt itself', async () => {
    await using engine = await open({});
    expect(engine.limits).toMatchObject({ abort: 'inside-run', prefillChunkTokens: 256, firstChunkTokens: 4096 });
    await using slot = await engine.openSlot({ capacityTokens: LONG_PROMPT_TOKENS });
    const whole: number[] = [];
    const afterAbort: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      whole.push(await timed(() => prefill(engine, slot, tokens(LONG_PROMPT_TOKENS, round))));
      await slot.reset();
      const controller = new AbortController();
      const reason = new Error('enough');
      const run = prefill(engine, slot, tokens(LONG_PROMPT_TOKENS, round), controller.signal);
      const rejection = expect(run).rejects.toBe(reason);
      await sleep(0.25 * median(whole));
      controller.abort(reason);
      afterAbort.push(await timed(() => rejection));
      expect([slot.state, slot.length]).toEqual(['ready', 0]);
    }
    // To the end it would be three quarters.
    expect(median(afterAbort)).toBeLessThan(median(whole) / 3);
  });

  it.each([
    { name: 'as aipc runs it', ovConfig: {} },
    { name: 'in f32', ovConfig: EXACT_OPENVINO },
  ])('leave answers as those of a model loaded anew, $name', async ({ ovConfig }) => {
    const prompts = [1, 2, 3, 40, 700].map((count) => tokens(count, 5));
    const expected: number[][] = [];
    {
      await using fresh = await open(ovConfig);
      for (const prompt of prompts) expected.push(await continuation(fresh, prompt));
    }
    await using engine = await open(ovConfig);
    await using bystander = await engine.openSlot({ capacityTokens: 64 });
    await prefill(engine, bystander, tokens(20, 3));
    const wholeMs = await timed(() => continuation(engine, tokens(LONG_PROMPT_TOKENS, 0), 1));
    let cancelled = 0;
    for (let round = 0; round < 2 * prompts.length; round += 1) {
      await using slot = await engine.openSlot({ capacityTokens: LONG_PROMPT_TOKENS });
      const controller = new AbortController();
      const count = 300 + ((round * 997) % (LONG_PROMPT_TOKENS - 300));
      const run = prefill(engine, slot, tokens(count, round), controller.signal).catch(() => (cancelled += 1));
      await sleep((((round * 7) % 10) / 20) * wholeMs * (count / LONG_PROMPT_TOKENS));
      controller.abort(new Error('enough'));
      await run;
      const at = round % prompts.length;
      expect(await continuation(engine, prompts[at] ?? tokens(1, 0)), `after abort ${round}`).toEqual(expected[at]);
    }
    expect(cancelled).toBeGreaterThan(0); // how many depends on how busy the machine is
    expect([bystander.state, bystander.length]).toEqual(['ready', 20]);
  });

  it('dispose the engine at once', async () => {
    const engine = await open({});
    const slot = await engine.openSlot({ capacityTokens: LONG_PROMPT_TOKENS });
    const rejection = expect(prefill(engine, slot, tokens(LONG_PROMPT_TOKENS, 1))).rejects.toMatchObject({
      code: 'DISPOSED',
    });
    await sleep(20);
    await engine.dispose();
    await rejection;
    expect(slot.state).toBe('disposed');
  });

  it('over a past wait for a short run, so that the past stays', async () => {
    await using engine = await open(EXACT_OPENVINO);
    await using slot = await engine.openSlot({ capacityTokens: 2000 });
    await prefill(engine, slot, tokens(100, 1));
    const controller = new AbortController();
    const more = { slot, tokens: tokens(1500, 2), finalLength: 1600, logits: 'last' } as const;
    const rejection = expect(engine.forward([more], controller.signal)).rejects.toThrow('enough');
    await sleep(5);
    controller.abort(new Error('enough'));
    await rejection;
    expect([slot.state, slot.length]).toEqual(['ready', 100]);
  });
});
