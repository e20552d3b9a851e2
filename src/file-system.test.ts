import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readFolderFile, readSmallFile, refuseStrayLink } from './file-system.js';

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

// Wine and most Windows accounts make no links.
describe.skipIf(process.platform === 'win32')('links in a model folder (Windows makes none without rights)', () => {
  const inFolder = (name: string): string => path.join(folder, 'model', name);
  beforeEach(async () => {
    await mkdir(path.join(folder, 'model'));
    await mkdir(path.join(folder, 'blobs'));
    await writeFile(path.join(folder, 'secret'), 'secret');
    await writeFile(path.join(folder, 'blobs', '0a1b'), '{}');
  });
  const readIn = async (link: string): Promise<string> => {
    await symlink(link, inFolder('config.json'));
    return (await readFolderFile(inFolder('config.json'), { maxBytes: 1000, remedy: '' })).toString();
  };

  it('may lead within the folder and to a blob of a Hugging Face cache', async () => {
    await writeFile(inFolder('other.json'), '[]');
    expect(await readIn('other.json')).toBe('[]');
    await rm(inFolder('config.json'));
    expect(await readIn('../blobs/0a1b')).toBe('{}');
  });

  it('may not lead to files elsewhere, not even by a folder that is a link', async () => {
    const refused = { code: 'FILE_MALFORMED', details: { file: inFolder('config.json') } };
    await expect(readIn('../secret')).rejects.toMatchObject(refused);
    await symlink('..', inFolder('way'));
    await expect(refuseStrayLink(inFolder('way/secret'), inFolder('model.onnx'))).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
      message: expect.stringContaining(path.join(folder, 'secret')) as unknown,
    });
  });

  it('do not count in a folder that is reached by a link itself', async () => {
    await writeFile(inFolder('config.json'), '{}');
    await symlink('model', path.join(folder, 'way'));
    await expect(refuseStrayLink(path.join(folder, 'way', 'config.json'))).resolves.toBeUndefined();
  });

  it('may lead weights to beside what their graph is a link to', async () => {
    await mkdir(path.join(folder, 'store'));
    for (const name of ['model.onnx', 'model.onnx.data']) {
      await writeFile(path.join(folder, 'store', name), '');
      await symlink(`../store/${name}`, inFolder(name));
    }
    const refuse = (name: string): Promise<void> => refuseStrayLink(inFolder(name), inFolder('model.onnx'));
    await expect(refuse('model.onnx.data')).resolves.toBeUndefined();
    await symlink('../secret', inFolder('other.data'));
    await expect(refuse('other.data')).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
  });
});
