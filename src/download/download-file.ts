/**
 * One URL to one verified file: resumed where an earlier attempt stopped, its checksum known to be right before the
 * file gets its name, done once however many ask for it. It does not know what the file is for and unpacks nothing.
 */
import { createHash } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { ModelFormatError, OptionError, type AipcError } from '../errors.js';
import { hasErrorCode } from '../file-system.js';
import { checkNumber, refuseUnknownKeys } from '../options.js';
import { CHECKSUM_DIGITS, CHECKSUM_NAMES, checksumText, type Checksum } from './checksum.js';
import { withFileLock } from './file-lock.js';
import { get, isHttp, requireStatus, showUrl, unreachable, type HttpAnswer, type Refusal } from './http.js';
import { PartialFile, type PartialSource } from './partial-file.js';
import { DEFAULT_RETRY_POLICY, TransientError, withRetries, type RetryPolicy } from './retry.js';

export interface DownloadProgress {
  /** 'waiting': somebody else is downloading the same file. */
  readonly state: 'waiting' | 'downloading';
  /** What earlier attempts brought counts. */
  readonly doneBytes: number;
  /** null: the server does not say. */
  readonly totalBytes: number | null;
}

export interface DownloadOptions {
  /** http or https. */
  readonly url: string | URL;
  /** Where the file shall be. Its folder is created. */
  readonly file: string;
  /**
   * Where the bytes are until it is complete, with a `.json` beside it; on the same disk, in a folder that exists unless
   * it is that of `file`. Default: `file` with `.partial`.
   */
  readonly partialFile?: string | undefined;
  /** Exists while somebody downloads; in a folder that exists. Default: `file` with `.lock`. */
  readonly lockFile?: string | undefined;
  /** The server's file may not be larger. */
  readonly maxBytes: number;
  /** The length of the file where it is known: a file of another length is never taken, not even one that is there. */
  readonly sizeBytes?: number | undefined;
  /** SHA-256 of the whole file in hex. Without a checksum only the length is checked. */
  readonly sha256?: string | undefined;
  /** Or SHA-1 of the file as a git blob, in hex; needs `sizeBytes`. */
  readonly gitBlobSha1?: string | undefined;
  /** Sent to the URL's own host only, not where it redirects to (an Authorization header). */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A connection that brings nothing for so long is given up. Default 30,000. */
  readonly stallTimeoutMs?: number | undefined;
  /** Default: 5 retries that bring nothing, 1, 2, 4, 8 and 16 seconds apart. */
  readonly retry?: RetryPolicy | undefined;
  /** Where proxies are named; default process.env. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
  /** The error for a final refusal of the server; where it gives none, SOURCE_UNREACHABLE with the status. */
  readonly explainRefusal?: ((refusal: Refusal) => AipcError | undefined) | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DownloadedFile {
  /** Absolute. */
  readonly file: string;
  readonly sizeBytes: number;
  /** What this call moved over the network; 0 when the file was there. */
  readonly receivedBytes: number;
}

const KNOWN_OPTIONS: readonly (keyof DownloadOptions)[] = [
  'url',
  'file',
  'partialFile',
  'lockFile',
  'maxBytes',
  'sizeBytes',
  'sha256',
  'gitBlobSha1',
  'headers',
  'stallTimeoutMs',
  'retry',
  'environment',
  'explainRefusal',
  'onProgress',
  'signal',
];

/** Longer than a Wi-Fi or VPN hand-over. */
const DEFAULT_STALL_TIMEOUT_MS = 30_000;

/**
 * Downloads `url` to `file`; a file of that name that is there already is taken as it is (it was verified when it got
 * the name). Throws SOURCE_UNREACHABLE, FILE_LIMIT_EXCEEDED (the server offers more than maxBytes), CHECKSUM_MISMATCH
 * (nothing is kept), DISK_INSUFFICIENT, OPTION_INVALID, or the signal's reason. What was received before an abort or
 * a failure of the network stays for the next call.
 */
export async function downloadFile(options: DownloadOptions): Promise<DownloadedFile> {
  const download = new Download(resolve(options));
  return download.run();
}

interface ResolvedOptions {
  readonly url: URL;
  readonly file: string;
  readonly partialFile: string;
  readonly lockFile: string;
  readonly maxBytes: number;
  readonly sizeBytes: number | null;
  readonly checksum: Checksum | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly stallTimeoutMs: number;
  readonly retry: RetryPolicy;
  readonly environment: NodeJS.ProcessEnv;
  readonly explainRefusal: ((refusal: Refusal) => AipcError | undefined) | undefined;
  readonly onProgress: (progress: DownloadProgress) => void;
  readonly signal: AbortSignal | undefined;
}

function resolve(options: DownloadOptions): ResolvedOptions {
  const where = 'downloadFile';
  refuseUnknownKeys(where, options, KNOWN_OPTIONS);
  const url = URL.canParse(String(options.url)) ? new URL(String(options.url)) : undefined;
  if (url === undefined || !isHttp(url)) {
    throw new OptionError('OPTION_INVALID', `${where}: url must begin with http:// or https://.`, {
      details: { option: 'url', found: String(options.url) },
    });
  }
  const bytes = { max: Number.MAX_SAFE_INTEGER, integer: true };
  const file = path.resolve(options.file);
  const sizeBytes =
    options.sizeBytes === undefined ? null : checkNumber(where, 'sizeBytes', options.sizeBytes, { min: 0, ...bytes });
  return {
    url,
    file,
    partialFile: path.resolve(options.partialFile ?? `${file}.partial`),
    lockFile: path.resolve(options.lockFile ?? `${file}.lock`),
    maxBytes: checkNumber(where, 'maxBytes', options.maxBytes, { min: 1, ...bytes }),
    sizeBytes,
    checksum: checksumOf(where, options, sizeBytes),
    headers: options.headers ?? {},
    stallTimeoutMs: checkNumber(where, 'stallTimeoutMs', options.stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS, {
      min: 1,
      max: 3_600_000,
    }),
    retry: options.retry ?? DEFAULT_RETRY_POLICY,
    environment: options.environment ?? process.env,
    explainRefusal: options.explainRefusal,
    onProgress: options.onProgress ?? (() => undefined),
    signal: options.signal,
  };
}

function checksumOf(where: string, options: DownloadOptions, sizeBytes: number | null): Checksum | null {
  const { sha256, gitBlobSha1 } = options;
  if (sha256 === undefined && gitBlobSha1 === undefined) return null;
  const [option, algorithm, text] =
    sha256 === undefined
      ? (['gitBlobSha1', 'git-blob-sha1', gitBlobSha1 ?? ''] as const)
      : (['sha256', 'sha256', sha256] as const);
  const hex = text.toLowerCase();
  const digits = CHECKSUM_DIGITS[algorithm];
  if (hex.length !== digits || !/^[0-9a-f]*$/u.test(hex)) {
    throw new OptionError('OPTION_INVALID', `${where}: ${option} must be ${digits} hexadecimal digits.`, {
      details: { option, found: hex },
    });
  }
  if (algorithm === 'git-blob-sha1' && sizeBytes === null) {
    throw new OptionError('OPTION_INVALID', `${where}: gitBlobSha1 needs sizeBytes: git hashes the length, too.`, {
      details: { option: 'sizeBytes' },
    });
  }
  return { algorithm, hex, sizeBytes };
}

class Download {
  readonly #options: ResolvedOptions;
  #receivedBytes = 0;
  /** The furthest that any attempt of this call got. */
  #reachedBytes = 0;

