/**
 * For tests: Hugging Face's hub on loopback. Real HTTP, the hub's routes, redirects and headers, a second origin that holds
 * the files of LFS behind signed addresses, and faults on demand. It counts what it sends.
 */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { serve } from '../../download/testing/file-server.js';

export interface TestFile {
  readonly path: string;
  readonly content: Uint8Array;
  /** Whether it is kept in LFS: then the other origin serves it. */
  readonly lfs?: boolean;
}

export interface TestRepo {
  /** OWNER/NAME. */
  readonly repo: string;
  readonly files: readonly TestFile[];
  /** Default main. */
  readonly branch?: string;
  /** gated: listed for all, files only with the token; private: nothing without it. */
  readonly access?: 'open' | 'gated' | 'private';
  /** Sent as the entries of the tree instead of the true ones. */
  readonly listing?: readonly unknown[];
}

/** A request for the content of a file; HEAD is none. */
export interface FileRequest {
  readonly path: string;
  readonly origin: 'hub' | 'cdn';
  /** Counts the requests for that file at that origin from 0. */
  readonly nth: number;
  /** The first byte that is asked for. */
  readonly firstByte: number;
}

/** What goes wrong with one answer. */
export interface Fault {
  /** Answered instead of the file. */
  readonly status?: number;
  readonly headers?: OutgoingHttpHeaders;
  /** Nothing is said before that. */
  readonly delayMs?: number;
  /** The connection is cut after so many bytes of the body. */
  readonly cutAfterBytes?: number;
  /** The answer falls silent after so many bytes of the body. */
  readonly stallAfterBytes?: number;
  /** Range requests get the whole file. */
  readonly ignoresRange?: boolean;
  /** What the file is this time, e.g. with a byte flipped. */
  readonly content?: Uint8Array;
}

