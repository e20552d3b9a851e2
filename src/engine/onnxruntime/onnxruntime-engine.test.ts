import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Engine } from '../engine.js';
import { loadOrtApi } from './c-api.js';
import { createOnnxRuntimeEngine, type EngineLoadProgress } from './onnxruntime-engine.js';

const models = path.join('test', 'contract', 'models');
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-engine-'));
  await cp(path.join(models, 'builder-cpu-int4'), folder, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Changes the folder's configuration: a dotted path below `model` and its new value. */
async function configure(field: string, value: unknown): Promise<void> {
  const file = path.join(folder, 'genai_config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as { model: Record<string, unknown> };
  const keys = field.split('.');
  const last = keys.pop() ?? '';
  let target = config.model;
  for (const key of keys) target = target[key] as Record<string, unknown>;
  target[last] = value;
  await writeFile(file, JSON.stringify(config));
}

async function patchModel(from: string, to: string): Promise<void> {
  expect(to).toHaveLength(from.length);
  const file = path.join(folder, 'model.onnx');
  const text = await readFile(file, 'latin1');
  expect(text).toContain(from);
  await writeFile(file, text.replaceAll(from, to), 'latin1');
}

async function prefill(engine: Engine, count: number): Promise<number> {
  const slot = await engine.openSlot({ capacityTokens: count });
  const tokens = Int32Array.from({ length: count }, (_, i) => i % engine.info.vocabularySize);
  const [logits] = await engine.forward([{ slot, tokens, logits: 'last', finalLength: count }]);
  return logits?.data[0] ?? NaN;
}

describe('createOnnxRuntimeEngine', () => {
  it('says what runs, and follows its options', async () => {
    await using engine = await createOnnxRuntimeEngine(folder, {
      contextTokens: 100,
      maxSlots: 2,
      prefillChunkTokens: 10,
      threads: 1,
    });
    expect(engine.info).toMatchObject({ provider: 'cpu', device: 'cpu', emulated: false, vocabularySize: 320 });
    expect(engine.info.runtimeVersion).toMatch(/^ONNX Runtime \d+\.\d+\.\d+/);
    expect(engine.limits).toMatchObject({ contextTokens: 100, maxSlots: 2, prefillChunkTokens: 10, rewind: 'exact' });
  });

  it("takes the model's context where none is asked for", async () => {
    await using engine = await createOnnxRuntimeEngine(folder);
    expect(engine.limits.contextTokens).toBe(512);
  });

  it('tells how far loading is', async () => {
    const seen: EngineLoadProgress[] = [];
    await using engine = await createOnnxRuntimeEngine(folder, { onProgress: (progress) => seen.push(progress) });
    expect(seen.map(({ phase }) => phase)).toEqual(['check', 'load']);
    expect(seen[0]?.modelBytes).toBeGreaterThan(100_000);
    expect(engine.info.device).toBe('cpu');
  });

  it('gives the same logits with other threads, chunks and session options', async () => {
    const results: number[] = [];
    for (const options of [
      { threads: 1 },
      { threads: 2, prefillChunkTokens: 7 },
      { sessionOptions: { graph_optimization_level: 'ORT_DISABLE_ALL', 'session.intra_op.allow_spinning': '0' } },
    ]) {
      await using engine = await createOnnxRuntimeEngine(folder, options);
      results.push(await prefill(engine, 60));
    }
    for (const result of results) expect(result).toBeCloseTo(results[0] ?? NaN, 3);
  });

  it.each([
    [{ contextTokens: 513 }, 'OPTION_INVALID'],
    [{ contextTokens: 0 }, 'OPTION_INVALID'],
    [{ threads: 0 }, 'OPTION_INVALID'],
    [{ maxSlots: 65 }, 'OPTION_INVALID'],
    [{ prefillChunkTokens: 1.5 }, 'OPTION_INVALID'],
    [{ sessionOptions: { 'session.intra_op.allow_spinning': 0 } }, 'OPTION_INVALID'],
    [{ sessionOptions: { threads: '4' } }, 'OPTION_UNKNOWN'],
    [{ context: 100 }, 'OPTION_UNKNOWN'],
  ])('refuses the options %j', async (options, code) => {
    await expect(createOnnxRuntimeEngine(folder, options as object)).rejects.toMatchObject({ code });
  });

  it('refuses a context that does not fit into memory, before it loads anything', async () => {
    await configure('context_length', 2 ** 24);
    await configure('decoder.num_hidden_layers', 1000);
    const phases: string[] = [];
    await expect(
      createOnnxRuntimeEngine(folder, { contextTokens: 2 ** 24, onProgress: ({ phase }) => phases.push(phase) }),
    ).rejects.toMatchObject({
      code: 'MEMORY_INSUFFICIENT',
      message: expect.stringMatching(/needs .* this machine can give .* smaller contextTokens.*int4/) as string,
    });
    expect(phases).toEqual(['check']);
  });

  it.each([
    ['decoder.num_hidden_layers', 3, 'TENSOR_MISSING'],
    ['decoder.num_hidden_layers', 1, 'MODEL_FEATURE_UNSUPPORTED'],
    ['decoder.num_key_value_heads', 2, 'TENSOR_SHAPE_MISMATCH'],
    ['decoder.outputs.logits', 'scores', 'TENSOR_MISSING'],
    ['decoder.inputs.attention_mask', 'past_key_values.0.key', 'MODEL_FEATURE_UNSUPPORTED'],
    ['vocab_size', 321, 'TENSOR_SHAPE_MISMATCH'],
  ])('refuses a configuration where %s is %s', async (field, value, code) => {
    await configure(field, value);
    await expect(createOnnxRuntimeEngine(folder)).rejects.toMatchObject({ code });
  });

  it('refuses graphs whose attention it does not know', async () => {
    await patchModel('GroupQueryAttention', 'MultiHeadAttentions');
    await expect(createOnnxRuntimeEngine(folder)).rejects.toMatchObject({ code: 'MODEL_FEATURE_UNSUPPORTED' });
  });

  it('refuses graphs that choose between parts in a way that it does not know', async () => {
    // ModelProto.graph (7) with two nodes (1) of one operator (4) each.
    const field = (number: number, payload: Uint8Array): Buffer =>
      Buffer.concat([Buffer.from([number * 8 + 2, payload.length]), payload]);
    const nodes = ['If', 'GroupQueryAttention'].map((operator) => field(1, field(4, Buffer.from(operator))));
    await writeFile(path.join(folder, 'model.onnx'), field(7, Buffer.concat(nodes)));
    await expect(createOnnxRuntimeEngine(folder)).rejects.toMatchObject({
      code: 'MODEL_FEATURE_UNSUPPORTED',
      message: expect.stringMatching(/chooses between parts of its graph.*longrope/) as string,
    });
  });

  it('refuses operators that decoders do not have', async () => {
    await patchModel('MatMulNBits', 'MatMulBitsN');
    await expect(createOnnxRuntimeEngine(folder)).rejects.toMatchObject({
      code: 'MODEL_FEATURE_UNSUPPORTED',
      details: { operators: ['MatMulBitsN'] },
    });
  });

  it("hands on the runtime's own words when it refuses a model", async () => {
    await patchModel('accuracy_level', 'accuracy_levle');
    await expect(createOnnxRuntimeEngine(folder)).rejects.toMatchObject({
      code: 'RUNTIME_FAILED',
      message: expect.stringMatching(/model\.onnx cannot be loaded\. ONNX Runtime .*accuracy_levle/s) as string,
    });
  });

  it('stops at an abort, before and while it loads', async () => {
    const reason = new Error('changed my mind');
    const before = createOnnxRuntimeEngine(folder, { signal: AbortSignal.abort(reason) });
    await expect(before).rejects.toBe(reason);
    for (const phase of ['check', 'load'] as const) {
      const controller = new AbortController();
      const loading = createOnnxRuntimeEngine(folder, {
        signal: controller.signal,
        onProgress: (progress) => {
          if (progress.phase === phase) controller.abort(reason);
        },
      });
      await expect(loading).rejects.toBe(reason);
    }
  });

  it('gives native memory back: engines opened and disposed, one after the other', async () => {
    const rssMiB = (): number => process.memoryUsage.rss() / 2 ** 20;
    let before = 0;
    for (let i = 0; i < 60; i += 1) {
      if (i === 10) before = rssMiB();
      await using engine = await createOnnxRuntimeEngine(folder, { threads: 1 });
      // 4 sequences of 512 tokens take 2 MiB.
      for (let slot = 0; slot < 4; slot += 1) await prefill(engine, 500);
    }
    expect(rssMiB() - before).toBeLessThan(40);
  });

  it('gives native memory back: slots opened, filled and disposed', async () => {
    await using engine = await createOnnxRuntimeEngine(folder, { threads: 1 });
    const rssMiB = (): number => process.memoryUsage.rss() / 2 ** 20;
    let before = 0;
    for (let i = 0; i < 150; i += 1) {
      if (i === 30) before = rssMiB();
      await using slot = await engine.openSlot({ capacityTokens: 512 });
      for (const count of [100, 200, 200]) {
        await engine.forward([
          { slot, tokens: new Int32Array(count), logits: 'last', finalLength: slot.length + count },
        ]);
      }
    }
    expect(rssMiB() - before).toBeLessThan(20);
  });

  it('lets the event loop turn while it loads', async () => {
    const api = await loadOrtApi();
    const createSession = api.async.createSession.bind(api.async);
    let turns = 0;
    vi.spyOn(api.async, 'createSession').mockImplementation(async (...given) => {
      let isLoading = true;
      const countTurns = (): void => {
        turns += 1;
        if (isLoading) setImmediate(countTurns);
      };
      setImmediate(countTurns);
      const session = await createSession(...given);
      isLoading = false;
      return session;
    });
    for (let i = 0; i < 3; i += 1) await (await createOnnxRuntimeEngine(folder)).dispose();
    vi.restoreAllMocks();
    // Loading on this thread would give none.
    expect(turns).toBeGreaterThanOrEqual(3);
  });
});
