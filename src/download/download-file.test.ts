import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { downloadFile, type DownloadOptions, type DownloadProgress } from './download-file.js';
import { sendFile, serve, type FileServer, type Handler } from './testing/file-server.js';
import { canMountSmallDisk, runOnSmallDisk } from './testing/small-disk.js';

const content = new Uint8Array(300_000).map((_, index) => (index * 31 + (index >> 8)) % 251);
const sha256 = createHash('sha256').update(content).digest('hex');

let folder: string;
let server: FileServer | null = null;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-download-'));
});
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = null;
  await rm(folder, { recursive: true });
});

const target = (): string => path.join(folder, 'sub', 'file.bin');
const left = async (): Promise<string[]> => (await readdir(path.join(folder, 'sub'))).sort();

async function begin(handler: Handler): Promise<DownloadOptions> {
  server = await serve(handler);
  return {
    url: server.url(),
    file: target(),
    maxBytes: 10_000_000,
    sha256,
    environment: {},
    retry: { maxRetries: 2, firstDelayMs: 1 },
  };
}
const ranges = (): (string | undefined)[] => server?.requests.map(({ headers }) => headers.range) ?? [];

describe('downloadFile', () => {
  it('brings the file, says how far it is, and leaves nothing else', async () => {
    const options = await begin((request, response) => sendFile(request, response, { content }));
    const seen: DownloadProgress[] = [];
    const result = await downloadFile({ ...options, onProgress: (progress) => seen.push(progress) });
    expect(result).toEqual({ file: target(), sizeBytes: content.length, receivedBytes: content.length });
    expect(new Uint8Array(await readFile(target()))).toEqual(content);
    expect(await left()).toEqual(['file.bin']);
    expect(seen.at(0)).toEqual({ state: 'downloading', doneBytes: 0, totalBytes: content.length });
    expect(seen.at(-1)).toEqual({ state: 'downloading', doneBytes: content.length, totalBytes: content.length });
  });

  it('does not ask for a file that is there', async () => {
    const options = await begin((request, response) => sendFile(request, response, { content }));
    await downloadFile(options);
    expect(await downloadFile(options)).toMatchObject({ sizeBytes: content.length, receivedBytes: 0 });
    expect(server?.requests).toHaveLength(1);
  });

  it('takes a server that does not say how long the file is', async () => {
    const options = await begin((request, response) => sendFile(request, response, { content, hidesLength: true }));
    const seen: DownloadProgress[] = [];
    await downloadFile({ ...options, onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toEqual({ state: 'downloading', doneBytes: content.length, totalBytes: null });
  });

  it('takes an empty file', async () => {
    const options = await begin((request, response) => sendFile(request, response, { content: new Uint8Array() }));
    await downloadFile({ ...options, sha256: createHash('sha256').digest('hex') });
    expect((await stat(target())).size).toBe(0);
  });
});

describe('a connection that is cut', () => {
  it.each([0, 1, 1000, 65_536, content.length - 1])(
    'at byte %i goes on there within one call',
    async (cutAfterBytes) => {
      const options = await begin((request, response, nth) =>
        sendFile(request, response, { content, ...(nth === 0 ? { cutAfterBytes } : {}) }),
      );
      expect(await downloadFile(options)).toMatchObject({ receivedBytes: content.length });
      expect(ranges()).toEqual([undefined, cutAfterBytes === 0 ? undefined : `bytes=${cutAfterBytes}-`]);
      expect(new Uint8Array(await readFile(target()))).toEqual(content);
    },
  );

  it.each([1, 1000, 200_000])(
    'at byte %i goes on there in a later call, moving only the rest',
    async (cutAfterBytes) => {
      let broken = true;
      const options = await begin((request, response) => {
        if (broken)
          sendFile(request, response, {
            content,
            cutAfterBytes: request.headers.range === undefined ? cutAfterBytes : 0,
          });
        else sendFile(request, response, { content });
      });
      await expect(downloadFile(options)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
      expect(await left()).toEqual(['file.bin.partial', 'file.bin.partial.json']);
      broken = false;
      expect(await downloadFile(options)).toMatchObject({ receivedBytes: content.length - cutAfterBytes });
      expect(new Uint8Array(await readFile(target()))).toEqual(content);
      expect(await left()).toEqual(['file.bin']);
    },
  );

  it('ends after some attempts that bring nothing, but not while each brings something', async () => {
    const options = await begin((request, response) => sendFile(request, response, { content, cutAfterBytes: 30_000 }));
    expect(await downloadFile(options)).toMatchObject({ receivedBytes: content.length });
    expect(server?.requests.length).toBeGreaterThan(9);
  });

  it('ends where the server begins anew each time', async () => {
    const options = await begin((request, response) =>
      sendFile(request, response, { content, cutAfterBytes: 30_000, ignoresRanges: true }),
    );
    await expect(downloadFile(options)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
    expect(server?.requests).toHaveLength(4);
  });

  it('begins anew where the server answers a range with the whole file', async () => {
    const options = await begin((request, response, nth) =>
      sendFile(request, response, { content, ignoresRanges: true, ...(nth === 0 ? { cutAfterBytes: 1000 } : {}) }),
    );
    expect(await downloadFile(options)).toMatchObject({ receivedBytes: content.length + 1000 });
    expect(new Uint8Array(await readFile(target()))).toEqual(content);
  });

  it.each([
    ['with a checksum', sha256],
    ['without one', undefined],
  ])('does not join two versions of a file, %s', async (_name, checksum) => {
    const old = content.map((byte) => byte ^ 255);
    const options = await begin((request, response, nth) =>
      nth === 0
        ? sendFile(request, response, { content: old, etag: '"old"', cutAfterBytes: 1000 })
        : sendFile(request, response, { content, etag: '"new"' }),
    );
    await downloadFile({ ...options, sha256: checksum });
    expect(server?.requests[1]?.headers).toMatchObject({ range: 'bytes=1000-', 'if-range': '"old"' });
    expect(new Uint8Array(await readFile(target()))).toEqual(content);
  });

  it('trusts no server that ignores If-Range, nor one whose range begins elsewhere', async () => {
    const options = await begin((request, response, nth) => {
      if (nth === 0) sendFile(request, response, { content, etag: '"old"', cutAfterBytes: 1000 });
      else if (nth === 1) {
        response.writeHead(206, { etag: '"new"', 'content-range': `bytes 1000-299999/300000` }).end('x');
      } else sendFile(request, response, { content, etag: '"new"' });
    });
    await downloadFile({ ...options, sha256: undefined });
    expect(ranges()).toEqual([undefined, 'bytes=1000-', undefined]);
    expect(new Uint8Array(await readFile(target()))).toEqual(content);
  });

  it('goes on from another server when the checksum says that it is the same file', async () => {
    const first = await begin((request, response) => sendFile(request, response, { content, cutAfterBytes: 5000 }));
    await expect(
      downloadFile({ ...first, retry: { maxRetries: 0, firstDelayMs: 1 }, onProgress: stopAfter(5000) }),
    ).rejects.toThrow('enough');
    await server?.[Symbol.asyncDispose]();
    const second = await begin((request, response) => sendFile(request, response, { content, etag: '"other"' }));
    const { receivedBytes } = await downloadFile(second);
    expect(receivedBytes).toBe(content.length - 5000);
  });

  it('needs no network when only the name was missing', async () => {
    const options = await begin((_request, response) => response.writeHead(500).end());
    await mkdir(path.dirname(target()));
    await writeFile(`${target()}.partial`, content);
    const state = { urlSha256: '', validator: null, checksum: `sha256:${sha256}`, totalBytes: content.length };
    await writeFile(`${target()}.partial.json`, JSON.stringify(state));
    expect(await downloadFile(options)).toMatchObject({ receivedBytes: 0, sizeBytes: content.length });
    expect(server?.requests).toHaveLength(0);
  });
});

/** Ends a download from inside once so many bytes are there. */
function stopAfter(bytes: number): (progress: DownloadProgress) => void {
  return ({ doneBytes }) => {
    if (doneBytes >= bytes) throw new Error('enough');
  };
}

describe('what is not the file', () => {
  it('is refused where one bit differs, and nothing is kept', async () => {
    const flipped = content.map((byte, index) => (index === 123_456 ? byte ^ 1 : byte));
    const options = await begin((request, response) => sendFile(request, response, { content: flipped }));
    await expect(downloadFile(options)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    expect(server?.requests).toHaveLength(1);
    expect(await left()).toEqual([]);
  });

  it('is fetched once more where what an earlier call left was damaged since', async () => {
    const options = await begin((request, response, nth) =>
      sendFile(request, response, { content, ...(nth === 0 ? { cutAfterBytes: 1000 } : {}) }),
    );
    const once = { ...options, retry: { maxRetries: 0, firstDelayMs: 1 } };
    await expect(downloadFile({ ...once, onProgress: stopAfter(1000) })).rejects.toThrow('enough');
    const damaged = await readFile(`${target()}.partial`);
    damaged[17] = 255 - Number(damaged[17]);
    await writeFile(`${target()}.partial`, damaged);
    await downloadFile(once);
    expect(ranges()).toEqual([undefined, 'bytes=1000-', undefined]);
    expect(new Uint8Array(await readFile(target()))).toEqual(content);
  });

  it('is refused where the server promises more than it sends', async () => {
    const options = await begin((_request, response) => {
      response.writeHead(200, { 'content-length': content.length + 1 });
      response.write(content);
      setTimeout(() => response.destroy(), 50);
    });
    await expect(downloadFile(options)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
  });

  it.each([
    ['announced', false],
    ['not announced', true],
  ])('is refused where it is too long, %s', async (_name, hidesLength) => {
    const options = await begin((request, response) => sendFile(request, response, { content, hidesLength }));
    await expect(downloadFile({ ...options, maxBytes: content.length - 1 })).rejects.toMatchObject({
      code: 'FILE_LIMIT_EXCEEDED',
    });
    expect(await left()).toEqual([]);
  });

  it.each([401, 403, 404, 410, 204])('is refused where the server answers %i, at once', async (status) => {
    const options = await begin((_request, response) => response.writeHead(status).end());
    await expect(downloadFile(options)).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining(String(status)) as string,
    });
    expect(server?.requests).toHaveLength(1);
  });

  it("is refused where git's hash of it differs", async () => {
    const options = await begin((request, response) => sendFile(request, response, { content }));
    const git = { ...options, sha256: undefined, sizeBytes: content.length };
    const gitBlobSha1 = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
    await expect(downloadFile({ ...git, gitBlobSha1: 'a'.repeat(40) })).rejects.toMatchObject({
      code: 'CHECKSUM_MISMATCH',
    });
    expect(await left()).toEqual([]);
    expect(await downloadFile({ ...git, gitBlobSha1 })).toMatchObject({ sizeBytes: content.length });
  });

  it('is refused where the server says that it is not as long; what was there stays', async () => {
    const options = await begin((request, response, nth) =>
      nth === 0
        ? sendFile(request, response, { content, cutAfterBytes: 1000 })
        : nth === 1
          ? response.end('Please log in to this network.')
          : sendFile(request, response, { content }),
    );
    const known = { ...options, sizeBytes: content.length };
    await expect(downloadFile(known)).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining('offers 30 bytes') as string,
    });
    expect(await downloadFile(known)).toMatchObject({ receivedBytes: content.length - 1000 });
  });

  it('is replaced where a file of that name has another length', async () => {
    const options = await begin((request, response) => sendFile(request, response, { content }));
    await mkdir(path.dirname(target()));
    await writeFile(target(), content.subarray(0, 10));
    const known = { ...options, sizeBytes: content.length };
    expect(await downloadFile(known)).toMatchObject({ receivedBytes: content.length });
    expect(await downloadFile(known)).toMatchObject({ receivedBytes: 0 });
  });

  it('is asked for with options that can be checked', async () => {
    const options = await begin(() => undefined);
    const git = { ...options, sha256: undefined };
    await expect(downloadFile({ ...options, sha256: 'a'.repeat(63) })).rejects.toThrow(/64 hexadecimal digits/u);
    await expect(downloadFile({ ...git, gitBlobSha1: 'a'.repeat(39), sizeBytes: 1 })).rejects.toThrow(/40 hexadec/u);
    await expect(downloadFile({ ...git, gitBlobSha1: 'a'.repeat(40) })).rejects.toThrow(/needs sizeBytes/u);
  });

  it('is not looked for in anything but the web', async () => {
    await expect(downloadFile({ url: 'file:///etc/hosts', file: target(), maxBytes: 1 })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
  });
});

describe('a server in trouble', () => {
  it.each([429, 500, 502, 503, 504])('is asked again after %i', async (status) => {
    const options = await begin((request, response, nth) => {
      if (nth === 0) response.writeHead(status).end();
      else sendFile(request, response, { content });
    });
    await expect(downloadFile(options)).resolves.toMatchObject({ receivedBytes: content.length });
  });

  it('is given the time that it asks for', async () => {
    const options = await begin((request, response, nth) => {
      if (nth === 0) response.writeHead(503, { 'retry-after': '1' }).end();
      else sendFile(request, response, { content });
    });
    const started = performance.now();
    await downloadFile(options);
    expect(performance.now() - started).toBeGreaterThan(990);
  });

  it('is not waited for when it asks for too much', async () => {
    const options = await begin((_request, response) => response.writeHead(503, { 'retry-after': '86400' }).end());
    await expect(downloadFile(options)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
    expect(server?.requests).toHaveLength(1);
  });

  it('is given up when it stays silent, before and within an answer', async () => {
    const options = await begin((_request, response, nth) => {
      if (nth === 0) return;
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 10));
    });
    await expect(downloadFile({ ...options, stallTimeoutMs: 50 })).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining('nothing arrived') as string,
    });
  });

  it('that is not there is said to be unreachable', async () => {
    const options = await begin(() => undefined);
    await server?.[Symbol.asyncDispose]();
    await expect(downloadFile(options)).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
  });
});

