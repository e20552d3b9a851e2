import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withFileLock } from './file-lock.js';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-lock-'));
  file = path.join(folder, 'lock');
});
afterEach(() => rm(folder, { recursive: true }));

const longAgo = new Date(Date.now() - 3_600_000);

describe('withFileLock', () => {
  it('lets one work at a time and leaves nothing', async () => {
    let [working, most, told] = [0, 0, 0];
    const work = async (): Promise<void> => {
      most = Math.max(most, ++working);
      await new Promise((resolve) => setTimeout(resolve, 5));
      working -= 1;
    };
    const onWait = (): void => void (told += 1);
    await Promise.all(Array.from({ length: 5 }, () => withFileLock(file, { onWait }, work)));
    expect([most, told]).toEqual([1, 4]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is free again after work that failed', async () => {
    const failing = withFileLock(file, {}, () => Promise.reject(new Error('broken')));
    await expect(failing).rejects.toThrow('broken');
    await expect(withFileLock(file, {}, () => Promise.resolve(1))).resolves.toBe(1);
  });

  it.each([
    ['a holder that nobody has heard of for an hour', JSON.stringify({ token: 'x', pid: process.pid, host: 'y' })],
    ['a holder that was killed while it wrote its name', ''],
  ])('is taken from %s', async (_name, text) => {
    await writeFile(file, text);
    await utimes(file, longAgo, longAgo);
    const both = [1, 2].map((result) => withFileLock(file, {}, () => Promise.resolve(result)));
    await expect(Promise.all(both)).resolves.toEqual([1, 2]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is not taken from a holder that lives', async () => {
    await writeFile(file, JSON.stringify({ token: 'x', pid: process.pid, host: 'another machine' }));
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 500);
    await expect(withFileLock(file, { signal: controller.signal }, () => Promise.resolve(1))).rejects.toBe(reason);
    expect(await readdir(folder)).toEqual(['lock']);
  });
});
