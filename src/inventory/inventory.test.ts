/** Listing, removing and pruning, on caches made of real conversions and of files as killed processes leave them. */
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { compiledModelFolder } from '../engine/openvino/compiled-cache.js';
import { onnxRuntimeVersion } from '../engine/onnxruntime/onnxruntime-engine.js';
import { kindOfPath } from '../models/path-kind.js';
import { writeRecord, type PullRecord } from '../models/pull-record.js';
import { ensureConverted, type ConversionOptions } from '../models/conversion-cache.js';
import type { ResolvedModel } from '../models/resolve.js';
import { listLocalModels } from './local-models.js';
import { pruneCache } from './prune-cache.js';
import { planRemoval, removeAll } from './remove-model.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const TINY = path.join(repository, 'test', 'golden', 'models', 'phi3-window');
const COMMIT = 'c'.repeat(40);

let folder: string;
let cache: string;
let source: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-inventory-'));
  cache = path.join(folder, 'cache');
  source = path.join(folder, 'my weights');
  await cp(TINY, source, { recursive: true });
  vi.stubEnv('AIPC_CACHE', cache);
  vi.stubEnv('HF_HOME', path.join(folder, 'hf'));
  vi.stubEnv('HF_HUB_CACHE', path.join(folder, 'hf', 'hub'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

const hub = (): string => path.join(folder, 'hf', 'hub');

function weights(place: string, id = place): ResolvedModel {
  return {
    id,
    revision: null,
    kind: 'weights',
    path: place,
    tokenizerFolder: place,
    defaultWeightFormat: 'int4',
    storedWeightFormat: null,
    contentId: null,
    notice: null,
  };
}

async function convert(
  model: ResolvedModel,
  conversion: ConversionOptions['conversion'] = { runtime: 'onnxruntime', weights: { weightFormat: 'int4' } },
  runtimeVersion?: string,
): Promise<string> {
  return ensureConverted(model, { conversion, runtimeVersion: runtimeVersion ?? (await onnxRuntimeVersion()) });
}

const OPENVINO_FP16 = { runtime: 'openvino', weights: { weightFormat: 'fp16' } } as const;

/** What a GPU would leave: aipc does not look into it. */
async function pretendCompiled(irFolder: string): Promise<string> {
  const files = {
    xmlFile: path.join(irFolder, 'openvino_model.xml'),
    binFile: path.join(irFolder, 'openvino_model.bin'),
  };
  const blobs = path.join(await compiledModelFolder(files), 'gpu.0-0123456789abcdef');
  await mkdir(blobs, { recursive: true });
  await writeFile(path.join(blobs, 'x.blob'), Buffer.alloc(1000));
  return blobs;
}

/** A repository in the hub's cache, as aipc or another program leaves it. */
async function pretendPulled(repo: string, isOwn: boolean | null): Promise<string> {
  const place = path.join(hub(), `models--${repo.replace('/', '--')}`, 'snapshots', COMMIT);
  await cp(TINY, place, { recursive: true });
  const names = (await readdir(place)).filter((name) => name !== 'README.md');
  const files = await Promise.all(
    names.map(async (name) => ({ path: name, sizeBytes: (await stat(path.join(place, name))).size })),
  );
  const record: Omit<PullRecord, 'isOwn'> = {
    ...{ schemaVersion: 1, repo, revision: 'main', commit: COMMIT, kind: 'weights', path: '', tokenizerFolder: '' },
    ...{ folder: place, askedPath: '', files },
  };
  if (isOwn !== null) await writeRecord({ ...record, isOwn });
  return place;
}

describe('the list of local models', () => {
  it('is empty where there is nothing, and makes no folder', async () => {
    expect(await listLocalModels()).toEqual([]);
    expect(await kindOfPath(cache)).toBe('absent');
  });

  it('has downloads of aipc and of others, conversions with what was compiled of them, and the devices that they suit', async () => {
    await pretendPulled('org/own', true);
    await pretendPulled('org/others', null);
    await convert(weights(source));
    await pretendCompiled(await convert(weights(source), OPENVINO_FP16, '2026.4.1'));
    const models = await listLocalModels();
    expect(models.map(({ kind, id, format, isOwn, devices }) => [kind, id, format, isOwn, devices.join()])).toEqual([
      ['download', 'org/others', 'weights', false, 'cpu,gpu,npu'],
      ['download', 'org/own', 'weights', true, 'cpu,gpu,npu'],
      ['conversion', source, 'onnx', true, 'cpu'],
      ['conversion', source, 'openvino', true, 'cpu,gpu,npu'],
    ]);
    expect(models.every(({ sizeBytes }) => sizeBytes > 0)).toBe(true);
    expect(models.at(-1)?.compiled).toMatchObject([{ device: 'gpu.0', sizeBytes: 1000 }]);
  });

  it('leaves out what is in the hub’s cache and not for aipc', async () => {
    const place = await pretendPulled('org/others', null);
    await writeFile(path.join(place, 'config.json'), JSON.stringify({ model_type: 'bert' }));
    expect(await listLocalModels()).toEqual([]);
  });

  it('says that a download was not finished', async () => {
    const place = await pretendPulled('org/own', true);
    await rm(path.join(place, 'model.safetensors'));
    expect(await listLocalModels()).toMatchObject([{ id: 'org/own', isComplete: false, devices: [] }]);
  });
});

describe('removing a model', () => {
  it('takes its conversions and compiled blobs, and leaves the user’s folder and other models alone', async () => {
    const other = path.join(folder, 'other');
    await cp(TINY, other, { recursive: true });
    await writeFile(path.join(other, 'generation_config.json'), '{}');
    const otherIr = await convert(weights(other), OPENVINO_FP16, '2026.4.1');
    const otherBlobs = await pretendCompiled(otherIr);
    const onnx = await convert(weights(source));
    const ir = await convert(weights(source), OPENVINO_FP16, '2026.4.1');
    const blobs = await pretendCompiled(ir);

    const plan = await planRemoval(source);
    expect(plan.items.map((item) => item.path).sort()).toEqual([onnx, ir, blobs].sort());
    expect(plan.kept).toMatchObject([{ path: source }]);
    const freed = await removeAll(plan);
    expect(freed).toBe(plan.items.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
    for (const gone of [onnx, ir, blobs]) expect(await kindOfPath(gone)).toBe('absent');
    for (const stays of [source, otherIr, otherBlobs]) expect(await kindOfPath(stays)).toBe('folder');
    expect((await readdir(path.join(cache, 'conversions'))).sort()).toEqual([path.basename(otherIr)]);
  });

  it('takes a repository that aipc has fetched, with what was converted of it under any name', async () => {
    const place = await pretendPulled('org/own', true);
    const conversion = await convert(weights(place, 'some name'));
    const plan = await planRemoval('org/own');
    expect(plan.items.map(({ kind }) => kind)).toEqual(['download', 'conversion']);
    await removeAll(plan);
    expect(await kindOfPath(path.join(hub(), 'models--org--own'))).toBe('absent');
    expect(await kindOfPath(conversion)).toBe('absent');
    await expect(planRemoval('org/own')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('leaves what other programs have fetched', async () => {
    const place = await pretendPulled('org/others', null);
    const plan = await planRemoval('org/others');
    expect(plan).toMatchObject({ items: [], kept: [{ reason: expect.stringContaining('other programs') as string }] });
    expect(await removeAll(plan)).toBe(0);
    expect(await kindOfPath(place)).toBe('folder');
  });

  it('says what there is where a model is not', async () => {
    await pretendPulled('org/own', true);
    await expect(planRemoval('phi-3-mini')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('org/own') as string,
    });
  });

  it('refuses a plan that leads out of the cache', async () => {
    const item = { kind: 'conversion', what: 'x', path: source, sizeBytes: 1 } as const;
    await expect(removeAll({ items: [item], kept: [] })).rejects.toThrow("is not in aipc's cache");
    expect(await kindOfPath(source)).toBe('folder');
  });
});

describe('pruning the caches', () => {
  /** Of a process that has ended. */
  const DEAD = spawnSync(process.execPath, ['-e', '']).pid;

  it('finds nothing in a cache that is in order, or not there', async () => {
    expect(await pruneCache()).toEqual([]);
    await convert(weights(source));
    await pretendPulled('org/own', true);
    expect(await pruneCache()).toEqual([]);
  });

  it('removes what dead processes left, and nothing of living ones', async () => {
    const conversions = path.join(cache, 'conversions');
    const wheel = path.join(cache, 'sources', 'pip-x-1');
    const url = path.join(cache, 'sources', 'url-x');
    const lock = (pid: number): string => JSON.stringify({ token: 'x', pid, host: 'x' });
    const dead = [
      path.join(conversions, `a.partial-${DEAD}-0123456789abcdef`),
      path.join(conversions, `b.removed-${DEAD}-01234567`),
      path.join(wheel, `.partial-${DEAD}-01234567`),
    ];
    const alive = [
      path.join(conversions, `a.partial-${process.pid}-0123456789abcdef`),
      path.join(wheel, `.partial-${process.pid}-01234567`),
    ];
    for (const made of [...dead, ...alive]) await mkdir(made, { recursive: true });
    await mkdir(url, { recursive: true });
    await writeFile(path.join(conversions, 'a.lock'), lock(DEAD));
    await writeFile(path.join(conversions, 'c.lock'), lock(process.pid));
    await writeFile(path.join(url, 'm.gguf.partial'), 'xxx');
    await writeFile(path.join(url, 'm.gguf.partial.json'), '{}');
    const expected = [
      ...dead,
      path.join(conversions, 'a.lock'),
      path.join(url, 'm.gguf.partial'),
      path.join(url, 'm.gguf.partial.json'),
    ].sort();

    expect((await pruneCache({ dryRun: true })).map((item) => item.path).sort()).toEqual(expected);
    for (const place of expected) expect(await kindOfPath(place)).not.toBe('absent');
    expect((await pruneCache()).map((item) => item.path).sort()).toEqual(expected);
    for (const place of expected) expect(await kindOfPath(place)).toBe('absent');
    for (const place of [...alive, path.join(conversions, 'c.lock')])
      expect(await kindOfPath(place)).not.toBe('absent');
  });

  it('removes unfinished downloads of aipc from the hub’s cache, not those of others', async () => {
    await pretendPulled('org/own', true);
    const blobs = path.join(hub(), 'models--org--own', 'blobs');
    await mkdir(blobs, { recursive: true });
    const own = ['abc.aipc.incomplete', 'abc.aipc.incomplete.json'];
    for (const name of [...own, 'abc.incomplete', 'def']) await writeFile(path.join(blobs, name), 'x');
    expect((await pruneCache()).map((item) => path.basename(item.path)).sort()).toEqual(own);
    expect((await readdir(blobs)).sort()).toEqual(['abc.incomplete', 'def']);
  });

  it('removes conversions of sources that are gone, of other exporters and for other runtimes, with what was compiled', async () => {
    const kept = await convert(weights(source));
    const otherRuntime = await convert(weights(source), undefined, '0.0.1');
    const otherExporter = await convert(weights(source), { runtime: 'onnxruntime', weights: { weightFormat: 'int8' } });
    const record = path.join(otherExporter, 'aipc-conversion.json');
    await writeFile(
      record,
      (await readFile(record, 'utf8')).replace(/"exporterVersion": \d+/u, '"exporterVersion": 0'),
    );
    const copy = path.join(folder, 'copy');
    await cp(TINY, copy, { recursive: true });
    await utimes(path.join(copy, 'model.safetensors'), 1, 1);
    const vanished = await convert(weights(copy), OPENVINO_FP16, 'unknown here');
    const blobs = await pretendCompiled(vanished);
    const unknown = path.join(cache, 'conversions', 'made-by-an-older-aipc');
    await mkdir(unknown);
    await rm(copy, { recursive: true });

    const pruned = (await pruneCache()).map((item) => item.path);
    expect(pruned.sort()).toEqual([otherRuntime, otherExporter, vanished, blobs, unknown].sort());
    expect(await kindOfPath(kept)).toBe('folder');
    for (const place of pruned) expect(await kindOfPath(place)).toBe('absent');
  });
});
