import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSmallFile } from './file-system.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-small-file-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const file = (): string => path.join(folder, 'file');
const read = (): Promise<Buffer> => readSmallFile(file(), { maxBytes: 1000, remedy: 'Fetch it.' });

describe('readSmallFile', () => {
  it('reads a file up to the limit', async () => {
    await writeFile(file(), 'x'.repeat(1000));
    expect((await read()).toString()).toBe('x'.repeat(1000));
  });

  it('refuses a longer one without reading it', async () => {
    await writeFile(file(), '');
    await truncate(file(), 2 ** 42);
    await expect(read()).rejects.toMatchObject({ code: 'FILE_LIMIT_EXCEEDED', details: { found: 2 ** 42 } });
  });

  it('says that there is none, and what to do', async () => {
    await expect(read()).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: `${file()} cannot be read: there is no such file. Fetch it.`,
      cause: { code: 'ENOENT' },
    });
  });

  it('refuses a folder', async () => {
    await mkdir(file());
    await expect(read()).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
  });

  it('refuses a link to itself', async () => {
    await symlink('file', file());
    await expect(read()).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
  });

  // Windows has neither of them in folders.
  it.skipIf(process.platform === 'win32')(
    'waits for no named pipe and reads no device (not on Windows, which has none in folders)',
    async () => {
      execFileSync('mkfifo', [file()]);
      await expect(read()).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
      await rm(file());
      await symlink('/dev/zero', file());
      await expect(read()).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
    },
  );
});
