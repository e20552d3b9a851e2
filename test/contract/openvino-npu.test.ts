/**
 * The NPU's path without an NPU: OpenVINO's NPUW on the CPU. The contract suite, lengths at which NPUW behaves
 * differently, conversations through the scheduler, the peers' tokens, and what a load refuses. Models have 8 layers:
 * NPUW's partitioning fails on fewer.
 */
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import type { OpenvinoWeightOptions } from '../../src/convert/openvino/recipe.js';
import type { Engine } from '../../src/engine/engine.js';
import { loadOvApi } from '../../src/engine/openvino/c-api.js';
import type { OpenvinoWarning } from '../../src/engine/openvino/compiled-cache.js';
import { createOpenvinoEngine, type OpenvinoEngineOptions } from '../../src/engine/openvino/openvino-engine.js';
import { generate } from '../../src/generation/generate.js';
import { Scheduler } from '../../src/generation/scheduler.js';
import type { Sequence } from '../../src/generation/sequence.js';
import { exportOpenvinoModel } from '../../src/model/export-openvino-model.js';
import { createSampler } from '../../src/sampling/sampling.js';
import { ModelRunner } from '../golden/model-runner.js';
import { DEMO_FOLDER, GoldenVectors, maxAbsoluteDifference, tinyModelFolder } from '../golden/vectors.js';
import { describeWithOpenvino } from '../openvino.js';
import { describeEngineContract } from './engine-contract.js';
import { OPTIMUM_MODEL_FOR_NPU, optimumAnswers, OptimumFolder } from './optimum-models.js';

/**
 * NPUW keeps the KV cache in f16, and a token's keys are rounded before or after others attend to them, as chunks
 * fall. Logits have a standard deviation of 4; other mistakes show as several units.
 */
const TOLERANCE = 0.02;
/**
 * f32 between the parts that NPUW cuts a model into, where an NPU has f16, and in them: a CPU may have bf16 and quantise
 * activations.
 */
const EMULATED = { NPUW_DEVICES: 'CPU', NPUW_F16IC: 'NO', EXECUTION_MODE_HINT: 'ACCURACY' };
/** Four chunks of prompt. */
const npu = { maxPromptTokens: 128, minResponseTokens: 64 };
const CONTEXT_TOKENS = 191;

let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'aipc-npu-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const exported = new Map<string, Promise<string>>();

/** phi3-deep with these weights, exported once. */
function exportDeep(weights: OpenvinoWeightOptions): Promise<string> {
  const name = Object.values(weights).join('-');
  const folder = exported.get(name) ?? exportTo(path.join(root, name), weights);
  exported.set(name, folder);
  return folder;
}

async function exportTo(folder: string, weights: OpenvinoWeightOptions): Promise<string> {
  await exportOpenvinoModel(tinyModelFolder('phi3-deep'), folder, { workers: 0, ...weights });
  return folder;
}

/** An engine on the NPU's path. Its precision keeps it out of the cache of compiled models. */
function openNpu(folder: string, options: Partial<OpenvinoEngineOptions> = {}): Promise<Engine> {
  const ovConfig = { ...EMULATED, ...options.ovConfig };
  return createOpenvinoEngine(folder, {
    npu,
    prefillChunkTokens: 32,
    ...options,
    device: 'npu',
    ovConfig,
  });
}

/** The same model on the CPU plug-in, exact. */
function openCpu(folder: string): Promise<Engine> {
  const ovConfig = { INFERENCE_PRECISION_HINT: 'f32', KV_CACHE_PRECISION: 'f32', DYNAMIC_QUANTIZATION_GROUP_SIZE: '0' };
  return createOpenvinoEngine(folder, { device: 'cpu', threads: 2, ovConfig });
}

const tokens = (count: number, seed = 1): number[] =>
  Array.from({ length: count }, (_, i) => (i * i * 31 + i * 17 + seed * 101 + 5) % 320);

interface Answer {
  readonly tokenIds: readonly number[];
  readonly finishReason: string;
  readonly cachedTokens: number;
}

