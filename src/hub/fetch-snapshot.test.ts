import { lstat, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fetchSnapshot } from './fetch-snapshot.js';
import { hubSettings } from './settings.js';
import { testBytes, type TestFile } from './testing/hub-server.js';
import { blobsOf, everything, REPO, scratchHub } from './testing/scratch-hub.js';
import type { SnapshotProgress } from './transfer-progress.js';

const hub = scratchHub();

const config: TestFile = { path: 'config.json', content: Buffer.from('{"model_type":"phi3"}') };
const weights: TestFile = { path: 'weights/model.safetensors', content: testBytes(400_000), lfs: true };
const readme: TestFile = { path: 'README.md', content: Buffer.from('read me') };
const files = [config, weights, readme];

const repoFolder = (): string => path.join(hub.cache, 'models--maker--tiny-model');
const needed = (file: { path: string }): boolean => file.path !== readme.path;
const total = config.content.length + weights.content.length;

describe('a snapshot of a model that is not cached', () => {
  it('has the files that are wanted and no other, each checked, in the layout of the Hugging Face cache', async () => {
    const commit = hub.server.publish({ repo: REPO, files });
    const snapshot = await fetchSnapshot(everything(hub, { wanted: needed }));
    expect(snapshot).toEqual({
      folder: path.join(repoFolder(), 'snapshots', commit),
      commit,
      files: [
        { path: config.path, sizeBytes: config.content.length },
        { path: weights.path, sizeBytes: weights.content.length },
      ],
      receivedBytes: total,
    });
    expect(await readFile(path.join(snapshot.folder, weights.path))).toEqual(Buffer.from(weights.content));
    const blobs = await blobsOf(hub);
    expect(blobs.map((name) => name.length).sort()).toEqual([40, 64]); // git's hash and a SHA-256
    expect(await readlink(path.join(snapshot.folder, config.path))).toBe(
      path.join('..', '..', 'blobs', String(blobs.find((name) => name.length === 40))),
    );
    expect(await readlink(path.join(snapshot.folder, weights.path))).toBe(
      path.join('..', '..', '..', 'blobs', String(blobs.find((name) => name.length === 64))),
    );
    expect(await readFile(path.join(repoFolder(), 'refs', 'main'), 'utf8')).toBe(commit);
    expect(await readFile(path.join(hub.cache, 'CACHEDIR.TAG'), 'utf8')).toMatch(/^Signature: 8a477f597d28d1727/u);
    expect(await readdir(path.join(hub.cache, '.locks', 'models--maker--tiny-model'))).toEqual([]);
    expect(hub.server.sentBytes).toBe(total);
  });

  it('brings a content that has two names once', async () => {
    const twin = { ...weights, path: 'twin.safetensors' };
    hub.server.publish({ repo: REPO, files: [weights, twin] });
    const snapshot = await fetchSnapshot(everything(hub));
    expect(snapshot.receivedBytes).toBe(weights.content.length);
    expect(await readFile(path.join(snapshot.folder, twin.path))).toEqual(Buffer.from(weights.content));
  });

  it('has empty files, and names that a URL must spell otherwise', async () => {
    const odd = { path: 'a folder/100% #1 ü.txt', content: Buffer.from('odd') };
    const empty = { path: 'empty', content: new Uint8Array() };
    hub.server.publish({ repo: REPO, files: [odd, empty] });
    const { folder } = await fetchSnapshot(everything(hub));
    expect(await readFile(path.join(folder, odd.path), 'utf8')).toBe('odd');
    expect(await readFile(path.join(folder, empty.path), 'utf8')).toBe('');
  });

  it('is refused where no file is wanted', async () => {
    hub.server.publish({ repo: REPO, files });
    await expect(fetchSnapshot(everything(hub, { wanted: () => false }))).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
    });
  });

  it('says how far it is, how fast, and for how long still', async () => {
    hub.server.publish({ repo: REPO, files: [config, { ...weights, content: testBytes(3_000_000) }] });
    const seen: SnapshotProgress[] = [];
    await fetchSnapshot(everything(hub, { onProgress: (progress) => seen.push(progress) }));
    const totalBytes = config.content.length + 3_000_000;
    expect(seen.at(-1)).toMatchObject({ state: 'downloading', doneBytes: totalBytes, totalBytes });
    expect(seen.map(({ doneBytes }) => doneBytes)).toEqual(
      seen.map(({ doneBytes }) => doneBytes).sort((a, b) => a - b),
    );
  });

  it('stops when it is told to, with the reason given, and goes on later', async () => {
    hub.server.publish({ repo: REPO, files: [weights] });
    hub.server.onFile = ({ nth }) => (nth === 0 ? { stallAfterBytes: 100_000 } : undefined);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), 500);
    const running = fetchSnapshot(everything(hub, { signal: controller.signal }));
    await expect(running).rejects.toThrow('enough');
    expect((await fetchSnapshot(everything(hub))).receivedBytes).toBeLessThan(weights.content.length);
  });
});

