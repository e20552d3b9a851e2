/** For tests: a real HTTP server on loopback that serves bytes, with ranges, and fails as it is told to. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse, nth: number) => void;

export interface FileServer extends AsyncDisposable {
  url(path?: string): string;
  /** In order of arrival. */
  readonly requests: readonly IncomingMessage[];
}

/** `nth` counts the requests of one server from 0. */
export async function serve(handler: Handler): Promise<FileServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    handler(request, response, requests.length - 1);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: (path = '/file') => `http://127.0.0.1:${port}${path}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface SendOptions {
  readonly content: Uint8Array;
  /** With its quotes; null: none. */
  readonly etag?: string | null;
  /** Cut the connection after so many bytes of this answer's body. */
  readonly cutAfterBytes?: number;
  /** Answer range requests with the whole file. */
  readonly ignoresRanges?: boolean;
  /** Do not say how long the file is. */
  readonly hidesLength?: boolean;
}

const CUT_DELAY_MS = 50;

/** Answers as a static file server does. */
export function sendFile(request: IncomingMessage, response: ServerResponse, options: SendOptions): void {
  const { content, etag = '"one"' } = options;
  const asked = /^bytes=(\d+)-$/u.exec(request.headers.range ?? '');
  const ifRange = request.headers['if-range'];
  const first = asked === null ? 0 : Number(asked[1]);
  const partial = asked !== null && options.ignoresRanges !== true && (ifRange === undefined || ifRange === etag);
  const headers = etag === null ? {} : { etag };
  if (partial && first >= content.length) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    return;
  }
  const body = partial ? content.subarray(first) : content;
  response.writeHead(partial ? 206 : 200, {
    ...headers,
    ...(options.hidesLength === true ? {} : { 'content-length': body.length }),
    ...(partial ? { 'content-range': `bytes ${first}-${content.length - 1}/${content.length}` } : {}),
  });
  if (options.cutAfterBytes === undefined) response.end(body);
  else {
    response.write(body.subarray(0, options.cutAfterBytes));
    // A little later: a client whose connection breaks forgets what it has not read yet.
    setTimeout(() => response.destroy(), CUT_DELAY_MS);
  }
}