  constructor(options: ResolvedOptions) {
    this.#options = options;
  }

  async run(): Promise<DownloadedFile> {
    const { file, lockFile, signal, onProgress } = this.#options;
    signal?.throwIfAborted();
    const existing = await this.#existing();
    if (existing !== undefined) return { file, sizeBytes: existing, receivedBytes: 0 };
    await mkdir(path.dirname(file), { recursive: true });
    const onWait = (): void => onProgress({ state: 'waiting', doneBytes: 0, totalBytes: null });
    return withFileLock(lockFile, { signal, onWait }, async () => {
      // Whoever held the lock before may have brought it.
      const sizeBytes = (await this.#existing()) ?? (await this.#transfer());
      return { file, sizeBytes, receivedBytes: this.#receivedBytes };
    });
  }

  /** The length of the file where it is there already; what has another one than it must is replaced. */
  async #existing(): Promise<number | undefined> {
    const { file, sizeBytes } = this.#options;
    const found = await sizeOf(file);
    return sizeBytes === null || found === sizeBytes ? found : undefined;
  }

  async #transfer(): Promise<number> {
    const { file, partialFile, checksum, signal } = this.#options;
    const partial = await PartialFile.open({ file, partialFile, checksum, signal });
    try {
      await this.#fill(partial);
      if (checksum !== null && partial.isInherited && partial.digest() !== checksum.hex) {
        // What an earlier call left may have been damaged since: once more, from nothing.
        await partial.restart(this.#sourceOf(null));
        await this.#fill(partial);
      }
      this.#verify(partial);
      await partial.commit();
      return partial.length;
    } catch (error) {
      if (error instanceof ModelFormatError) await partial.discard();
      throw error;
    } finally {
      await partial.close();
    }
  }

  #verify(partial: PartialFile): void {
    const { url, checksum } = this.#options;
    const found = partial.digest();
    if (checksum === null || found === checksum.hex) return;
    const expected = checksum.hex;
    throw new ModelFormatError(
      'CHECKSUM_MISMATCH',
      `${showUrl(url)} is not the file that was published: expected ${CHECKSUM_NAMES[checksum.algorithm]} ${expected}, ` +
        `found ${found ?? 'none'}. Nothing was kept. Try again; if it happens again, something between you and the server ` +
        'changes files.',
      { details: { url: showUrl(url), expected, found } },
    );
  }

