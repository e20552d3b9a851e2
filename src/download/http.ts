/**
 * One GET over HTTP or HTTPS: redirects, proxies, a time limit on silence. It stores nothing, retries nothing and
 * takes any status but redirects as an answer.
 */
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import { NotFoundError, type AipcError } from '../errors.js';
import { proxyAuthorization, proxyFor } from './proxy.js';
import { retryAfterMs, TransientError } from './retry.js';

/** As many as browsers allow within an order of magnitude; real chains have one to three. */
export const MAX_REDIRECTS = 10;

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** The connection is given up when nothing arrives for so long. */
  readonly stallTimeoutMs: number;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal | undefined;
}

/** A status that was not wanted. */
export type Refusal = Pick<HttpAnswer, 'status' | 'headers' | 'url'>;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** After redirects. */
  readonly url: URL;
  /** Whether another host answers than the one that was asked. */
  readonly isElsewhere: boolean;
  /** The body as it comes; each chunk restarts the time limit. Throws TransientError where it is cut or stalls. */
  body(): AsyncGenerator<Buffer, void>;
  /** Drops the connection. Harmless when the body was read to its end. */
  close(): void;
}

/**
 * Follows at most MAX_REDIRECTS redirects, never from https to http. Headers that the caller gave are not sent to
 * another host. Throws TransientError for what may pass, SOURCE_UNREACHABLE for what will not, or the signal's reason.
 */
export async function get(start: URL, options: GetOptions): Promise<HttpAnswer> {
  let url = start;
  for (let redirects = 0; ; redirects++) {
    const answer = await getOnce(url, {
      ...options,
      headers: url.host === start.host ? options.headers : publicPart(options.headers),
    });
    const { location } = answer.headers;
    if (answer.status < 300 || answer.status > 399 || answer.status === 304 || location === undefined) {
      return { ...answer, isElsewhere: url.host !== start.host };
    }
    answer.close();
    if (redirects === MAX_REDIRECTS) throw unreachable(start, `more than ${MAX_REDIRECTS} redirects`);
    const next = URL.canParse(location, url.href) ? new URL(location, url.href) : undefined;
    if (next === undefined || !isHttp(next)) throw unreachable(start, 'a redirect to something that is no web address');
    if (url.protocol === 'https:' && next.protocol === 'http:')
      throw unreachable(start, 'a redirect from https to http');
    url = next;
  }
}

export function isHttp(url: URL): boolean {
  return url.protocol === 'http:' || url.protocol === 'https:';
}

/** A URL for messages: without credentials, and without the query, in which signed URLs carry theirs. */
export function showUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

export function unreachable(url: URL, found: string, cause?: unknown): NotFoundError {
  return new NotFoundError('SOURCE_UNREACHABLE', `${showUrl(url)} cannot be downloaded: ${found}.`, {
    cause,
    details: { url: showUrl(url), found },
  });
}

/**
 * Closes the connection and throws unless the status is allowed: TransientError where the server may think again, or
 * would send us elsewhere next time; else what `explain` makes of it.
 */
export function requireStatus(
  answer: HttpAnswer,
  allowed: readonly number[],
  explain?: (refusal: Refusal) => AipcError | undefined,
): void {
  const { status, url } = answer;
  if (allowed.includes(status)) return;
  answer.close();
  if (TRANSIENT_STATUSES.includes(status)) {
    throw new TransientError(`the server answered ${status}`, {
      retryAfterMs: retryAfterMs(answer.headers['retry-after']),
    });
  }
  if (answer.isElsewhere && EXPIRED_STATUSES.includes(status)) {
    throw new TransientError(`${url.host}, where the server redirects to, answered ${status}`);
  }
  throw explain?.(answer) ?? unreachable(url, `the server answered ${status}${STATUS_MEANINGS[status] ?? ''}`);
}

const TRANSIENT_STATUSES: readonly number[] = [408, 425, 429, 500, 502, 503, 504];
/** What stores of files say to a signed address whose time is over. */
const EXPIRED_STATUSES: readonly number[] = [400, 401, 403, 410];
const STATUS_MEANINGS: Readonly<Record<number, string>> = {
  401: ' (it wants to know who asks)',
  403: ' (not allowed)',
  404: ' (there is no such file)',
  410: ' (the file was removed)',
};

/** What any host may see: which part of the file is wanted, not who wants it. */
function publicPart(headers: GetOptions['headers']): GetOptions['headers'] {
  const allowed = ['range', 'if-range', 'user-agent', 'accept-encoding'];
  return Object.fromEntries(Object.entries(headers).filter(([name]) => allowed.includes(name.toLowerCase())));
}

