/** Every fault of a server or a line: never a bad file under its final name, and what was received counts. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fetchSnapshot } from './fetch-snapshot.js';
import { testBytes, type Fault, type FileRequest } from './testing/hub-server.js';
import { blobsOf, everything, REPO, scratchHub } from './testing/scratch-hub.js';

const hub = scratchHub({ usesPerSignature: 1 });

const content = testBytes(500_000);
const once = { maxRetries: 0, firstDelayMs: 1 };
/** What one write of the server holds: a client that is cut off may not have read it. */
const CHUNK_BYTES = 16 * 1024;

const inLfs = { path: 'model.safetensors', content, lfs: true };
const inGit = { path: 'tokenizer.json', content };

/** Then the server is down. */
const cutOnce =
  (cutAfterBytes: number) =>
  ({ nth }: FileRequest): Fault =>
    nth === 0 ? { cutAfterBytes } : { status: 503 };

const expectWhole = async (folder: string, file: string): Promise<void> => {
  expect(await readFile(path.join(folder, file))).toEqual(Buffer.from(content));
};
/** No content has its final name. */
const expectNothing = async (): Promise<void> => {
  expect((await blobsOf(hub)).filter((name) => !name.includes('.incomplete'))).toEqual([]);
};

describe.each([
  ['in LFS', inLfs],
  ['in git', inGit],
])('a file %s whose connection is cut', (_name, file) => {
  it.each(Array.from({ length: 11 }, (_, tenth) => tenth))(
    'at %i tenths is resumed by the same call made again, which moves only the rest',
    async (tenth) => {
      hub.server.publish({ repo: REPO, files: [file] });
      const cutAfterBytes = Math.min(Math.floor((content.length * tenth) / 10), content.length - 1);
      hub.server.onFile = cutOnce(cutAfterBytes);
      await expect(fetchSnapshot(everything(hub, { retry: once }))).rejects.toMatchObject({
        code: 'SOURCE_UNREACHABLE',
      });
      await expectNothing();
      const before = hub.server.sentBytes;
      hub.server.onFile = () => undefined;
      const { folder, receivedBytes } = await fetchSnapshot(everything(hub));
      await expectWhole(folder, file.path);
      const moved = hub.server.sentBytes - before;
      expect(moved).toBeLessThanOrEqual(content.length - cutAfterBytes + CHUNK_BYTES);
      expect(receivedBytes).toBe(moved);
    },
  );

  it('again and again is resumed within one call', async () => {
    hub.server.publish({ repo: REPO, files: [file] });
    hub.server.onFile = () => ({ cutAfterBytes: content.length / 10 });
    const { folder } = await fetchSnapshot(everything(hub));
    await expectWhole(folder, file.path);
    expect(hub.server.sentBytes).toBeLessThanOrEqual(content.length + 10 * CHUNK_BYTES);
  });
});

describe('a fault that passes', () => {
  const cutThen = (fault: Fault) => (nth: number) =>
    nth === 0 ? { cutAfterBytes: 200_000 } : nth === 1 ? fault : undefined;

  it.each<[string, (nth: number) => Fault | undefined]>([
    ['200 to a range request', cutThen({ ignoresRange: true })],
    ['429 with Retry-After', (nth) => (nth === 0 ? { status: 429, headers: { 'retry-after': '1' } } : undefined)],
    ['503 with Retry-After', cutThen({ status: 503, headers: { 'retry-after': '1' } })],
    ['a transfer that stalls', (nth) => (nth === 0 ? { stallAfterBytes: 123_456 } : undefined)],
    ['an answer that never begins', (nth) => (nth === 0 ? { stallAfterBytes: 0 } : undefined)],
    ['an address that has expired', cutThen({ status: 403 })],
  ])('%s is outlasted', async (_name, faultOf) => {
    hub.server.publish({ repo: REPO, files: [inLfs] });
    hub.server.onFile = ({ nth }) => faultOf(nth);
    const { folder } = await fetchSnapshot(everything(hub, { stallTimeoutMs: 300 }));
    await expectWhole(folder, inLfs.path);
    // A new address each time: the server's are good for one request only.
    const asked = hub.server.requests.filter(({ url }) => url.includes('/resolve/')).length;
    expect(hub.server.requests.filter(({ origin }) => origin === 'cdn')).toHaveLength(asked);
  });

  it.each([429, 503])('%i to the listing is outlasted', async (status) => {
    hub.server.publish({ repo: REPO, files: [inGit] });
    let answers = 0;
    hub.server.onApi = () => (answers++ < 2 ? { status, headers: { 'retry-after': '0' } } : undefined);
    const { folder } = await fetchSnapshot(everything(hub));
    await expectWhole(folder, inGit.path);
  });
});

describe('what is not the file that the listing names', () => {
  const flipped = content.map((byte, index) => (index === 345_678 ? byte ^ 4 : byte));

  it.each([
    ['in LFS', inLfs],
    ['in git', inGit],
  ])('is refused where one bit differs, %s, and fetched when it is right', async (_name, file) => {
    hub.server.publish({ repo: REPO, files: [file] });
    hub.server.onFile = () => ({ content: flipped });
    await expect(fetchSnapshot(everything(hub))).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    expect(await blobsOf(hub)).toEqual([]);
    hub.server.onFile = () => undefined;
    const { folder } = await fetchSnapshot(everything(hub));
    await expectWhole(folder, file.path);
  });

  it.each([
    ['too short', content.subarray(0, 400_000)],
    ['too long', Buffer.concat([content, content])],
    ['empty', new Uint8Array()],
  ])('is refused where it is %s; what was there stays', async (_name, wrong) => {
    hub.server.publish({ repo: REPO, files: [inLfs] });
    hub.server.onFile = cutOnce(300_000);
    await expect(fetchSnapshot(everything(hub, { retry: once }))).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
    hub.server.onFile = () => ({ content: wrong, ignoresRange: true });
    await expect(fetchSnapshot(everything(hub, { retry: once }))).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
    await expectNothing();
    hub.server.onFile = () => undefined;
    const { folder, receivedBytes } = await fetchSnapshot(everything(hub));
    expect(receivedBytes).toBeLessThanOrEqual(content.length - 300_000 + CHUNK_BYTES);
    await expectWhole(folder, inLfs.path);
  });

  it('is refused where it ends early as if that were all, and is not believed to have changed in between', async () => {
    hub.server.publish({ repo: REPO, files: [inLfs] });
    hub.server.onFile = ({ nth }) => (nth === 0 ? { cutAfterBytes: 100_000 } : { content: flipped });
    // The second half comes from a server that lies: the whole is fetched no further than to find out.
    await expect(fetchSnapshot(everything(hub))).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    expect(await blobsOf(hub)).toEqual([]);
  });
});

describe('a file that cannot be had', () => {
  it('ends with the address that refuses, and keeps the others that are there', async () => {
    hub.server.publish({ repo: REPO, files: [inLfs, { ...inGit, content: testBytes(1000) }] });
    hub.server.onFile = ({ origin }) => (origin === 'cdn' ? { status: 403 } : undefined);
    await expect(fetchSnapshot(everything(hub))).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining('403') as string,
    });
    hub.server.onFile = () => undefined;
    expect(await fetchSnapshot(everything(hub))).toMatchObject({ receivedBytes: content.length });
  });
});
