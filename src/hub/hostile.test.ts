/** A server, or a cache, that wants files where none belong: nothing is written outside of the cache. */
import { lstat, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { fetchSnapshot } from './fetch-snapshot.js';
import { removeCachedRepo } from './remove-cached-repo.js';
import { hubSettings } from './settings.js';
import { blobsOf, everything, REPO, scratchHub } from './testing/scratch-hub.js';

const hub = scratchHub();
const file = { path: 'weights/model.safetensors', content: Buffer.from('weights'), lfs: true };

/** What belongs to somebody else. */
let treasure: string;
beforeEach(async () => {
  treasure = path.join(hub.outside, 'treasure');
  await mkdir(treasure);
  await writeFile(path.join(treasure, 'file'), 'mine');
});
const expectUntouched = async (): Promise<void> => {
  expect(await readdir(hub.outside)).toEqual(expect.arrayContaining(['treasure']));
  expect((await readdir(hub.outside)).filter((name) => !['treasure', 'hub'].includes(name))).toEqual([]);
  expect(await readdir(treasure)).toEqual(['file']);
  expect(await readFile(path.join(treasure, 'file'), 'utf8')).toBe('mine');
};

describe('a server that names files', () => {
  const entry = { type: 'file', size: 7, oid: 'a'.repeat(40) };

  it.each(['../../../../treasure/file', '/treasure/file', 'a/../../../../../treasure/x', '..', '.', 'a//b'])(
    '%s: nothing is fetched',
    async (name) => {
      hub.server.publish({ repo: REPO, files: [file], listing: [{ ...entry, path: name }] });
      await expect(fetchSnapshot(everything(hub))).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
      await expectUntouched();
      expect(hub.server.sentBytes).toBe(0);
    },
  );

  it.each(['..\\..\\treasure\\file', 'C:\\treasure', 'C:x', 'NUL', 'a/com1.bin', 'x:stream', 'a.', 'a\u0007'])(
    '%j: nothing is fetched where that is wanted, all else where it is not',
    async (name) => {
      hub.server.publish({ repo: REPO, files: [file, { path: name, content: Buffer.from('bad') }] });
      await expect(fetchSnapshot(everything(hub))).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
      expect(hub.server.sentBytes).toBe(0);
      await fetchSnapshot(everything(hub, { wanted: ({ path: one }) => one === file.path }));
      await expectUntouched();
    },
  );

  it('alike but for their case: nothing is fetched', async () => {
    const twin = { ...file, path: 'Weights/Model.safetensors' };
    hub.server.publish({ repo: REPO, files: [file, twin] });
    await expect(fetchSnapshot(everything(hub))).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
    expect(hub.server.sentBytes).toBe(0);
  });
});

describe.skipIf(process.platform === 'win32')('a link in the cache that leads out of it [needs links]', () => {
  const repoFolder = (): string => path.join(hub.cache, 'models--maker--tiny-model');

  it.each([
    ['the repository', () => repoFolder()],
    ['its blobs', () => path.join(repoFolder(), 'blobs')],
    ['its snapshots', () => path.join(repoFolder(), 'snapshots')],
    ['its refs', () => path.join(repoFolder(), 'refs')],
    ['its listings', () => path.join(repoFolder(), 'trees')],
    ['its locks', () => path.join(hub.cache, '.locks')],
  ])('as %s: nothing is written through it', async (_name, where) => {
    hub.server.publish({ repo: REPO, files: [file] });
    await mkdir(path.dirname(where()), { recursive: true });
    await symlink(treasure, where());
    await expect(fetchSnapshot(everything(hub))).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
      message: expect.stringContaining('leads out of the cache') as string,
    });
    await expectUntouched();
  });

  it('as a folder of a snapshot: nothing is written through it', async () => {
    const commit = hub.server.publish({ repo: REPO, files: [file] });
    const snapshot = path.join(repoFolder(), 'snapshots', commit);
    await mkdir(snapshot, { recursive: true });
    await symlink(treasure, path.join(snapshot, 'weights'));
    await expect(fetchSnapshot(everything(hub))).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
    await expectUntouched();
  });

  it.each([
    ['a file of a snapshot', (commit: string) => path.join('snapshots', commit, ...file.path.split('/'))],
    ['a blob', (_commit: string, blob: string) => path.join('blobs', blob)],
    ['a file on its way', (_commit: string, blob: string) => path.join('blobs', `${blob}.aipc.incomplete`)],
    ['its description', (_commit: string, blob: string) => path.join('blobs', `${blob}.aipc.incomplete.json`)],
    ['a ref', () => path.join('refs', 'main')],
    ['a listing', (commit: string) => path.join('trees', `${commit}.json`)],
  ])('as %s: it is no such thing, and is replaced', async (_name, where) => {
    const commit = hub.server.publish({ repo: REPO, files: [file] });
    await fetchSnapshot(everything(hub));
    const [blob = ''] = await blobsOf(hub);
    await rm(repoFolder(), { recursive: true });
    const link = path.join(repoFolder(), where(commit, blob));
    await mkdir(path.dirname(link), { recursive: true });
    // As long as the file that is wanted, so that its length tells nothing.
    await writeFile(path.join(treasure, 'file'), 'mine   ');
    await symlink(path.join(treasure, 'file'), link);
    const { folder } = await fetchSnapshot(everything(hub));
    expect(await readFile(path.join(folder, file.path), 'utf8')).toBe('weights');
    expect(await readFile(path.join(treasure, 'file'), 'utf8')).toBe('mine   ');
    if (where(commit, blob).startsWith('blobs') && !link.endsWith(blob)) return; // gone with the download
    expect((await lstat(link)).isSymbolicLink()).toBe(link.includes('snapshots'));
  });
});

describe.skipIf(process.platform === 'win32')('removing a model [needs links]', () => {
  it.each(['', 'blobs', 'refs', 'snapshots'])('follows no link, as models--maker--tiny-model/%s', async (part) => {
    hub.server.publish({ repo: REPO, files: [file] });
    await fetchSnapshot(everything(hub));
    const folder = path.join(hub.cache, 'models--maker--tiny-model', part);
    const elsewhere = path.join(hub.outside, 'elsewhere');
    await rename(folder, elsewhere);
    await symlink(elsewhere, folder);
    const before = await readdir(elsewhere, { recursive: true });
    await expect(removeCachedRepo({ repo: REPO, settings: hub.settings })).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
    });
    expect(await readdir(elsewhere, { recursive: true })).toEqual(before);
  });
});

it('tells the token to the hub alone', async () => {
  hub.server.publish({ repo: REPO, files: [file], access: 'gated' });
  await expect(fetchSnapshot(everything(hub))).rejects.toMatchObject({
    code: 'ACCESS_DENIED',
    message: expect.stringMatching(/Accept its licence at .*maker\/tiny-model .*set HF_TOKEN/u) as string,
  });
  const settings = hubSettings({ ...hub.environment, HF_TOKEN: hub.server.token });
  await fetchSnapshot(everything(hub, { settings }));
  const toCdn = hub.server.requests.filter(({ origin }) => origin === 'cdn');
  expect(toCdn.map(({ headers }) => headers.authorization)).toEqual([undefined]);
});