async function answer(
  scheduler: Scheduler,
  sequence: Sequence,
  prompt: readonly number[],
  maxNewTokens?: number,
  signal?: AbortSignal,
): Promise<Answer> {
  const parts = generate(scheduler, {
    sequence,
    promptTokens: Int32Array.from(prompt),
    sampler: createSampler({}, scheduler.engine.info.vocabularySize),
    decoder: { push: (id) => `${id} `, flush: () => '' },
    endTokenIds: new Set(),
    stopStrings: [],
    ...(maxNewTokens === undefined ? {} : { maxNewTokens }),
    ...(signal === undefined ? {} : { signal }),
  });
  for await (const part of parts) {
    if (part.type !== 'finish') continue;
    return { tokenIds: part.tokenIds, finishReason: part.finishReason, cachedTokens: part.usage.cachedInputTokens };
  }
  throw new Error('The answer ended without a finish part.');
}

describeWithOpenvino('the contract suite on NPUW over the CPU', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await exportDeep({ weightFormat: 'fp32' });
  });

  describeEngineContract('OpenVINO NPU (emulated), 8 layers', () => openNpu(folder), { tolerance: TOLERANCE });
});

describeWithOpenvino('a model on NPUW over the CPU', () => {
  let engine: Engine;
  let cpu: ModelRunner;
  let folder: string;

  beforeAll(async () => {
    folder = await exportDeep({ weightFormat: 'fp32' });
    engine = await openNpu(folder);
    cpu = new ModelRunner(await openCpu(folder));
  });
  afterAll(async () => {
    await engine.dispose();
    await cpu[Symbol.asyncDispose]();
  });

  /** Fails unless each token of the answer is the likeliest, or as likely as that within the tolerance. */
  const expectGreedy = async (prompt: readonly number[], tokenIds: readonly number[]): Promise<void> => {
    const { vocabularySize } = cpu.engine.info;
    const rows = await cpu.logits([...prompt, ...tokenIds], 'all');
    for (const [i, token] of tokenIds.entries()) {
      const at = (prompt.length - 1 + i) * vocabularySize;
      const row = rows.subarray(at, at + vocabularySize);
      expect(Math.max(...row) - (row[token] ?? NaN)).toBeLessThan(2 * TOLERANCE);
    }
  };

  it('says that it is an emulation, of what and on what', () => {
    expect(engine.info).toMatchObject({
      provider: 'openvino',
      requestedDevice: 'npu',
      device: 'cpu',
      emulated: true,
      activationDtype: 'f16',
      kvDtype: 'f16',
    });
    expect(engine.info.deviceName).toMatch(/ \(emulating an NPU\)$/);
  });

  it('declares what it can: one slot, prompts of its length, the context that both lengths make', () => {
    expect(engine.limits).toMatchObject({
      contextTokens: CONTEXT_TOKENS,
      maxPromptTokens: 128,
      prefillChunkTokens: 32,
      maxSlots: 1,
      minFirstTokens: 1,
      rewind: 'exact',
      logits: 'last',
      abort: 'between-runs',
    });
  });

  it("gives the CPU plug-in's logits at every length where NPUW changes its ways", async () => {
    await using npuRunner = new ModelRunner(await openNpu(folder));
    // Twice each: what is cached, and whole chunks above all, must not change them.
    for (const length of [1, 2, 31, 32, 33, 64, 95, 96, 97, 127, 128, 129, 160, CONTEXT_TOKENS]) {
      const expected = await cpu.logits(tokens(length, length), 'last');
      for (const time of ['first', 'second']) {
        const found = await npuRunner.logits(tokens(length, length), 'last');
        expect(maxAbsoluteDifference(found, expected), `${time} time, ${length} tokens`).toBeLessThan(TOLERANCE);
      }
    }
  });

  it("gives transformers' greedy tokens", async () => {
    await using runner = new ModelRunner(await openNpu(folder));
    const { prompts } = new GoldenVectors('phi3-deep').file;
    for (const { tokenIds, greedyTokenIds } of prompts) {
      expect(await runner.greedy(tokenIds, greedyTokenIds.length)).toEqual(greedyTokenIds);
    }
  });

  it('keeps a conversation over several turns, and computes only what is new', async () => {
    const scheduler = new Scheduler(engine);
    const sequence = scheduler.createSequence();
    let history: number[] = [];
    const cached: number[] = [];
    for (const [turn, count] of [40, 25, 3].entries()) {
      const prompt = [...history, ...tokens(count, turn)];
      const { tokenIds, cachedTokens } = await answer(scheduler, sequence, prompt, 20);
      await expectGreedy(prompt, tokenIds);
      cached.push(cachedTokens);
      history = [...prompt, ...tokenIds];
    }
    // The last token of an answer is not in the cache yet.
    expect(cached).toEqual([0, 59, 104]);
    await scheduler.dispose();
  });

  it('answers in turns where conversations ask at the same time, each as if alone', async () => {
    const scheduler = new Scheduler(engine);
    const conversations = [1, 2, 3].map((seed) => ({
      seed,
      sequence: scheduler.createSequence(),
      history: [] as number[],
    }));
    for (let turn = 0; turn < 2; turn += 1) {
      await Promise.all(
        conversations.map(async (conversation) => {
          const prompt = [...conversation.history, ...tokens(20 + turn, 10 * turn + conversation.seed)];
          const { tokenIds, finishReason } = await answer(scheduler, conversation.sequence, prompt, 12);
          expect([tokenIds.length, finishReason]).toEqual([12, 'length']);
          await expectGreedy(prompt, tokenIds);
          conversation.history = [...prompt, ...tokenIds];
        }),
      );
    }
    await scheduler.dispose();
  });

  it('fills the KV cache to its last place, also from a prompt longer than the longest prefill', async () => {
    const scheduler = new Scheduler(engine);
    for (const promptTokens of [20, 128, 150]) {
      const prompt = tokens(promptTokens, 7);
      const { tokenIds, finishReason } = await answer(scheduler, scheduler.createSequence(), prompt);
      expect(finishReason).toBe('length');
      expect(prompt.length + tokenIds.length).toBeGreaterThanOrEqual(CONTEXT_TOKENS);
      await expectGreedy(prompt, tokenIds);
    }
    await scheduler.dispose();
  });

  it('refuses a prompt that the context cannot hold, and goes on', async () => {
    const scheduler = new Scheduler(engine);
    const sequence = scheduler.createSequence();
    await expect(answer(scheduler, sequence, tokens(CONTEXT_TOKENS + 1))).rejects.toMatchObject({
      code: 'CONTEXT_EXCEEDED',
      message: expect.stringContaining('contextTokens') as string,
    });
    const { tokenIds } = await answer(scheduler, sequence, tokens(9), 5);
    await expectGreedy(tokens(9), tokenIds);
    await scheduler.dispose();
  });

  it('stops within one chunk when aborted in mid-prefill, and answers the next prompt right', async () => {
    const scheduler = new Scheduler(engine);
    const sequence = scheduler.createSequence();
    const reason = new Error('enough');
    const controller = new AbortController();
    const aborted = answer(scheduler, sequence, tokens(128, 9), 50, controller.signal);
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    const prompt = tokens(100, 11);
    const { tokenIds } = await answer(scheduler, sequence, prompt, 10);
    await expectGreedy(prompt, tokenIds);
    await scheduler.dispose();
  });

  it.each<[string, Partial<OpenvinoEngineOptions>]>([
    ['the prefix cache off', { ovConfig: { NPUW_LLM_ENABLE_PREFIX_CACHING: 'NO' } }],
    ['static prefill', { ovConfig: { PREFILL_HINT: 'STATIC' } }],
    // aipc turns them off for short prompts.
    ['generate models of several lengths', { ovConfig: { NPUW_LLM_GENERATE_PYRAMID: 'YES' } }],
  ])('stays right with %s', async (_, options) => {
    await using other = await openNpu(folder, options);
    const scheduler = new Scheduler(other);
    const [first, second] = [scheduler.createSequence(), scheduler.createSequence()];
    const prompt = tokens(70, 3);
    const { tokenIds } = await answer(scheduler, first, prompt, 90);
    await expectGreedy(prompt, tokenIds);
    await answer(scheduler, second, tokens(32, 4), 3);
    const longer = [...prompt, ...tokenIds.slice(0, 20), ...tokens(9, 5)];
    await expectGreedy(longer, (await answer(scheduler, first, longer, 30)).tokenIds);
    await scheduler.dispose();
  });
});

