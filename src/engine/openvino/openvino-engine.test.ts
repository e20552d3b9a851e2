import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OptimumFolder } from '../../../test/contract/optimum-models.js';
import { ExportedFolders } from '../../../test/golden/model-runner.js';
import { describeWithOpenvino } from '../../../test/openvino.js';
import type { Engine } from '../engine.js';
import { createOpenvinoEngine, openvinoVersion, type OpenvinoLoadProgress } from './openvino-engine.js';

let folder: OptimumFolder;
beforeEach(async () => {
  folder = await OptimumFolder.unpack('optimum-int8');
});
afterEach(() => folder[Symbol.asyncDispose]());

async function prefill(engine: Engine, count: number): Promise<number> {
  await using slot = await engine.openSlot({ capacityTokens: count });
  const tokens = Int32Array.from({ length: count }, (_, i) => i % engine.info.vocabularySize);
  const [logits] = await engine.forward([{ slot, tokens, logits: 'last', finalLength: count }]);
  return logits?.data[0] ?? NaN;
}

const exact = { INFERENCE_PRECISION_HINT: 'f32', KV_CACHE_PRECISION: 'f32', DYNAMIC_QUANTIZATION_GROUP_SIZE: '0' };

describe('createOpenvinoEngine', () => {
  it.each([
    [{ device: 'tpu' }, 'OPTION_INVALID'],
    [{ device: 'gpu.x' }, 'OPTION_INVALID'],
    [{ device: 'cpu', contextTokens: 513 }, 'OPTION_INVALID'],
    [{ device: 'cpu', contextTokens: 0 }, 'OPTION_INVALID'],
    [{ device: 'cpu', threads: 0 }, 'OPTION_INVALID'],
    [{ device: 'cpu', maxSlots: 65 }, 'OPTION_INVALID'],
    [{ device: 'cpu', prefillChunkTokens: 1.5 }, 'OPTION_INVALID'],
    [{ device: 'cpu', context: 100 }, 'OPTION_UNKNOWN'],
  ])('refuses the options %j', async (options, code) => {
    await expect(createOpenvinoEngine(folder.path, options as never)).rejects.toMatchObject({ code });
  });

  it('refuses a damaged folder before it looks for the runtime', async () => {
    await truncate(path.join(folder.path, 'openvino_model.bin'), 100);
    await expect(createOpenvinoEngine(folder.path, { device: 'cpu' })).rejects.toMatchObject({
      code: 'FILE_TRUNCATED',
    });
    await rm(path.join(folder.path, 'openvino_model.bin'));
    await expect(createOpenvinoEngine(folder.path, { device: 'cpu' })).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
    });
  });
});