async function getOnce(url: URL, options: GetOptions): Promise<Omit<HttpAnswer, 'isElsewhere'>> {
  const { signal } = options;
  signal?.throwIfAborted();
  const silence = new AbortController();
  const timer = setTimeout(() => {
    silence.abort(new TransientError(`nothing arrived for ${options.stallTimeoutMs / 1000} seconds`));
  }, options.stallTimeoutMs);
  const stop = AbortSignal.any(signal === undefined ? [silence.signal] : [silence.signal, signal]);
  try {
    const response = await respond(url, options, stop);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      url,
      body: () => readBody(url, response, timer, stop),
      close: () => {
        clearTimeout(timer);
        response.destroy();
      },
    };
  } catch (error) {
    clearTimeout(timer);
    stop.throwIfAborted();
    throw classify(url, error);
  }
}

async function* readBody(
  url: URL,
  response: IncomingMessage,
  timer: NodeJS.Timeout,
  stop: AbortSignal,
): AsyncGenerator<Buffer, void> {
  try {
    for await (const chunk of response) {
      timer.refresh();
      yield chunk as Buffer;
      timer.refresh(); // time that the reader took to store the chunk is no silence
    }
  } catch (error) {
    stop.throwIfAborted();
    throw classify(url, error);
  } finally {
    clearTimeout(timer);
    response.destroy();
  }
}

async function respond(url: URL, options: GetOptions, signal: AbortSignal): Promise<IncomingMessage> {
  const proxy = proxyFor(url, options.environment);
  const headers = { 'user-agent': 'aipc', 'accept-encoding': 'identity', ...options.headers };
  let request;
  if (proxy === undefined) {
    request = (url.protocol === 'https:' ? https : http).get(url, { headers, signal, agent: false });
  } else if (url.protocol === 'http:') {
    request = throughProxy(proxy, {
      path: url.href,
      headers: { ...headers, host: url.host, ...authorization(proxy) },
      signal,
      agent: false,
    }).end();
  } else {
    const tunnel = await openTunnel(url, proxy, signal);
    // Not with `agent: false`: an agent would open a connection of its own.
    request = https.get(url, {
      headers,
      signal,
      defaultPort: 443, // which the agent would have said, too: it decides about the port in the Host header
      createConnection: () => tls.connect({ socket: tunnel, ...serverName(url) }),
    });
  }
  // An error after the response came is the response's.
  request.on('error', () => undefined);
  const [response] = (await once(request, 'response', { signal })) as [IncomingMessage];
  return response;
}

/** Through the proxy, a raw connection to the host: what is said in it, only the host reads. */
async function openTunnel(url: URL, proxy: URL, signal: AbortSignal): Promise<Socket> {
  const target = `${url.hostname}:${url.port === '' ? '443' : url.port}`;
  const request = throughProxy(proxy, {
    method: 'CONNECT',
    path: target,
    headers: { host: target, ...authorization(proxy) },
    signal,
    agent: false,
  }).end();
  const [response, socket] = (await once(request, 'connect', { signal })) as [IncomingMessage, Socket];
  if (response.statusCode === 200) return socket;
  socket.destroy();
  const hint = response.statusCode === 407 ? ' (it wants a user and a password: http://USER:PASSWORD@HOST:PORT)' : '';
  throw unreachable(url, `the proxy ${proxy.host} answered ${response.statusCode ?? 'nothing'}${hint}`);
}

function throughProxy(proxy: URL, options: http.RequestOptions): http.ClientRequest {
  const { hostname, port, protocol } = proxy;
  const where = { hostname: hostname.replace(/^\[|\]$/gu, ''), ...(port === '' ? {} : { port }) };
  return protocol === 'https:' ? https.request({ ...where, ...options }) : http.request({ ...where, ...options });
}

function authorization(proxy: URL): Record<string, string> {
  const value = proxyAuthorization(proxy);
  return value === undefined ? {} : { 'proxy-authorization': value };
}

/** Addresses have no name that a certificate could be asked for. */
function serverName(url: URL): { servername?: string } {
  return /^[\d.]+$|^\[/u.test(url.hostname) ? {} : { servername: url.hostname };
}

/** Failures of the network that another attempt may not meet. */
const TRANSIENT_CODES = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

function classify(url: URL, error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || error instanceof NotFoundError) return error;
  const code = String(error.code);
  if (TRANSIENT_CODES.has(code)) return new TransientError(`the connection failed (${code})`, { cause: error });
  return unreachable(url, `${error.message} (${code})`, error);
}