describeWithOpenvino('an answer beyond the first generate model on NPUW over the CPU', () => {
  it('goes on right: the model for longer prompts takes over', async () => {
    const folder = path.join(root, 'demo');
    await exportOpenvinoModel(DEMO_FOLDER, folder, { weightFormat: 'int4', symmetric: true, workers: 0 });
    // The first generate model holds 1024 + 64 tokens, less one.
    const lengths = { maxPromptTokens: 1280, minResponseTokens: 64 };
    await using engine = await openNpu(folder, { npu: lengths, prefillChunkTokens: 256 });
    await using cpu = new ModelRunner(await openCpu(folder));
    const slot = await engine.openSlot({ capacityTokens: engine.limits.contextTokens });
    const all = tokens(1090);
    const append = async (from: number, to: number): Promise<Float32Array | undefined> => {
      const step = { slot, tokens: Int32Array.from(all.slice(from, to)), finalLength: to, logits: 'last' } as const;
      return (await engine.forward([step]))[0]?.data.slice();
    };
    await append(0, 1024);
    let row: Float32Array | undefined;
    for (let length = 1024; length < all.length; length += 1) row = await append(length, length + 1);
    const expected = await cpu.logits(all, 'last');
    expect(maxAbsoluteDifference(row ?? new Float32Array(0), expected)).toBeLessThan(TOLERANCE);
  });
});

