import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer as createProxy, type IncomingMessage, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { downloadText } from './download-text.js';
import { proxyFor } from './proxy.js';

describe('proxyFor', () => {
  const https = 'https://storage.example.org/file';
  const http = 'http://storage.example.org/file';

  it.each<[string, string, Record<string, string>, string | undefined]>([
    ['none', https, {}, undefined],
    ['one for https', https, { HTTPS_PROXY: 'http://proxy:912' }, 'http://proxy:912/'],
    ['one for http, asked for https', https, { HTTP_PROXY: 'http://proxy:911' }, undefined],
    ['one for http', http, { http_proxy: 'http://proxy:911' }, 'http://proxy:911/'],
    ['one for all', https, { all_proxy: 'http://proxy:911' }, 'http://proxy:911/'],
    ['one without its scheme', https, { https_proxy: 'proxy:912' }, 'http://proxy:912/'],
    ['an empty one', https, { https_proxy: '' }, undefined],
    ['NO_PROXY *', https, { https_proxy: 'http://proxy', no_proxy: '*' }, undefined],
    ['NO_PROXY with the host', https, { https_proxy: 'http://proxy', NO_PROXY: 'a.b, storage.example.org' }, undefined],
    ['NO_PROXY with the domain', https, { https_proxy: 'http://proxy', NO_PROXY: '.example.org' }, undefined],
    ['NO_PROXY with the port', https, { https_proxy: 'http://proxy', NO_PROXY: 'example.org:443' }, undefined],
    ['NO_PROXY with another port', https, { https_proxy: 'http://proxy', NO_PROXY: 'example.org:80' }, 'http://proxy/'],
    [
      'NO_PROXY with a name that ends alike',
      https,
      { https_proxy: 'http://proxy', NO_PROXY: 'ple.org' },
      'http://proxy/',
    ],
    ['this machine', 'http://127.0.0.1:8080/', { http_proxy: 'http://proxy' }, undefined],
    ['this machine by its other address', 'http://[::1]:8080/', { http_proxy: 'http://proxy' }, undefined],
  ])('%s', (_name, url, environment, expected) => {
    expect(proxyFor(new URL(url), environment)?.href).toBe(expected);
  });

  it.each(['socks5://proxy:1080', 'http://'])('refuses %s', (value) => {
    expect(() => proxyFor(new URL(https), { https_proxy: value })).toThrow(/names no HTTP proxy/u);
  });
});

describe('downloads through a proxy', () => {
  let proxy: Server;
  let seen: string[];
  let refuse: number | undefined;
  const sockets = new Set<Socket>();
  /** Where the proxy leads all tunnels. */
  let tunnelPort = 0;
  beforeEach(async () => {
    seen = [];
    refuse = undefined;
    const note = (request: IncomingMessage): void => {
      const { method, url, headers } = request;
      seen.push(`${method ?? ''} ${url ?? ''} ${headers['proxy-authorization'] ?? '-'} ${headers.host ?? '-'}`);
    };
    proxy = createProxy((request, response) => {
      note(request);
      response.end('through the proxy');
    });
    proxy.on('connect', (request: IncomingMessage, socket) => {
      note(request);
      if (refuse !== undefined) {
        socket.end(`HTTP/1.1 ${refuse} No\r\n\r\n`);
        return;
      }
      const upstream = connect(tunnelPort, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
    });
    proxy.on('connection', (socket) => sockets.add(socket));
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await new Promise((resolve) => proxy.close(resolve));
  });

  const proxyUrl = (user = ''): string => `http://${user}127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const base = { maxBytes: 1000, retry: { maxRetries: 0, firstDelayMs: 1 } };

  it('of http URLs name the whole URL', async () => {
    const environment = { http_proxy: proxyUrl('me:p%40ss@') };
    const text = await downloadText({ ...base, url: 'http://files.invalid/a?b', environment });
    expect(text).toBe('through the proxy');
    const credentials = Buffer.from('me:p@ss').toString('base64');
    expect(seen).toEqual([`GET http://files.invalid/a?b Basic ${credentials} files.invalid`]);
  });

  it('say what a proxy that refuses wants', async () => {
    refuse = 407;
    const download = downloadText({
      ...base,
      url: 'https://files.invalid/a',
      environment: { https_proxy: proxyUrl() },
    });
    await expect(download).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringMatching(/407.*USER:PASSWORD/u) as string,
    });
    expect(seen).toEqual(['CONNECT files.invalid:443 - files.invalid:443']);
  });

  it('end when the proxy stays silent', async () => {
    proxy.removeAllListeners('connect');
    proxy.on('connect', () => undefined);
    const environment = { https_proxy: proxyUrl() };
    const download = downloadText({ ...base, url: 'https://files.invalid/a', environment, stallTimeoutMs: 50 });
    await expect(download).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
  });

  it.skipIf(!hasOpenssl())(
    'of https URLs tunnel, and check the certificate of the host [needs openssl(1)]',
    async () => {
      const folder = await mkdtemp(path.join(tmpdir(), 'aipc-tls-'));
      const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
      const subject = ['-subj', '/CN=files.invalid', '-addext', 'subjectAltName=DNS:files.invalid'];
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:P-256',
          '-nodes',
          '-days',
          '2',
          ...subject,
          '-keyout',
          key,
          '-out',
          cert,
        ],
        { stdio: 'ignore' },
      );
      const host = createSecureServer({ key: await readFile(key), cert: await readFile(cert) }, (request, response) =>
        response.end(`for ${request.headers.host ?? ''}`),
      );
      await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
      tunnelPort = (host.address() as AddressInfo).port;
      try {
        const get = async (certificates: Record<string, string>): Promise<string> => {
          const module = new URL('./download-text.js', import.meta.url).href;
          const script = `
          const { downloadText } = await import(${JSON.stringify(module)});
          const options = { url: 'https://files.invalid/a', maxBytes: 1000, retry: { maxRetries: 0, firstDelayMs: 1 } };
          console.log(await downloadText(options).catch((error) => error.code + error.message));`;
          const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
            env: { HTTPS_PROXY: proxyUrl(), ...certificates },
            stdio: ['ignore', 'pipe', 'ignore'],
          });
          let output = '';
          for await (const chunk of child.stdout) output += String(chunk);
          return output.trim();
        };
        expect(await get({ NODE_EXTRA_CA_CERTS: cert })).toBe('for files.invalid');
        expect(await get({})).toMatch(/^SOURCE_UNREACHABLE.*self.signed/u);
      } finally {
        await new Promise((resolve) => host.close(resolve));
        await rm(folder, { recursive: true });
      }
    },
  );
});

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
