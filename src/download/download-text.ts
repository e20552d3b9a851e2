/** A short text from the web, in memory: a checksum, a listing. It stores nothing. */
import type { IncomingHttpHeaders } from 'node:http';
import { ModelFormatError, OptionError } from '../errors.js';
import type { DownloadOptions } from './download-file.js';
import { get, isHttp, requireStatus, showUrl, unreachable } from './http.js';
import { DEFAULT_RETRY_POLICY, TransientError, withRetries } from './retry.js';

export type DownloadTextOptions = Pick<
  DownloadOptions,
  'url' | 'maxBytes' | 'headers' | 'stallTimeoutMs' | 'retry' | 'environment' | 'explainRefusal' | 'signal'
>;

export interface TextAnswer {
  /** Decoded as UTF-8. */
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
}

/** Text is small: a server that is silent for longer is not there. */
const DEFAULT_STALL_TIMEOUT_MS = 15_000;

/** The body as UTF-8. Throws SOURCE_UNREACHABLE, FILE_LIMIT_EXCEEDED (longer than maxBytes) or the signal's reason. */
export async function downloadText(options: DownloadTextOptions): Promise<string> {
  return (await requestText(options)).text;
}

/** As downloadText, for those who need the answer's headers, too. */
export async function requestText(options: DownloadTextOptions): Promise<TextAnswer> {
  const { retry = DEFAULT_RETRY_POLICY, signal } = options;
  const url = URL.canParse(String(options.url)) ? new URL(String(options.url)) : undefined;
  if (url === undefined || !isHttp(url)) {
    throw new OptionError('OPTION_INVALID', 'downloadText: url must begin with http:// or https://.', {
      details: { option: 'url', found: String(options.url) },
    });
  }
  try {
    return await withRetries(
      () => read(url, options),
      () => 0,
      retry,
      signal,
    );
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    throw unreachable(url, `${error.message}, after ${retry.maxRetries} retries`, error);
  }
}

async function read(url: URL, options: DownloadTextOptions): Promise<TextAnswer> {
  const answer = await get(url, {
    headers: options.headers ?? {},
    stallTimeoutMs: options.stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS,
    environment: options.environment ?? process.env,
    signal: options.signal,
  });
  requireStatus(answer, [200], options.explainRefusal);
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of answer.body()) {
      bytes += chunk.length;
      if (bytes > options.maxBytes) {
        throw new ModelFormatError(
          'FILE_LIMIT_EXCEEDED',
          `${showUrl(url)} is longer than ${options.maxBytes} bytes: it is not what was asked for.`,
          { details: { url: showUrl(url), allowed: options.maxBytes } },
        );
      }
      chunks.push(chunk);
    }
    return { text: Buffer.concat(chunks).toString('utf8'), headers: answer.headers };
  } finally {
    answer.close();
  }
}