  /** Gets the bytes that are missing. */
  async #fill(partial: PartialFile): Promise<void> {
    const { url, retry, signal } = this.#options;
    if (this.#isComplete(partial)) return;
    this.#reachedBytes = partial.length;
    try {
      await withRetries(
        () => this.#attempt(partial),
        () => this.#reachedBytes,
        retry,
        signal,
      );
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      throw unreachable(url, `${error.message}, after ${retry.maxRetries} retries`, error);
    }
  }

  /** Whether an earlier call was killed between the last byte and the renaming. */
  #isComplete(partial: PartialFile): boolean {
    const { checksum } = this.#options;
    if (partial.source === null || partial.length === 0) return false;
    if (checksum !== null) return partial.digest() === checksum.hex;
    return this.#isSameUrl(partial) && partial.length === partial.source.totalBytes;
  }

  async #attempt(partial: PartialFile): Promise<void> {
    const { url, signal, maxBytes, onProgress } = this.#options;
    const range = this.#range(partial);
    let answer = await this.#request(range ?? {}, range === null ? [200] : [200, 206, 416]);
    try {
      const goesOn = this.#continues(answer, partial);
      if (!goesOn && answer.status !== 200) {
        answer.close();
        answer = await this.#request({}, [200]);
      }
      this.#checkLength(answer); // before what is there makes way for it
      if (!goesOn) await partial.restart(this.#sourceOf(answer));
      const totalBytes = partial.source?.totalBytes ?? null;
      if (totalBytes !== null && totalBytes > maxBytes) throw tooLarge(url, totalBytes, maxBytes);
      if (totalBytes !== null) await partial.checkRoom(totalBytes);
      onProgress({ state: 'downloading', doneBytes: partial.length, totalBytes });
      for await (const chunk of answer.body()) {
        signal?.throwIfAborted();
        if (partial.length + chunk.length > maxBytes) throw tooLarge(url, partial.length + chunk.length, maxBytes);
        await partial.append(chunk);
        this.#receivedBytes += chunk.length;
        this.#reachedBytes = Math.max(this.#reachedBytes, partial.length);
        onProgress({ state: 'downloading', doneBytes: partial.length, totalBytes });
      }
      if (totalBytes !== null && partial.length < totalBytes) {
        throw new TransientError(`the connection ended at byte ${partial.length} of ${totalBytes}`);
      }
    } finally {
      answer.close();
      await partial.flush();
    }
  }