describeWithOpenvino('a longrope model on NPUW over the CPU', () => {
  it("gives transformers' greedy tokens up to the boundary, where its context ends", async () => {
    const folder = path.join(root, 'longrope');
    await exportOpenvinoModel(tinyModelFolder('phi3-longrope'), folder, { weightFormat: 'fp32', workers: 0 });
    const lengths = { maxPromptTokens: 32, minResponseTokens: 32 };
    await using runner = new ModelRunner(await openNpu(folder, { npu: lengths }));
    const { prompts, longropeBoundary } = new GoldenVectors('phi3-longrope').file;
    const boundary = longropeBoundary ?? NaN;
    expect(runner.engine.limits).toMatchObject({ contextTokens: boundary, ropeBoundaries: [] });
    const short = prompts.filter(({ tokenIds }) => tokenIds.length <= 32);
    expect(short.length).toBeGreaterThanOrEqual(4);
    for (const { tokenIds, greedyTokenIds } of short) {
      // The last token of an answer is not computed: with it the sequence is one longer than the context.
      const count = boundary - tokenIds.length;
      expect(await runner.greedy(tokenIds, count)).toEqual(greedyTokenIds.slice(0, count));
    }
    await expect(runner.greedy(tokens(boundary + 1), 1)).rejects.toMatchObject({ code: 'CONTEXT_EXCEEDED' });
  });
});

describeWithOpenvino('int4 weights on NPUW over the CPU', () => {
  it("give the peers' greedy tokens on optimum-cli's folder", async () => {
    await using folder = await OptimumFolder.unpack(OPTIMUM_MODEL_FOR_NPU);
    await using runner = new ModelRunner(await openNpu(folder.path));
    for (const { tokenIds, greedyTokenIds } of optimumAnswers(OPTIMUM_MODEL_FOR_NPU).prompts) {
      expect(await runner.greedy(tokenIds, greedyTokenIds.length)).toEqual(greedyTokenIds);
    }
  });

  it('run as aipc exports them for the NPU, without a warning', async () => {
    const folder = await exportDeep({ weightFormat: 'int4', symmetric: true, groupSize: -1, ratio: 1 });
    const warnings: OpenvinoWarning[] = [];
    await using runner = new ModelRunner(await openNpu(folder, { onWarning: (warning) => warnings.push(warning) }));
    await using cpu = new ModelRunner(await openCpu(folder));
    expect(warnings).toEqual([]);
    const [found, expected] = [await runner.logits(tokens(50), 'last'), await cpu.logits(tokens(50), 'last')];
    expect(maxAbsoluteDifference(found, expected)).toBeLessThan(2 * TOLERANCE); // NPUW unpacks weights to f16
  });

  it('with zero points are refused, and run with a warning where that is allowed', async () => {
    const folder = await exportDeep({ weightFormat: 'int4', groupSize: -1 });
    await expect(openNpu(folder)).rejects.toMatchObject({
      code: 'MODEL_FEATURE_UNSUPPORTED',
      message: expect.stringMatching(/zero points.*--sym.*allowUnsupported/) as string,
    });
    const warnings: OpenvinoWarning[] = [];
    const onWarning = (warning: OpenvinoWarning): void => void warnings.push(warning);
    await using runner = new ModelRunner(await openNpu(folder, { npu: { ...npu, allowUnsupported: true }, onWarning }));
    expect(warnings.map(({ code }) => code)).toEqual(['WEIGHTS_UNSUPPORTED']);
    expect(await runner.greedy(tokens(12), 3)).toHaveLength(3);
  });
});