describe('redirects', () => {
  it('are followed, without telling another host who asks', async () => {
    await using other = await serve((request, response) => sendFile(request, response, { content }));
    const options = await begin((_request, response) =>
      response.writeHead(302, { location: other.url('/signed?secret=1') }).end(),
    );
    await downloadFile({ ...options, headers: { authorization: 'Bearer x' } });
    expect(server?.requests[0]?.headers.authorization).toBe('Bearer x');
    expect(other.requests[0]?.headers.authorization).toBeUndefined();
  });

  it('to an address that has expired are asked for again', async () => {
    await using other = await serve((request, response, nth) =>
      nth === 0 ? response.writeHead(403).end() : sendFile(request, response, { content }),
    );
    const options = await begin((_request, response, nth) =>
      response.writeHead(302, { location: other.url(`/signed?${nth}`) }).end(),
    );
    await downloadFile(options);
    expect(other.requests.map(({ url }) => url)).toEqual(['/signed?0', '/signed?1']);
  });

  it('end somewhere', async () => {
    const options = await begin((_request, response, nth) =>
      response.writeHead(302, { location: `/${nth % 2}` }).end(),
    );
    await expect(downloadFile(options)).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining('redirects') as string,
    });
    expect(server?.requests).toHaveLength(11);
  });

  it('do not lead out of the web', async () => {
    const options = await begin((_request, response) =>
      response.writeHead(302, { location: 'file:///etc/hosts' }).end(),
    );
    await expect(downloadFile(options)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
  });
});