  /** Throws SOURCE_UNREACHABLE where the server says that its file is not as long as the one that is wanted. */
  #checkLength(answer: HttpAnswer): void {
    const { url, sizeBytes } = this.#options;
    const offered = answer.status === 200 ? lengthOf(answer) : null;
    if (sizeBytes === null || offered === null || offered === sizeBytes) return;
    throw unreachable(url, `the server offers ${offered} bytes, but the file that was published has ${sizeBytes}`);
  }

  async #request(range: Readonly<Record<string, string>>, allowed: readonly number[]): Promise<HttpAnswer> {
    const { url, headers, stallTimeoutMs, environment, explainRefusal, signal } = this.#options;
    const answer = await get(url, { headers: { ...headers, ...range }, stallTimeoutMs, environment, signal });
    requireStatus(answer, allowed, explainRefusal);
    return answer;
  }

  /** Headers that ask for the rest; null where what is there cannot be trusted to be the beginning of the same file. */
  #range(partial: PartialFile): Readonly<Record<string, string>> | null {
    const { source, length } = partial;
    if (source === null || length === 0) return null;
    const range = { range: `bytes=${length}-` };
    if (this.#isSameUrl(partial) && source.validator !== null) return { ...range, 'if-range': source.validator };
    // The checksum at the end tells; this also serves when a mirror takes over.
    const { checksum } = this.#options;
    return checksum !== null && source.checksum === checksumText(checksum) ? range : null;
  }

  /** Whether an answer goes on exactly where the partial file ends, in the same file. */
  #continues(answer: HttpAnswer, partial: PartialFile): boolean {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/u.exec(answer.headers['content-range'] ?? '');
    if (answer.status !== 206 || range === null || Number(range[1]) !== partial.length) return false;
    const known = partial.source?.totalBytes ?? null;
    if (known !== null && range[2] !== '*' && Number(range[2]) !== known) return false;
    const validator = partial.source?.validator ?? null;
    const etag = strongEtag(answer);
    return !this.#isSameUrl(partial) || validator?.startsWith('"') !== true || etag === null || etag === validator;
  }

  #isSameUrl(partial: PartialFile): boolean {
    return partial.source?.urlSha256 === sha256Of(this.#options.url.href);
  }

  #sourceOf(answer: HttpAnswer | null): PartialSource {
    const { url, checksum, sizeBytes } = this.#options;
    return {
      urlSha256: sha256Of(url.href),
      validator: answer === null ? null : (strongEtag(answer) ?? answer.headers['last-modified'] ?? null),
      checksum: checksum === null ? null : checksumText(checksum),
      totalBytes: sizeBytes ?? (answer === null ? null : lengthOf(answer)),
    };
  }
}

/** Weak ETags promise the same meaning, not the same bytes. */
function strongEtag({ headers }: HttpAnswer): string | null {
  return headers.etag?.startsWith('"') === true ? headers.etag : null;
}

function lengthOf({ headers }: HttpAnswer): number | null {
  const text = headers['content-length'];
  return text !== undefined && /^\d+$/u.test(text) ? Number(text) : null;
}

function tooLarge(url: URL, found: number, maxBytes: number): ModelFormatError {
  return new ModelFormatError(
    'FILE_LIMIT_EXCEEDED',
    `${showUrl(url)} has ${found} bytes or more; at most ${maxBytes} are allowed here. Nothing was kept.`,
    { details: { url: showUrl(url), found, allowed: maxBytes } },
  );
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