describe('a snapshot that is cached', () => {
  it('is used without any network, by branch and by commit', async () => {
    const commit = hub.server.publish({ repo: REPO, files });
    const first = await fetchSnapshot(everything(hub));
    const asked = hub.server.requests.length;
    for (const revision of [undefined, commit]) {
      for (const download of ['never', 'if-missing'] as const) {
        expect(await fetchSnapshot(everything(hub, { revision, download }))).toEqual({ ...first, receivedBytes: 0 });
      }
    }
    await fetchSnapshot(everything(hub, { revision: commit, download: 'if-changed' }));
    expect(hub.server.requests).toHaveLength(asked);
  });

  it('by if-changed gives way to what the branch is now, of which only what differs is fetched', async () => {
    const old = hub.server.publish({ repo: REPO, files });
    await fetchSnapshot(everything(hub));
    const changed = { ...config, content: Buffer.from('{"model_type":"phi4"}') };
    const commit = hub.server.publish({ repo: REPO, files: [changed, weights, readme] });
    expect(await fetchSnapshot(everything(hub))).toMatchObject({ commit: old });
    expect(await fetchSnapshot(everything(hub, { download: 'if-changed' }))).toMatchObject({
      commit,
      receivedBytes: changed.content.length,
    });
    expect(await fetchSnapshot(everything(hub))).toMatchObject({ commit });
    expect(await fetchSnapshot(everything(hub, { revision: old, download: 'never' }))).toMatchObject({ commit: old });
  });

  it('serves where the hub cannot be reached', async () => {
    const commit = hub.server.publish({ repo: REPO, files });
    await fetchSnapshot(everything(hub));
    await hub.server[Symbol.asyncDispose]();
    expect(await fetchSnapshot(everything(hub, { download: 'if-changed' }))).toMatchObject({
      commit,
      receivedBytes: 0,
    });
  });

  it('is completed where more is wanted than before', async () => {
    hub.server.publish({ repo: REPO, files });
    await fetchSnapshot(everything(hub, { wanted: needed }));
    expect(await fetchSnapshot(everything(hub))).toMatchObject({ receivedBytes: readme.content.length });
  });

  it('is mended where a blob is gone or has lost its end', async () => {
    hub.server.publish({ repo: REPO, files: [config, weights] });
    const { folder } = await fetchSnapshot(everything(hub));
    for (const name of await blobsOf(hub)) {
      if (name.length === 40) await rm(path.join(repoFolder(), 'blobs', name));
      else await writeFile(path.join(repoFolder(), 'blobs', name), weights.content.subarray(0, 1000));
    }
    await expect(fetchSnapshot(everything(hub, { download: 'never' }))).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      details: { missing: [config.path, weights.path] },
    });
    expect(await fetchSnapshot(everything(hub))).toMatchObject({ receivedBytes: total });
    expect(await readFile(path.join(folder, weights.path))).toEqual(Buffer.from(weights.content));
  });

  it('by tools that store no listing is used offline, and online after one look at the hub', async () => {
    hub.server.publish({ repo: REPO, files });
    await fetchSnapshot(everything(hub));
    await rm(path.join(repoFolder(), 'trees'), { recursive: true });
    expect(await fetchSnapshot(everything(hub, { download: 'never' }))).toMatchObject({ receivedBytes: 0 });
    const before = hub.server.requests.length;
    for (let time = 0; time < 2; time += 1) {
      expect(await fetchSnapshot(everything(hub))).toMatchObject({ receivedBytes: 0 });
    }
    expect(hub.server.requests.slice(before).map(({ url }) => url.split('/')[5])).toEqual(['revision', 'tree']);
  });
});

