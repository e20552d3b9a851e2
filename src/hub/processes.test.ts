/** Several processes, some of them killed, and full disks: the files arrive once and whole. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { canMountSmallDisk, runOnSmallDisk } from '../download/testing/small-disk.js';
import { fetchSnapshot } from './fetch-snapshot.js';
import { testBytes } from './testing/hub-server.js';
import { blobsOf, everything, REPO, scratchHub } from './testing/scratch-hub.js';

const hub = scratchHub();
const weights = { path: 'model.safetensors', content: testBytes(600_000), lfs: true };
const config = { path: 'config.json', content: Buffer.from('{}') };
const files = [weights, config];
const totalBytes = weights.content.length + config.content.length;

const script = `
  const { fetchSnapshot } = await import(${JSON.stringify(new URL('./hub.js', import.meta.url).href)});
  const { receivedBytes } = await fetchSnapshot({ repo: '${REPO}', wanted: () => true, download: 'if-missing' });
  console.log(receivedBytes);`;
const start = (): ChildProcessByStdio<null, Readable, null> =>
  spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, ...hub.environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });

describe('ten processes at once', () => {
  it('move every byte once', async () => {
    hub.server.publish({ repo: REPO, files });
    hub.server.onFile = () => ({ delayMs: 500 });
    const outputs = await Promise.all(Array.from({ length: 10 }, () => text(start().stdout)));
    expect(outputs.map(Number).reduce((sum, bytes) => sum + bytes, 0)).toBe(totalBytes);
    expect(hub.server.sentBytes).toBe(totalBytes);
    expect(await blobsOf(hub)).toHaveLength(2);
    expect(await fetchSnapshot(everything(hub, { download: 'never' }))).toMatchObject({ receivedBytes: 0 });
  });
});

describe('a process that is killed', () => {
  it.each([1, 3, 5, 7, 9])('after %i tenths leaves what the next call goes on with, and no lock', async (tenths) => {
    hub.server.publish({ repo: REPO, files });
    const stallAfterBytes = (weights.content.length / 10) * tenths;
    hub.server.onFile = ({ path: file, nth }) => (file === weights.path && nth === 0 ? { stallAfterBytes } : undefined);
    const child = start();
    while ((await partialBytes()) < stallAfterBytes) await sleep(20);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    expect((await blobsOf(hub)).filter((name) => name.length === 64)).toEqual([]);
    const before = hub.server.sentBytes;
    const { folder } = await fetchSnapshot(everything(hub));
    expect(hub.server.sentBytes - before).toBeLessThanOrEqual(totalBytes - stallAfterBytes);
    expect(await readFile(path.join(folder, weights.path))).toEqual(Buffer.from(weights.content));
    expect((await blobsOf(hub)).filter((name) => name.includes('incomplete'))).toEqual([]);
  });

  /** Of the weights, on the disk. */
  async function partialBytes(): Promise<number> {
    const blobs = path.join(hub.cache, 'models--maker--tiny-model', 'blobs');
    const names = await blobsOf(hub).catch(() => []);
    const name = names.find((one) => one.length > 70 && one.endsWith('.incomplete'));
    return name === undefined ? 0 : (await stat(path.join(blobs, name))).size;
  }
});

describe.skipIf(!canMountSmallDisk())('a disk that is too small [needs unshare(1) and mount(1)]', () => {
  it('is noticed before anything is moved, and the same call succeeds where there is room', async () => {
    hub.server.publish({ repo: REPO, files: [{ ...weights, content: testBytes(2_000_000) }, config] });
    const onSmallDisk = `
      const { fetchSnapshot, hubSettings } = await import(${JSON.stringify(new URL('./hub.js', import.meta.url).href)});
      const settings = hubSettings({ ...JSON.parse(process.argv[2]), HF_HUB_CACHE: process.argv[1] });
      const wanted = ({ path }) => path === 'config.json';
      const options = { repo: '${REPO}', wanted: () => true, download: 'if-missing', settings };
      const all = await fetchSnapshot(options).catch((error) => error.code);
      const { receivedBytes } = await fetchSnapshot({ ...options, wanted });
      console.log(JSON.stringify([all, receivedBytes]));`;
    const end = await runOnSmallDisk(onSmallDisk, hub.outside, JSON.stringify(hub.environment));
    expect(JSON.parse(end)).toEqual(['DISK_INSUFFICIENT', 2]);
    expect(hub.server.sentBytes).toBe(2);
    expect(await fetchSnapshot(everything(hub))).toMatchObject({ receivedBytes: 2_000_002 });
  });
});
