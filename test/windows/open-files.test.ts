/** What Windows does not let happen to files and folders that a program has open, and how long aipc waits for it. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import koffi from 'koffi';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPartialFolder } from '../../src/convert/partial-folder.js';
import { replaceFile } from '../../src/file-system.js';

describe.skipIf(process.platform !== 'win32')('open files [needs Windows or npm run test:windows]', () => {
  let folder: string;
  let release: (() => void) | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-open-'));
  });
  afterEach(async () => {
    release?.();
    release = undefined;
    await rm(folder, { recursive: true, maxRetries: 5 });
  });

  /** Opens a file or folder as programs do that share it for reading alone: virus scanners, a runtime that maps it. */
  function hold(file: string): void {
    const GENERIC_READ = 0x80000000;
    const FILE_SHARE_READ = 1;
    const OPEN_EXISTING = 3;
    const FILE_FLAG_BACKUP_SEMANTICS = 0x02000000; // folders, too
    const kernel32 = koffi.load('kernel32.dll');
    const handle = kernel32.func(
      'intptr_t __stdcall CreateFileW(str16, uint32_t, uint32_t, void *, uint32_t, uint32_t, intptr_t)',
    )(file, GENERIC_READ, FILE_SHARE_READ, null, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, 0) as number | bigint;
    expect(Number(handle)).not.toBe(-1);
    release = () => {
      expect(kernel32.func('bool __stdcall CloseHandle(intptr_t)')(handle)).toBe(true);
    };
  }

  it('a file that another program holds for a moment is replaced', async () => {
    const file = path.join(folder, 'record.json');
    await writeFile(file, 'old');
    hold(file);
    setTimeout(() => {
      release?.();
      release = undefined;
    }, 500);
    await replaceFile(file, 'new');
    expect(await readFile(file, 'utf8')).toBe('new');
  });

  it('a file that another program keeps is left as it is, and nothing beside it', async () => {
    const file = path.join(folder, 'record.json');
    await writeFile(file, 'old');
    hold(file);
    await expect(replaceFile(file, 'new')).rejects.toMatchObject({
      code: expect.stringMatching(/^E(PERM|BUSY|ACCES)$/u) as string,
    });
    expect(await readdir(folder)).toEqual(['record.json']);
    expect(await readFile(file, 'utf8')).toBe('old');
  });

  it('a model folder that a program uses is not replaced: the error says so, the old model and nothing else stays', async () => {
    const target = path.join(folder, 'model');
    await mkdir(target);
    await writeFile(path.join(target, 'genai_config.json'), 'old');
    const partial = await createPartialFolder(target, () => Promise.resolve());
    await writeFile(path.join(partial.path, 'genai_config.json'), 'new');
    hold(target);
    await expect(partial.commit('test', true)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining('a program uses it') as string,
    });
    await partial.discard();
    expect(await readdir(folder)).toEqual(['model']);
    expect(await readFile(path.join(target, 'genai_config.json'), 'utf8')).toBe('old');
  });
});