describeWithOpenvino('opening a model for the NPU', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await exportDeep({ weightFormat: 'fp32' });
  });

  it('says what is missing where there is no NPU, and does not run elsewhere', async ({ skip }) => {
    const api = await loadOvApi();
    skip((await api.async.availableDevices()).includes('NPU'), 'this machine has an NPU');
    for (const NPUW_DEVICES of ['NPU', 'NPU,CPU']) {
      await expect(openNpu(folder, { ovConfig: { NPUW_DEVICES } })).rejects.toMatchObject({
        code: 'DEVICE_NOT_FOUND',
        message: expect.stringContaining('finds no npu') as string,
      });
    }
  });

  it.each<[string, Partial<OpenvinoEngineOptions>, string, RegExp]>([
    ['an unknown property', { ovConfig: { NPUW_LLM_FOO: '1' } }, 'OPTION_UNKNOWN', /NPUW_LLM_MAX_PROMPT_LEN/],
    ['one that NPUW would ignore', { ovConfig: { FOO: '1' } }, 'OPTION_UNKNOWN', /'FOO'/],
    ['a value that NPUW does not take', { ovConfig: { NPUW_DQ: 'perhaps' } }, 'OPTION_INVALID', /NPUW_DQ/],
    ['an unknown option', { npu: { maxPrompt: 1 } as object }, 'OPTION_UNKNOWN', /maxPromptTokens/],
    ['a switch that is none', { npu: { allowUnsupported: 1 } as object }, 'OPTION_INVALID', /true or false/],
    ['threads', { threads: 2 }, 'OPTION_INVALID', /threads/],
    ['a cache that loses the precision', { ovConfig: { CACHE_DIR: 'x' } }, 'OPTION_INVALID', /exclude each other/],
    ['lengths that the model has no room for', { npu: { maxPromptTokens: 512 } }, 'OPTION_INVALID', /512/],
  ])('refuses %s', async (_, options, code, message) => {
    await expect(openNpu(folder, options)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  it("refuses the NPU's options for another device", async () => {
    await expect(createOpenvinoEngine(folder, { device: 'cpu', npu })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
  });

  it('keeps what it compiled, and compiles again where that was damaged', async () => {
    const compiledCacheFolder = path.join(root, 'damaged');
    const warnings: OpenvinoWarning[] = [];
    const onWarning = (warning: OpenvinoWarning): void => void warnings.push(warning);
    const load = async (): Promise<Float32Array> => {
      await using runner = new ModelRunner(
        await createOpenvinoEngine(folder, {
          device: 'npu',
          npu,
          prefillChunkTokens: 32,
          ovConfig: { NPUW_DEVICES: 'CPU', NPUW_F16IC: 'NO' },
          compiledCacheFolder,
          onWarning,
        }),
      );
      return await runner.logits(tokens(40), 'last');
    };
    const first = await load();
    const files = await readdir(compiledCacheFolder, { recursive: true });
    const blob = path.join(compiledCacheFolder, files.find((file) => file.endsWith('.blob')) ?? '');
    expect(await load()).toEqual(first);
    expect(warnings.map(({ code }) => code)).toEqual(['WEIGHTS_UNSUPPORTED', 'WEIGHTS_UNSUPPORTED']);
    const handle = await open(blob, 'r+');
    const byte = Buffer.alloc(1);
    const position = Math.floor((await handle.stat()).size / 2);
    await handle.read(byte, 0, 1, position);
    await handle.write(Uint8Array.of((byte[0] ?? 0) ^ 0x10), 0, 1, position);
    await handle.close();
    expect(await load()).toEqual(first);
    expect(warnings.map(({ code }) => code)).toContain('CACHE_REPAIRED');
  });
});
