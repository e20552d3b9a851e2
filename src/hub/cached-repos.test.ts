import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fetchSnapshot } from './fetch-snapshot.js';
import { removeCachedRepo } from './remove-cached-repo.js';
import { scanHubCache } from './scan-cache.js';
import { testBytes } from './testing/hub-server.js';
import { blobsOf, everything, REPO, scratchHub } from './testing/scratch-hub.js';

const hub = scratchHub();
const weights = { path: 'weights/model.safetensors', content: testBytes(5000), lfs: true };
const config = (text: string) => ({ path: 'config.json', content: Buffer.from(text) });
const repoFolder = (): string => path.join(hub.cache, 'models--maker--tiny-model');

/** Two revisions that share the weights. */
async function fetchBoth(): Promise<{ old: string; now: string }> {
  const old = hub.server.publish({ repo: REPO, files: [weights, config('old')], branch: 'v1' });
  await fetchSnapshot(everything(hub, { revision: 'v1' }));
  const now = hub.server.publish({ repo: REPO, files: [weights, config('newer')] });
  await fetchSnapshot(everything(hub));
  return { old, now };
}

describe('scanHubCache', () => {
  it('finds nothing where there is no cache', async () => {
    expect(await scanHubCache(hub.settings)).toEqual([]);
  });

  it('says what is there, each content once', async () => {
    const { old, now } = await fetchBoth();
    const [repo, ...more] = await scanHubCache(hub.settings);
    expect(more).toEqual([]);
    expect(repo).toMatchObject({ repo: REPO, folder: repoFolder(), sizeBytes: 5000 + 3 + 5, incompleteBytes: 0 });
    const byCommit = Object.fromEntries(repo?.revisions.map((revision) => [revision.commit, revision]) ?? []);
    expect(byCommit[old]).toMatchObject({ refs: ['v1'], sizeBytes: 5003 });
    expect(byCommit[now]).toMatchObject({
      refs: ['main'],
      sizeBytes: 5005,
      folder: path.join(repoFolder(), 'snapshots', now),
      files: [
        { path: 'config.json', sizeBytes: 5 },
        { path: 'weights/model.safetensors', sizeBytes: 5000 },
      ],
    });
  });

  it('counts what did not arrive in full, and passes over what is no model', async () => {
    await fetchBoth();
    await writeFile(path.join(repoFolder(), 'blobs', 'x.aipc.incomplete'), 'half');
    for (const name of ['datasets--a--b', 'models--..--x', 'notes']) await mkdir(path.join(hub.cache, name));
    expect((await scanHubCache(hub.settings)).map(({ repo, incompleteBytes }) => [repo, incompleteBytes])).toEqual([
      [REPO, 4],
    ]);
  });
});

describe('removeCachedRepo', () => {
  it('takes all of a model', async () => {
    await fetchBoth();
    expect(await removeCachedRepo({ repo: REPO, settings: hub.settings })).toBe(5008);
    expect(await scanHubCache(hub.settings)).toEqual([]);
    expect((await readdir(hub.cache)).sort()).toEqual(['.locks', 'CACHEDIR.TAG']);
    await expect(fetchSnapshot(everything(hub, { download: 'never' }))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
  });

  it.each([
    ['by branch', () => 'v1'],
    ['by commit', ({ old }: { old: string }) => old],
  ])('takes one revision, %s, and leaves the others whole', async (_name, nameOf) => {
    const both = await fetchBoth();
    expect(await removeCachedRepo({ repo: REPO, revisions: [nameOf(both)], settings: hub.settings })).toBe(3);
    expect(await fetchSnapshot(everything(hub, { download: 'never' }))).toMatchObject({ commit: both.now });
    await expect(fetchSnapshot(everything(hub, { revision: 'v1', download: 'never' }))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
    expect(await blobsOf(hub)).toHaveLength(2);
  });

  it('goes on where it was interrupted', async () => {
    const { old } = await fetchBoth();
    await rm(path.join(repoFolder(), 'snapshots', old, 'config.json'));
    await removeCachedRepo({ repo: REPO, revisions: ['v1'], settings: hub.settings });
    await rm(path.join(repoFolder(), 'refs'), { recursive: true });
    await removeCachedRepo({ repo: REPO, settings: hub.settings });
    expect(await scanHubCache(hub.settings)).toEqual([]);
  });

  it('says what is not there', async () => {
    const remove = (more: object) => removeCachedRepo({ repo: REPO, settings: hub.settings, ...more });
    await expect(remove({})).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    await fetchBoth();
    await expect(remove({ revisions: ['v9'] })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    await expect(remove({ repo: '../..' })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });
});