describeWithOpenvino('createOpenvinoEngine with the runtime', () => {
  it('says what runs, and follows its options', async () => {
    await using engine = await createOpenvinoEngine(folder.path, {
      device: 'cpu',
      contextTokens: 100,
      maxSlots: 2,
      prefillChunkTokens: 10,
      threads: 1,
    });
    expect(engine.info).toMatchObject({
      provider: 'openvino',
      runtimeVersion: `OpenVINO ${await openvinoVersion()}`,
      requestedDevice: 'cpu',
      device: 'cpu',
      emulated: false,
      vocabularySize: 320,
    });
    expect(engine.info.deviceName).not.toBe('');
    expect(engine.limits).toMatchObject({ contextTokens: 100, maxSlots: 2, prefillChunkTokens: 10, rewind: 'masked' });
  });

  it('reports the precisions that are in force', async () => {
    const dtypes = [];
    for (const ovConfig of [exact, { ...exact, KV_CACHE_PRECISION: 'u8' }, { ...exact, KV_CACHE_PRECISION: 'f16' }]) {
      await using engine = await createOpenvinoEngine(folder.path, { device: 'cpu', ovConfig });
      dtypes.push([engine.info.activationDtype, engine.info.kvDtype]);
    }
    expect(dtypes).toEqual([
      ['f32', 'f32'],
      ['f32', 'u8'],
      ['f32', 'f16'],
    ]);
  });

  it('tells how far loading is', async () => {
    const seen: OpenvinoLoadProgress[] = [];
    await using engine = await createOpenvinoEngine(folder.path, {
      device: 'cpu',
      onProgress: (progress) => seen.push(progress),
    });
    expect(seen.map(({ phase }) => phase)).toEqual(['check', 'compile']);
    expect(seen[0]?.modelBytes).toBeGreaterThan(100_000);
    expect(engine.info.device).toBe('cpu');
  });

  it('gives the same logits with other threads and chunks', async () => {
    const results: number[] = [];
    for (const options of [{ threads: 1 }, { threads: 2, prefillChunkTokens: 7 }, { prefillChunkTokens: 512 }]) {
      await using engine = await createOpenvinoEngine(folder.path, { device: 'cpu', ovConfig: exact, ...options });
      results.push(await prefill(engine, 60));
    }
    for (const result of results) expect(result).toBeCloseTo(results[0] ?? NaN, 3);
  });

  it('refuses properties that the device does not have, and names those that it has', async () => {
    await expect(
      createOpenvinoEngine(folder.path, { device: 'cpu', ovConfig: { KV_CACHE_PRECISON: 'u8' } }),
    ).rejects.toMatchObject({
      code: 'OPTION_UNKNOWN',
      message: expect.stringMatching(/'KV_CACHE_PRECISON'.*CACHE_DIR.*KV_CACHE_PRECISION.*NUM_STREAMS/) as string,
    });
  });

  it.each(['FULL_DEVICE_NAME', 'SUPPORTED_PROPERTIES', 'DEVICE_ID', 'NPUW_DEVICES'])(
    'does not let one set %s on the CPU',
    async (name) => {
      await expect(
        createOpenvinoEngine(folder.path, { device: 'cpu', ovConfig: { [name]: '1' } }),
      ).rejects.toMatchObject({ code: 'OPTION_UNKNOWN' });
    },
  );

  it.each([
    ['KV_CACHE_PRECISION', 'f31'],
    ['PERFORMANCE_HINT', 'FAST'],
    ['INFERENCE_NUM_THREADS', 'many'],
    ['ENABLE_CPU_PINNING', 'MAYBE'],
  ])("hands on the runtime's words for %s = %s", async (name, value) => {
    await expect(
      createOpenvinoEngine(folder.path, { device: 'cpu', ovConfig: { [name]: value } }),
    ).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringMatching(new RegExp(`ovConfig\\.${name} = '${value}'.*OpenVINO \\d`)) as string,
    });
  });

  it('refuses values that are no text, and two numbers of threads', async () => {
    for (const options of [
      { ovConfig: { NUM_STREAMS: 1 } },
      { threads: 2, ovConfig: { INFERENCE_NUM_THREADS: '1' } },
    ] as const) {
      await expect(createOpenvinoEngine(folder.path, { device: 'cpu', ...options } as never)).rejects.toMatchObject({
        code: 'OPTION_INVALID',
      });
    }
    const ovConfig = { INFERENCE_NUM_THREADS: '2' };
    await using engine = await createOpenvinoEngine(folder.path, { device: 'cpu', threads: 2, ovConfig });
    expect(engine.info.device).toBe('cpu');
  });

  it('never runs elsewhere when a device is not there', async () => {
    await expect(createOpenvinoEngine(folder.path, { device: 'gpu.7' })).rejects.toMatchObject({
      code: 'DEVICE_NOT_FOUND',
      message: expect.stringMatching(/no gpu\.7 .* only: .*cpu/) as string,
    });
  });

  it('stops at an abort, before and while it compiles', async () => {
    const reason = new Error('changed my mind');
    await expect(createOpenvinoEngine(folder.path, { device: 'cpu', signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    for (const phase of ['check', 'compile'] as const) {
      const controller = new AbortController();
      const loading = createOpenvinoEngine(folder.path, {
        device: 'cpu',
        signal: controller.signal,
        onProgress: (progress) => {
          if (progress.phase === phase) controller.abort(reason);
        },
      });
      await expect(loading).rejects.toBe(reason);
    }
  });

  it('runs two engines at once', async () => {
    await using a = await createOpenvinoEngine(folder.path, { device: 'cpu', ovConfig: exact });
    await using b = await createOpenvinoEngine(folder.path, { device: 'cpu', ovConfig: exact });
    const [x, y] = await Promise.all([prefill(a, 100), prefill(b, 100)]);
    expect(x).toBeCloseTo(y, 4);
  });

  const rssMiB = (): number => process.memoryUsage.rss() / 2 ** 20;

  it('gives native memory back: engines opened and disposed, one after the other', async () => {
    await using folders = await ExportedFolders.create();
    const demo = await folders.openvino(path.join('models', 'demo'), { weightFormat: 'fp16' });
    let before = 0;
    for (let i = 0; i < 12; i += 1) {
      if (i === 4) before = rssMiB();
      await using engine = await createOpenvinoEngine(demo, { device: 'cpu', threads: 1 });
      await prefill(engine, 10);
    }
    // An engine left open keeps some 30 MiB; the runtime itself loses about 2 MiB with each compiled model.
    expect(rssMiB() - before).toBeLessThan(100);
  });

  it('gives native memory back: slots opened, filled and disposed', async () => {
    await using engine = await createOpenvinoEngine(folder.path, { device: 'cpu', threads: 1, ovConfig: exact });
    let before = 0;
    for (let i = 0; i < 150; i += 1) {
      if (i === 30) before = rssMiB();
      await prefill(engine, 500); // 512 KiB of cache
    }
    expect(rssMiB() - before).toBeLessThan(20);
  });

  it('lets the event loop turn while it loads', async () => {
    let turns = 0;
    let isLoading = true;
    const countTurns = (): void => {
      turns += 1;
      if (isLoading) setImmediate(countTurns);
    };
    setImmediate(countTurns);
    await using engine = await createOpenvinoEngine(folder.path, { device: 'cpu' });
    isLoading = false;
    expect(engine.info.device).toBe('cpu');
    // Compiling takes hundreds of milliseconds; on this thread it would give a handful.
    expect(turns).toBeGreaterThan(100);
  });

  it('refuses slots that do not fit into memory', async () => {
    const config = path.join(folder.path, 'config.json');
    const json = JSON.parse(await readFile(config, 'utf8')) as object;
    await writeFile(config, JSON.stringify({ ...json, max_position_embeddings: 2 ** 24 }));
    await using engine = await createOpenvinoEngine(folder.path, { device: 'cpu', ovConfig: exact, maxSlots: 64 });
    const open = async (): Promise<void> => {
      for (let i = 0; i < 64; i += 1) await engine.openSlot({ capacityTokens: 2 ** 24 });
    };
    await expect(open()).rejects.toMatchObject({ code: 'MEMORY_INSUFFICIENT' });
  });
});
