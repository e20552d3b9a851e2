/** One cache, two programs: what huggingface_hub fetched serves aipc, and the reverse, without a byte moved again. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchSnapshot, hubSettings, removeCachedRepo, scanHubCache } from '../../src/hub/hub.js';
import type { HubFile, Snapshot, SnapshotOptions } from '../../src/hub/hub.js';
import { startHubServer, testBytes, type HubServer } from '../../src/hub/testing/hub-server.js';
import { askHuggingFaceHub } from './peer.js';

const REPO = 'maker/tiny-model';
const config = { path: 'config.json', content: Buffer.from('{"model_type":"phi3"}') };
const weights = { path: 'weights/model-00001-of-00001.safetensors', content: testBytes(300_000), lfs: true };
const readme = { path: 'README.md', content: Buffer.from('read me') };
const files = [config, weights, readme];
const totalBytes = files.reduce((sum, { content }) => sum + content.length, 0);
const sizes = Object.fromEntries(files.map(({ path: name, content }) => [name, content.length]));

let server: HubServer;
let folder: string;
let environment: Record<string, string>;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-parity-hub-'));
  server = await startHubServer();
  environment = { HF_ENDPOINT: server.endpoint, HF_HOME: folder, HF_HUB_CACHE: path.join(folder, 'hub') };
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const aipc = (more: Partial<SnapshotOptions> = {}): Promise<Snapshot> =>
  fetchSnapshot({
    repo: REPO,
    wanted: () => true,
    download: 'if-missing',
    settings: hubSettings(environment),
    ...more,
  });
const python = (action: 'snapshot' | 'file' | 'scan', more: object = {}): ReturnType<typeof askHuggingFaceHub> =>
  askHuggingFaceHub({ action, repo: REPO, ...more }, environment);
const offline = { options: { local_files_only: true } };
const withoutReadme = ({ path: name }: HubFile): boolean => name !== readme.path;

describe("a cache that Python's huggingface_hub filled", () => {
  it.each(['never', 'if-missing', 'if-changed'] as const)('is used as it is, download: %s', async (download) => {
    const commit = server.publish({ repo: REPO, files });
    const filled = await python('snapshot');
    expect(filled.files).toEqual(sizes);
    const before = server.sentBytes;
    const snapshot = await aipc({ download });
    expect(snapshot).toMatchObject({ folder: filled.folder, commit, receivedBytes: 0 });
    expect(server.sentBytes).toBe(before);
    expect(await readFile(path.join(snapshot.folder, weights.path))).toEqual(Buffer.from(weights.content));
  });

  it('with some files only is completed', async () => {
    server.publish({ repo: REPO, files });
    await python('file', { path: weights.path });
    expect(await aipc()).toMatchObject({ receivedBytes: totalBytes - weights.content.length });
    expect(server.sentBytes).toBe(totalBytes);
  });

  it('is listed, and removed where nobody else needs it', async () => {
    server.publish({ repo: REPO, files });
    await python('snapshot');
    expect(await scanHubCache(hubSettings(environment))).toMatchObject([{ repo: REPO, sizeBytes: totalBytes }]);
    expect(await removeCachedRepo({ repo: REPO, settings: hubSettings(environment) })).toBe(totalBytes);
    expect(await python('scan')).toMatchObject({ repos: {}, warnings: [] });
  });
});

describe('a cache that aipc filled', () => {
  it('is whole for huggingface_hub, without network and with', async () => {
    const commit = server.publish({ repo: REPO, files });
    const { folder: filled } = await aipc();
    expect(server.sentBytes).toBe(totalBytes);
    expect(await python('snapshot', offline)).toMatchObject({ folder: filled, files: sizes });
    expect(await python('snapshot')).toMatchObject({ folder: filled, files: sizes });
    const weightsFile = path.join(filled, weights.path);
    expect(await python('file', { path: weights.path, ...offline })).toMatchObject({ file: weightsFile });
    expect(await python('file', { path: weights.path })).toMatchObject({ file: weightsFile });
    expect(server.sentBytes).toBe(totalBytes);
    expect(await python('scan')).toMatchObject({
      repos: { [REPO]: { sizeBytes: totalBytes, commits: [commit] } },
      warnings: [],
    });
  });

  it('in part is completed by it, with what is missing only', async () => {
    server.publish({ repo: REPO, files });
    await aipc({ wanted: withoutReadme });
    await expect(python('snapshot', offline)).rejects.toThrow(/IncompleteSnapshot/u);
    expect(await python('snapshot')).toMatchObject({ files: sizes });
    expect(server.sentBytes).toBe(totalBytes);
  });

  it('has revisions side by side that share contents with those of Python', async () => {
    const old = server.publish({ repo: REPO, files });
    await python('snapshot');
    const changed = { ...config, content: Buffer.from('{"model_type":"phi4"}') };
    const now = server.publish({ repo: REPO, files: [changed, weights, readme] });
    expect(await aipc({ download: 'if-changed' })).toMatchObject({
      commit: now,
      receivedBytes: changed.content.length,
    });
    await removeCachedRepo({ repo: REPO, revisions: ['main'], settings: hubSettings(environment) });
    expect(await python('snapshot', { options: { revision: old, local_files_only: true } })).toMatchObject({
      files: sizes,
    });
    expect(await python('scan')).toMatchObject({ repos: { [REPO]: { commits: [old] } }, warnings: [] });
  });
});
