import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { OptimumFolder } from '../../../test/contract/optimum-models.js';
import { describeWithOpenvino } from '../../../test/openvino.js';
import { loadOvApi } from './c-api.js';
import { openCompiledCache, type CompiledCache, type OpenvinoWarning } from './compiled-cache.js';
import { readIrOutline } from './ir-outline.js';
import { createOpenvinoEngine } from './openvino-engine.js';

describeWithOpenvino('the cache of compiled models', () => {
  let folder: OptimumFolder;
  let cache: string;
  let warnings: OpenvinoWarning[];
  beforeEach(async () => {
    folder = await OptimumFolder.unpack('optimum-int8');
    cache = await mkdtemp(path.join(tmpdir(), 'aipc-compiled-'));
    warnings = [];
  });
  afterEach(async () => {
    await folder[Symbol.asyncDispose]();
    await rm(cache, { recursive: true, force: true });
  });
  const onWarning = (warning: OpenvinoWarning): void => {
    warnings.push(warning);
  };

  /** Loads the model on the CPU with the cache in `cacheDir` and gives a logit. */
  async function load(cacheDir = cache): Promise<number> {
    const ovConfig = { CACHE_DIR: cacheDir, INFERENCE_PRECISION_HINT: 'f32' };
    await using engine = await createOpenvinoEngine(folder.path, { device: 'cpu', ovConfig, onWarning });
    await using slot = await engine.openSlot({ capacityTokens: 8 });
    const tokens = Int32Array.of(5, 6, 7);
    const [logits] = await engine.forward([{ slot, tokens, logits: 'last', finalLength: 3 }]);
    return logits?.data[100] ?? NaN;
  }
  const blobs = async (): Promise<string[]> => (await readdir(cache)).filter((name) => name.endsWith('.blob'));
  const blobFile = async (): Promise<string> => path.join(cache, (await blobs())[0] ?? 'no blob');
  const checksum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

  /** As GPU and NPU have it: where aipc chooses the folder. */
  const openOwn = async (compiledCacheFolder = cache): Promise<CompiledCache | undefined> =>
    openCompiledCache({
      api: await loadOvApi(),
      device: 'GPU',
      cacheDir: undefined,
      compiledCacheFolder,
      outline: await readIrOutline(folder.path),
      signal: undefined,
      onWarning,
    });

  it('keeps the compiled model with its checksum beside, and loads it from there', async () => {
    const logit = await load();
    expect(await blobs()).toHaveLength(1);
    const file = await blobFile();
    const recorded = await readFile(`${file}.sha256`, 'utf8');
    expect(recorded).toBe(`${checksum(await readFile(file))}  ${path.basename(file)}\n`);
    expect(await load()).toBe(logit);
    expect(await blobs()).toEqual([path.basename(file)]);
    expect(warnings).toEqual([]);
  });

  it('finds a flipped bit, says so, and compiles again', async () => {
    const logit = await load();
    const file = await blobFile();
    const sound = await readFile(file);
    const flipped = Buffer.from(sound);
    flipped[2000] = (flipped[2000] ?? 0) ^ 0x10; // a place where the runtime itself notices nothing
    await writeFile(file, flipped);
    expect(await load()).toBe(logit);
    expect(warnings).toMatchObject([
      { code: 'CACHE_REPAIRED', details: { folder: cache, removed: [path.basename(file)] } },
    ]);
    expect((await readFile(file)).equals(flipped)).toBe(false);
    await load();
    expect(warnings).toHaveLength(1);
  });

  it.each([0, 10, 100_000])('finds a blob cut off at %i bytes, says so, and compiles again', async (bytes) => {
    const logit = await load();
    const file = await blobFile();
    await truncate(file, bytes);
    expect(await load()).toBe(logit);
    expect(warnings).toMatchObject([{ code: 'CACHE_REPAIRED' }]);
    await load();
    expect(warnings).toHaveLength(1);
  });

  it('leaves what another program put into a folder that the caller named', async () => {
    await writeFile(path.join(cache, 'theirs.blob'), 'something');
    await load();
    expect(await blobs()).toContain('theirs.blob');
    expect(warnings).toEqual([]);
  });

  it('is off for the CPU, and off when CACHE_DIR is empty', async () => {
    const request = { api: await loadOvApi(), outline: await readIrOutline(folder.path), signal: undefined, onWarning };
    const open = { ...request, compiledCacheFolder: cache };
    expect(await openCompiledCache({ ...open, device: 'CPU', cacheDir: undefined })).toBeUndefined();
    expect(await openCompiledCache({ ...open, device: 'GPU', cacheDir: '' })).toBeUndefined();
    await load('');
    expect(await readdir(cache)).toEqual([]);
  });

  it('refuses a folder that cannot be one', async () => {
    const file = path.join(cache, 'file');
    await writeFile(file, '');
    await expect(load(path.join(file, 'inside'))).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining('CACHE_DIR') as string,
    });
  });

  it('does without where its own folder cannot be made, and says so', async () => {
    const file = path.join(cache, 'file');
    await writeFile(file, '');
    expect(await openOwn(file)).toBeUndefined();
    expect(warnings).toMatchObject([{ code: 'CACHE_UNUSED' }]);
  });

  it('has a folder for each model, device, runtime and driver', async () => {
    const own = (await openOwn())?.properties['CACHE_DIR'] ?? '';
    const api = await loadOvApi();
    expect(path.relative(cache, own)).toMatch(/^[0-9a-f]{16}[\\/]gpu-[0-9a-f]{16}$/);
    expect((await openOwn())?.properties['CACHE_DIR']).toBe(own);
    const outline = await readIrOutline(folder.path);
    const request = { cacheDir: undefined, compiledCacheFolder: cache, signal: undefined, onWarning };
    const others = [
      { api: { ...api, buildNumber: '2027.0.0' }, outline, device: 'GPU' },
      { api, outline, device: 'GPU.1' },
      { api, outline: { ...outline, binFile: outline.xmlFile }, device: 'GPU' }, // a .bin of another size
    ];
    const folders = [own];
    for (const other of others) {
      folders.push((await openCompiledCache({ ...request, ...other }))?.properties['CACHE_DIR'] ?? '');
    }
    expect(new Set(folders).size).toBe(4);
  });

  it('removes blobs that were never finished, and what a newer runtime replaces', async () => {
    const own = (await openOwn())?.properties['CACHE_DIR'] ?? '';
    await writeFile(path.join(own, '1.blob'), 'half of a bl');
    const old = path.join(path.dirname(own), 'gpu-0123456789abcdef');
    const otherDevice = path.join(path.dirname(own), 'gpu.1-0123456789abcdef');
    for (const made of [old, otherDevice]) await mkdir(made);
    await openOwn();
    expect(await readdir(own)).toEqual([]);
    expect(await readdir(path.dirname(own))).toEqual([path.basename(own), 'gpu.1-0123456789abcdef'].sort());
    expect(warnings).toMatchObject([{ code: 'CACHE_REPAIRED' }]);
  });

  const mountTiny = (at: string): boolean => {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', at], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  };

  it('compiles without it when the disk is full, and says so (needs the right to mount a small disk)', async ({
    skip,
  }) => {
    skip(process.platform !== 'linux' || !mountTiny(cache), 'no right to mount');
    try {
      expect(await load()).not.toBeNaN();
      expect(await blobs()).toEqual([]);
      expect(warnings).toMatchObject([{ code: 'CACHE_UNUSED', details: { folder: cache } }]);
    } finally {
      execFileSync('umount', [cache]);
    }
  });
});