describe('without network', () => {
  it.each([
    ['HF_HUB_OFFLINE', { HF_HUB_OFFLINE: '1' }, 'if-missing'],
    ['download: never', {}, 'never'],
  ] as const)(
    '%s: a model that is not cached is named, with where it was looked for',
    async (_name, more, download) => {
      hub.server.publish({ repo: REPO, files });
      const settings = hubSettings({ ...hub.environment, ...more });
      await expect(fetchSnapshot(everything(hub, { settings, download }))).rejects.toMatchObject({
        code: 'MODEL_NOT_FOUND',
        message: expect.stringContaining(hub.cache) as string,
      });
      expect(hub.server.requests).toEqual([]);
    },
  );

  it('files that are missing are named', async () => {
    hub.server.publish({ repo: REPO, files });
    await fetchSnapshot(everything(hub, { wanted: needed }));
    await expect(fetchSnapshot(everything(hub, { download: 'never' }))).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringContaining(readme.path) as string,
      details: { missing: [readme.path] },
    });
  });
});

describe('where no links can be made', () => {
  const withoutLinks = () => hubSettings({ ...hub.environment, HF_HUB_DISABLE_SYMLINKS: '1' });

  it('snapshots hold the files themselves, fetched once under two names, too', async () => {
    const twin = { ...weights, path: 'twin.safetensors' };
    hub.server.publish({ repo: REPO, files: [config, weights, twin] });
    const settings = withoutLinks();
    const { folder, receivedBytes } = await fetchSnapshot(everything(hub, { settings }));
    expect(receivedBytes).toBe(total);
    for (const { path: name, content } of [config, weights, twin]) {
      expect((await lstat(path.join(folder, name))).isFile()).toBe(true);
      expect(await readFile(path.join(folder, name))).toEqual(Buffer.from(content));
    }
    expect(await blobsOf(hub)).toEqual([]);
    expect(await fetchSnapshot(everything(hub, { settings }))).toMatchObject({ receivedBytes: 0 });
  });

  it('blobs that are there are copied', async () => {
    hub.server.publish({ repo: REPO, files: [weights] });
    await fetchSnapshot(everything(hub));
    hub.server.publish({ repo: REPO, files: [weights, config] });
    const settings = withoutLinks();
    const { folder, receivedBytes } = await fetchSnapshot(everything(hub, { settings, download: 'if-changed' }));
    expect(receivedBytes).toBe(config.content.length);
    expect((await lstat(path.join(folder, weights.path))).isFile()).toBe(true);
  });
});

describe('a cache that may only be read', () => {
  it('serves what it has', async () => {
    hub.server.publish({ repo: REPO, files });
    await fetchSnapshot(everything(hub));
    // Stands for any reason why nothing can be written: the folder's name is taken.
    await rm(path.join(hub.cache, '.locks'), { recursive: true });
    await writeFile(path.join(hub.cache, '.locks'), '');
    expect(await fetchSnapshot(everything(hub))).toMatchObject({ receivedBytes: 0 });
  });
});

describe('another tool that is downloading the same content', () => {
  it('is waited for while its file grows', async () => {
    hub.server.publish({ repo: REPO, files: [weights] });
    const { folder } = await fetchSnapshot(everything(hub));
    const [blob = ''] = await blobsOf(hub);
    const blobs = path.join(repoFolder(), 'blobs');
    await rm(path.join(folder, weights.path));
    await rm(path.join(blobs, blob));
    await writeFile(path.join(blobs, `${blob}.0a1b2c3d.incomplete`), 'growing');
    const seen: string[] = [];
    const waiting = fetchSnapshot(everything(hub, { onProgress: ({ state }) => seen.push(state) }));
    setTimeout(() => void writeFile(path.join(blobs, blob), weights.content), 500);
    expect(await waiting).toMatchObject({ receivedBytes: 0 });
    expect(seen[0]).toBe('waiting');
  });
});

it('refuses options that it does not know, and names that are none', async () => {
  const bad = [{ repo: '../etc' }, { repo: 'a/b/c' }, { revision: '../main' }, { revision: 'a//b' }, { cache: '.' }];
  for (const more of bad) {
    await expect(fetchSnapshot({ ...everything(hub), ...more })).rejects.toMatchObject({
      code: expect.stringMatching(/^OPTION_/u) as string,
    });
  }
});