export interface HubRequest {
  readonly method: string;
  readonly origin: 'hub' | 'cdn';
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface HubServer extends AsyncDisposable {
  /** For HF_ENDPOINT. */
  readonly endpoint: string;
  /** In order of arrival. */
  readonly requests: readonly HubRequest[];
  /** Of the contents of files, over both origins. */
  readonly sentBytes: number;
  /** Who is let in where a repository is not open. */
  readonly token: string;
  /** A new commit of the repository's branch; returns its hash. */
  publish(repo: TestRepo): string;
  /** undefined: answer as it should be. */
  onFile: (request: FileRequest) => Fault | undefined;
  /** Of listings; the path of the route. Only a fault's status counts. */
  onApi: (route: string) => Pick<Fault, 'status' | 'headers'> | undefined;
}

export interface HubServerOptions {
  /** Of the tree; the true hub's are of 1,000. */
  readonly entriesPerPage?: number;
  /** Each signed address serves so many requests, then it has expired. Default: any number. */
  readonly usesPerSignature?: number;
}

interface Stored {
  readonly path: string;
  readonly content: Uint8Array;
  readonly gitHash: string;
  readonly sha256: string | null;
}

interface Commit {
  readonly hash: string;
  readonly files: readonly Stored[];
  readonly source: TestRepo;
}

/** A little later: a client whose connection breaks forgets what it has not read yet. */
const CUT_DELAY_MS = 50;
/** Of one write: what a client that is cut off may not have read yet is at most that. */
const PIECE_BYTES = 16 * 1024;

export async function startHubServer(options: HubServerOptions = {}): Promise<HubServer> {
  const { entriesPerPage = 1_000, usesPerSignature = Infinity } = options;
  const commits = new Map<string, Commit>();
  const branches = new Map<string, string>();
  const requests: HubRequest[] = [];
  const asked = new Map<string, number>();
  const signatures = new Map<string, number>();
  let sentBytes = 0;

  const note = (origin: 'hub' | 'cdn', request: IncomingMessage): void => {
    requests.push({ method: request.method ?? '', origin, url: request.url ?? '', headers: request.headers });
  };

  async function sendContent(
    origin: 'hub' | 'cdn',
    request: IncomingMessage,
    response: ServerResponse,
    file: Stored,
    headers: OutgoingHttpHeaders,
  ): Promise<void> {
    const range = /^bytes=(\d+)-$/u.exec(request.headers.range ?? '');
    const ifRange = request.headers['if-range'];
    let firstByte = range === null ? 0 : Number(range[1]);
    let fault: Fault | undefined;
    if (request.method !== 'HEAD') {
      const key = `${origin} ${file.path}`;
      const nth = asked.get(key) ?? 0;
      asked.set(key, nth + 1);
      fault = server.onFile({ path: file.path, origin, nth, firstByte });
    }
    if (fault?.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    if (fault?.status !== undefined) {
      response.writeHead(fault.status, fault.headers).end();
      return;
    }
    const content = fault?.content ?? file.content;
    const isPartial =
      range !== null && fault?.ignoresRange !== true && (ifRange === undefined || ifRange === headers.etag);
    if (isPartial && firstByte >= content.length) {
      response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
      return;
    }
    if (!isPartial) firstByte = 0;
    const body = content.subarray(firstByte);
    response.writeHead(isPartial ? 206 : 200, {
      ...headers,
      'content-length': body.length,
      'accept-ranges': 'bytes',
      ...(isPartial ? { 'content-range': `bytes ${firstByte}-${content.length - 1}/${content.length}` } : {}),
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    const until = Math.min(fault?.cutAfterBytes ?? body.length, fault?.stallAfterBytes ?? body.length, body.length);
    for (let sent = 0; sent < until && !response.destroyed; sent += PIECE_BYTES) {
      const piece = body.subarray(sent, Math.min(sent + PIECE_BYTES, until));
      await new Promise<void>((resolve) => {
        response.once('close', resolve);
        response.write(piece, () => {
          response.off('close', resolve);
          resolve();
        });
      });
      sentBytes += piece.length;
    }
    if (fault?.stallAfterBytes !== undefined) return;
    if (fault?.cutAfterBytes === undefined) response.end();
    else setTimeout(() => response.destroy(), CUT_DELAY_MS);
  }

  const cdn = await serve((request, response) => {
    note('cdn', request);
    const url = new URL(request.url ?? '', 'http://cdn');
    const signature = url.searchParams.get('signature') ?? '';
    const uses = signatures.get(signature);
    if (uses === undefined || uses >= usesPerSignature) {
      response.writeHead(403).end('Request has expired');
      return;
    }
    if (request.method !== 'HEAD') signatures.set(signature, uses + 1);
    const sha256 = url.pathname.slice(1);
    const file = [...commits.values()].flatMap(({ files }) => files).find((one) => one.sha256 === sha256);
    if (file === undefined) response.writeHead(404).end();
    else void sendContent('cdn', request, response, file, { etag: `"cdn-${sha256.slice(0, 16)}"` });
  });

  const hub = await serve((request, response) => {
    note('hub', request);
    const url = new URL(request.url ?? '', 'http://hub');
    const isAllowed = request.headers.authorization === `Bearer ${server.token}`;
    const refuse = (status: number, errorCode: string, message: string): void => {
      response
        .writeHead(status, { 'x-error-code': errorCode, 'x-error-message': message })
        .end(`{"error":"${message}"}`);
    };
    if (request.headers.authorization !== undefined && !isAllowed) {
      response.writeHead(401, { 'x-error-message': 'Invalid credentials in Authorization header' }).end();
      return;
    }
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)$/u.exec(url.pathname);
    const apiFault = api === null ? undefined : server.onApi(url.pathname);
    if (apiFault?.status !== undefined) {
      response.writeHead(apiFault.status, apiFault.headers).end();
      return;
    }
    const resolve = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/u.exec(url.pathname);
    const [repo, revision] = [api?.[1] ?? resolve?.[1] ?? '', decodeURIComponent(api?.[3] ?? resolve?.[2] ?? '')];
    const known = [...commits.values()].filter(({ source }) => source.repo === repo);
    const isPrivate = known.some(({ source }) => source.access === 'private');
    if (known.length === 0 || (isPrivate && !isAllowed)) {
      refuse(401, 'RepoNotFound', 'Repository not found');
      return;
    }
    const commit = known.find(({ hash }) => hash === (branches.get(`${repo} ${revision}`) ?? revision));
    if (commit === undefined) {
      refuse(404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
      return;
    }
    if (api?.[2] === 'revision') {
      const siblings = commit.files.map(({ path }) => ({ rfilename: path }));
      sendJson(response, { id: repo, modelId: repo, sha: commit.hash, private: isPrivate, tags: [], siblings });
      return;
    }
    if (api !== null) {
      const entries = commit.source.listing ?? commit.files.map(entryOf);
      const first = Number(url.searchParams.get('cursor') ?? 0);
      const next = first + entriesPerPage;
      url.searchParams.set('cursor', String(next));
      // As a mirror passes it on: with the host of the original.
      const link = `<https://huggingface.co${url.pathname}${url.search}>; rel="next"`;
      sendJson(response, entries.slice(first, next), next < entries.length ? { link } : {});
      return;
    }
    if (commit.source.access === 'gated' && !isAllowed) {
      refuse(401, 'GatedRepo', `Access to model ${repo} is restricted.`);
      return;
    }
    const path = (resolve?.[3] ?? '').split('/').map(decodeURIComponent).join('/');
    const file = commit.files.find((one) => one.path === path);
    const repoCommit = { 'x-repo-commit': commit.hash };
    if (file === undefined) {
      response.writeHead(404, { ...repoCommit, 'x-error-code': 'EntryNotFound' }).end();
      return;
    }
    if (file.sha256 === null) {
      void sendContent('hub', request, response, file, { ...repoCommit, etag: `"${file.gitHash}"` });
      return;
    }
    const signature = String(signatures.size);
    signatures.set(signature, 0);
    response
      .writeHead(302, {
        ...repoCommit,
        location: cdn.url(`/${file.sha256}?signature=${signature}`),
        'x-linked-etag': `"${file.sha256}"`,
        'x-linked-size': file.content.length,
        // What the true hub says of its Xet storage, which nobody needs.
        link: `<${hub.url(`/api/models/${repo}/xet-read-token/${commit.hash}`)}>; rel="xet-auth"`,
      })
      .end();
  });

  const server: HubServer = {
    endpoint: hub.url(''),
    requests,
    get sentBytes() {
      return sentBytes;
    },
    token: 'hf_test',
    publish: (source) => {
      const files = source.files.map(store);
      const hash = sha1(
        JSON.stringify(files.map(({ path, gitHash, sha256 }) => [path, gitHash, sha256])) + source.repo,
      );
      commits.set(`${source.repo} ${hash}`, { hash, files, source });
      branches.set(`${source.repo} ${source.branch ?? 'main'}`, hash);
      return hash;
    },
    onFile: () => undefined,
    onApi: () => undefined,
    [Symbol.asyncDispose]: async () => {
      await hub[Symbol.asyncDispose]();
      await cdn[Symbol.asyncDispose]();
    },
  };
  return server;
}

function sendJson(response: ServerResponse, value: unknown, headers: OutgoingHttpHeaders = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

function store({ path, content, lfs = false }: TestFile): Stored {
  if (!lfs) return { path, content, gitHash: gitHashOf(content), sha256: null };
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { path, content, gitHash: gitHashOf(Buffer.from(pointerText(sha256, content.length))), sha256 };
}

function entryOf({ path, content, gitHash, sha256 }: Stored): object {
  const size = content.length;
  const lfs = sha256 === null ? {} : { lfs: { oid: sha256, size, pointerSize: pointerText(sha256, size).length } };
  return { type: 'file', oid: gitHash, size, path, ...lfs };
}

/** What git itself holds of a file in LFS. */
function pointerText(sha256: string, sizeBytes: number): string {
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${sizeBytes}\n`;
}

function gitHashOf(content: Uint8Array): string {
  return sha1(Buffer.concat([Buffer.from(`blob ${content.length}\0`), content]));
}

function sha1(content: string | Uint8Array): string {
  return createHash('sha1').update(content).digest('hex');
}

/** Bytes that repeat late, the same each time for a seed. */
export function testBytes(sizeBytes: number, seed = 0): Uint8Array {
  return new Uint8Array(sizeBytes).map((_, index) => (index * 31 + (index >> 8) * 7 + seed) % 251);
}