describe('abort', () => {
  it('stops a transfer with the reason given and keeps what is there', async () => {
    const options = await begin((request, response, nth) => {
      if (nth > 0) {
        sendFile(request, response, { content });
        return;
      }
      response.writeHead(200, { 'content-length': content.length, etag: '"one"' });
      response.write(content.subarray(0, 1000));
    });
    const controller = new AbortController();
    const reason = new Error('enough');
    const running = downloadFile({
      ...options,
      signal: controller.signal,
      onProgress: ({ doneBytes }) => {
        if (doneBytes === 1000) controller.abort(reason);
      },
    });
    await expect(running).rejects.toBe(reason);
    expect(await left()).toEqual(['file.bin.partial', 'file.bin.partial.json']);
    expect(await downloadFile(options)).toMatchObject({ receivedBytes: content.length - 1000 });
  });

  it('does not wait for a pause between retries, nor ask when it came before', async () => {
    const options = await begin((_request, response) => response.writeHead(503, { 'retry-after': '100' }).end());
    await expect(downloadFile({ ...options, signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    await expect(downloadFile({ ...options, signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow(
      'before',
    );
    expect(server?.requests).toHaveLength(1);
  });
});

describe('several at once', () => {
  it('in one process: one transfer, the others say that they wait', async () => {
    const options = await begin((request, response) => setTimeout(() => sendFile(request, response, { content }), 50));
    let waiting = 0;
    const onProgress = ({ state }: DownloadProgress): void => {
      if (state === 'waiting') waiting += 1;
    };
    const results = await Promise.all(Array.from({ length: 10 }, () => downloadFile({ ...options, onProgress })));
    expect(results.map(({ receivedBytes }) => receivedBytes).sort()).toEqual([
      ...Array<number>(9).fill(0),
      content.length,
    ]);
    expect([server?.requests.length, waiting]).toEqual([1, 9]);
  });

  const module = new URL('./download-file.js', import.meta.url).href;
  const script = `
    const { downloadFile } = await import(${JSON.stringify(module)});
    const { receivedBytes } = await downloadFile(JSON.parse(process.argv[1]));
    console.log(receivedBytes);`;
  const startProcess = (options: DownloadOptions): ReturnType<typeof spawn> =>
    spawn(process.execPath, ['--input-type=module', '-e', script, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });

  it('in ten processes: one transfer', async () => {
    const options = await begin((request, response) => setTimeout(() => sendFile(request, response, { content }), 300));
    const outputs = await Promise.all(
      Array.from({ length: 10 }, async () => {
        let output = '';
        for await (const chunk of startProcess(options).stdout ?? []) output += String(chunk);
        return Number(output);
      }),
    );
    expect(outputs.sort()).toEqual([...Array<number>(9).fill(0), content.length]);
    expect(server?.requests).toHaveLength(1);
  });

  it('a process that is killed holds nobody up, and what it received is used', async () => {
    const options = await begin((request, response, nth) => {
      if (nth > 0) sendFile(request, response, { content });
      else {
        response.writeHead(200, { 'content-length': content.length, etag: '"one"' });
        response.write(content.subarray(0, 50_000));
      }
    });
    const child = startProcess(options);
    while ((await stat(`${target()}.partial`).catch(() => ({ size: 0 }))).size < 50_000) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const waiting = downloadFile(options);
    child.kill('SIGKILL');
    expect(await waiting).toMatchObject({ receivedBytes: content.length - 50_000 });
    expect(await left()).toEqual(['file.bin']);
  });
});

describe.skipIf(!canMountSmallDisk())('a full disk [needs unshare(1) and mount(1)]', () => {
  const module = new URL('./download-file.js', import.meta.url).href;

  async function downloadToSmallDisk(options: DownloadOptions): Promise<unknown> {
    const script = `
      const { downloadFile } = await import(${JSON.stringify(module)});
      const { readdirSync } = await import('node:fs');
      const [folder, options] = [process.argv[1], JSON.parse(process.argv[2])];
      const end = await downloadFile({ ...options, file: folder + '/file.bin' }).catch((error) => error.code);
      console.log(JSON.stringify([end, readdirSync(folder)]));`;
    return JSON.parse(await runOnSmallDisk(script, folder, JSON.stringify(options)));
  }

  const large = new Uint8Array(2_000_000);
  const kept = ['DISK_INSUFFICIENT', ['file.bin.partial', 'file.bin.partial.json']];

  it('is noticed before anything is moved', async () => {
    const options = await begin((request, response) => sendFile(request, response, { content: large }));
    expect(await downloadToSmallDisk(options)).toEqual(kept);
  });

  it('that fills up on the way is an error of its own, and keeps what fits', async () => {
    const options = await begin((request, response) =>
      sendFile(request, response, { content: large, hidesLength: true }),
    );
    expect(await downloadToSmallDisk(options)).toEqual(kept);
  });
});
