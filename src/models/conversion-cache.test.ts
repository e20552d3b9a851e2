import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ensureConverted, isCurrentExporter, readConversionRecord, type ConversionOptions } from './conversion-cache.js';
import type { ResolvedModel } from './resolve.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const TINY = path.join(repository, 'test', 'golden', 'models', 'phi3-window');
const DEMO = path.join(repository, 'models', 'demo');
const INT4: ConversionOptions = {
  conversion: { runtime: 'onnxruntime', weights: { weightFormat: 'int4' } },
  runtimeVersion: '1.0.0',
};

function model(source: string, known: Partial<ResolvedModel> = {}): ResolvedModel {
  return {
    id: path.basename(source),
    revision: null,
    kind: 'weights',
    path: source,
    tokenizerFolder: source,
    defaultWeightFormat: 'int4',
    storedWeightFormat: null,
    contentId: null,
    notice: null,
    ...known,
  };
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-conversions-'));
  vi.stubEnv('AIPC_CACHE', folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

const entries = (): Promise<string[]> => readdir(path.join(folder, 'conversions')).catch(() => []);

describe('a conversion', () => {
  it('is done once, and says what it was made of', async () => {
    const first = await ensureConverted(model(TINY), INT4);
    const onProgress = vi.fn();
    expect(await ensureConverted(model(TINY), { ...INT4, onProgress })).toBe(first);
    expect(onProgress).not.toHaveBeenCalled();
    expect(await entries()).toEqual([path.basename(first)]);
    const record = await readConversionRecord(first);
    expect(record).toMatchObject({ modelId: 'phi3-window', sourcePath: TINY, runtime: 'onnxruntime', weightFormat: 'int4' });
    expect(record !== undefined && isCurrentExporter(record)).toBe(true);
  });

  it.each<[string, Partial<ResolvedModel>, Partial<ConversionOptions>]>([
    ['another commit of the source', { contentId: 'org/name@b' }, {}],
    ['another runtime version', { contentId: 'org/name@a' }, { runtimeVersion: '2.0.0' }],
    [
      'another recipe',
      { contentId: 'org/name@a' },
      { conversion: { runtime: 'onnxruntime', weights: { weightFormat: 'int8' } } },
    ],
  ])('is another one for %s', async (_, known, options) => {
    const first = await ensureConverted(model(TINY, { contentId: 'org/name@a' }), INT4);
    expect(await ensureConverted(model(TINY, known), { ...INT4, ...options })).not.toBe(first);
  });

  it('is the same wherever a commit of the source lies, and whatever its times say', async () => {
    const copy = path.join(folder, 'copy');
    await cp(TINY, copy, { recursive: true });
    await utimes(path.join(copy, 'model.safetensors'), 1, 1);
    const first = await ensureConverted(model(TINY, { id: 'x', contentId: 'org/name@a' }), INT4);
    expect(await ensureConverted(model(copy, { id: 'x', contentId: 'org/name@a' }), INT4)).toBe(first);
  });

  it('leaves nothing when it is aborted, and its successor goes through', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const onProgress = (): void => stop.abort(reason);
    await expect(ensureConverted(model(TINY), { ...INT4, onProgress, signal: stop.signal })).rejects.toBe(reason);
    expect(await entries()).toEqual([]);
    await ensureConverted(model(TINY), INT4);
  });
});

/** Converts the built-in model in a process of its own; the line it prints counts its reports of progress. */
const script = `
  import { ensureConverted } from ${JSON.stringify(new URL('./conversion-cache.js', import.meta.url).href)};
  let reports = 0;
  const folder = await ensureConverted(${JSON.stringify(model(DEMO))}, {
    ...${JSON.stringify(INT4)},
    onProgress: ({ totalBytes }) => { if (totalBytes !== null) reports++; },
  });
  console.log(JSON.stringify({ folder, reports }));
`;

function convertInChild(): { kill(): void; ended: Promise<{ folder: string; reports: number } | null> } {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, AIPC_CACHE: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  const ended = new Promise<{ folder: string; reports: number } | null>((resolve) => {
    child.on('close', (exitCode) =>
      resolve(exitCode === 0 ? (JSON.parse(output) as { folder: string; reports: number }) : null),
    );
  });
  return { kill: () => child.kill('SIGKILL'), ended };
}

describe('conversions in several processes', () => {
  it('are done by one of them', async () => {
    const results = await Promise.all([1, 2, 3].map(() => convertInChild().ended));
    expect(new Set(results.map((result) => result?.folder)).size).toBe(1);
    expect(results.filter((result) => (result?.reports ?? 0) > 0)).toHaveLength(1);
    expect(await entries()).toHaveLength(1);
  });

  it('survive one that is killed: the next finds no half conversion, and leaves none', async () => {
    const victim = convertInChild();
    while (!(await entries()).some((name) => name.includes('.partial-'))) await sleep(1);
    victim.kill();
    expect(await victim.ended).toBeNull();
    const left = await entries();
    expect(left.filter((name) => !/\.partial-|\.lock$/u.test(name))).toEqual([]);
    const result = await convertInChild().ended;
    expect(await entries()).toEqual([path.basename(result?.folder ?? '')]);
  });
});
