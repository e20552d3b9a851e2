/**
 * Which files a revision of a repository has, as the hub says: checked, bounded, nothing fetched but the list.
 *
 * Not with npm's @huggingface/hub: its requests know neither proxies nor retries nor limits, and its downloads neither
 * resume nor check what arrives. The routes and the meaning of their fields are the same.
 */
import { requestText } from '../download/download-text.js';
import type { RetryPolicy } from '../download/retry.js';
import { ModelFormatError, NotFoundError } from '../errors.js';
import { explainRefusal, hubHeaders, revisionUrl, treeUrl } from './hub-request.js';
import { MAX_FILE_BYTES, MAX_FILES, MAX_LISTING_BYTES, MAX_LISTING_PAGES, MAX_REVISION_BYTES } from './limits.js';
import { checkRepoId, checkRevision, isCommitHash, isSha256, isSoundPath } from './names.js';
import { hubSettings, type HubSettings } from './settings.js';

export interface HubFile {
  /** Within the repository, with slashes. Sound for git; not necessarily a name that every system can store. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Of the content, in hex; null: the file is not in LFS. */
  readonly sha256: string | null;
  /**
   * SHA-1 of the git blob, in hex: of the content, for a file in LFS only of the pointer to it. null: read from a cache
   * that does not say.
   */
  readonly gitHash: string | null;
}

export interface RepoListing {
  readonly repo: string;
  /** As asked for. */
  readonly revision: string;
  /** 40 hexadecimal digits. */
  readonly commit: string;
  readonly files: readonly HubFile[];
}

export interface ListRepoOptions {
  /** OWNER/NAME. */
  readonly repo: string;
  /** Branch, tag or commit; default main. */
  readonly revision?: string | undefined;
  /** Default: hubSettings(). */
  readonly settings?: HubSettings | undefined;
  /** Default: that of downloads. */
  readonly retry?: RetryPolicy | undefined;
  readonly signal?: AbortSignal | undefined;
}

export const DEFAULT_REVISION = 'main';

/**
 * Asks the hub. Throws MODEL_NOT_FOUND, ACCESS_DENIED, SOURCE_UNREACHABLE (also where the settings say offline),
 * FILE_MALFORMED or FILE_LIMIT_EXCEEDED (no hub says such a thing), OPTION_INVALID, or the signal's reason.
 */
export async function listRepo(options: ListRepoOptions): Promise<RepoListing> {
  const revision = checkRevision('listRepo', options.revision ?? DEFAULT_REVISION);
  const query = {
    repo: checkRepoId('listRepo', options.repo),
    revision,
    settings: options.settings ?? hubSettings(),
    retry: options.retry,
    signal: options.signal,
  };
  const commit = await resolveCommit(query);
  return { repo: options.repo, revision, commit, files: await listCommit(query, commit) };
}

/** Names already checked. */
export interface HubQuery {
  readonly repo: string;
  readonly revision: string;
  readonly settings: HubSettings;
  readonly signal: AbortSignal | undefined;
  /** As for downloadText. */
  readonly stallTimeoutMs?: number | undefined;
  /** As for downloadText. */
  readonly retry?: RetryPolicy | undefined;
}

/** The commit that a revision is now; a commit is taken as it is. */
export async function resolveCommit(query: HubQuery): Promise<string> {
  const { repo, revision, settings } = query;
  if (isCommitHash(revision)) return revision;
  const { text } = await request(query, revisionUrl(settings, repo, revision), MAX_REVISION_BYTES);
  const answer = parse(text, repo);
  const commit = isRecord(answer) ? answer['sha'] : undefined;
  if (typeof commit === 'string' && isCommitHash(commit)) return commit;
  throw malformed(repo, 'its answer names no commit (a sha of 40 hexadecimal digits)');
}

/** The files of a commit. */
export async function listCommit(query: HubQuery, commit: string): Promise<HubFile[]> {
  const { repo, settings } = query;
  const first = treeUrl(settings, repo, commit);
  const files: HubFile[] = [];
  const paths = new Set<string>();
  let remainingBytes = MAX_LISTING_BYTES;
  let url: URL | undefined = first;
  for (let page = 0; url !== undefined; page++) {
    if (page === MAX_LISTING_PAGES) throw tooMuch(repo, `more than ${MAX_LISTING_PAGES} pages`);
    if (remainingBytes <= 0) throw tooMuch(repo, `more than ${MAX_LISTING_BYTES} bytes`);
    const { text, headers }: Awaited<ReturnType<typeof request>> = await request(query, url, remainingBytes);
    remainingBytes -= Buffer.byteLength(text);
    const entries = parse(text, repo);
    if (!Array.isArray(entries)) throw malformed(repo, 'a page of its listing is no list');
    for (const entry of entries as readonly unknown[]) {
      const file = readEntry(repo, entry);
      if (file === undefined) continue;
      if (paths.has(file.path)) throw malformed(repo, `${JSON.stringify(file.path)} is listed twice`);
      if (files.length === MAX_FILES) throw tooMuch(repo, `more than ${MAX_FILES} files`);
      paths.add(file.path);
      files.push(file);
    }
    url = nextPage(repo, first, headers.link);
  }
  return files;
}

async function request(query: HubQuery, url: URL, maxBytes: number): ReturnType<typeof requestText> {
  const { repo, revision, settings, stallTimeoutMs, retry, signal } = query;
  if (settings.offline) {
    throw new NotFoundError(
      'SOURCE_UNREACHABLE',
      `${settings.endpoint.host} is not asked about ${repo}: HF_HUB_OFFLINE is set. Unset it to allow that.`,
      { details: { repo, revision } },
    );
  }
  return requestText({
    url,
    maxBytes,
    headers: { ...hubHeaders(settings), accept: 'application/json' },
    environment: settings.environment,
    explainRefusal: explainRefusal(settings, repo, revision),
    stallTimeoutMs,
    retry,
    signal,
  });
}

/**
 * The `Link: <...>; rel="next"` of a page. Only its query is taken: mirrors pass on the original's host, and who asks is
 * told to the host of the settings alone.
 */
function nextPage(repo: string, first: URL, link: string | string[] | undefined): URL | undefined {
  for (const part of String(link ?? '').split(/,\s*(?=<)/u)) {
    const found = /^\s*<([^>]*)>\s*;(?:.*;)?\s*rel="?next"?/u.exec(part)?.[1];
    if (found === undefined) continue;
    if (!URL.canParse(found, first.href)) throw malformed(repo, 'a page of its listing links to no address');
    const next = new URL(first);
    next.search = new URL(found, first).search;
    return next;
  }
  return undefined;
}

/** A file; undefined: a folder. */
function readEntry(repo: string, entry: unknown): HubFile | undefined {
  if (!isRecord(entry) || typeof entry['type'] !== 'string') throw malformed(repo, 'an entry of its listing is none');
  if (entry['type'] !== 'file') return undefined;
  const { path, size, oid, lfs } = entry;
  return checkFile(repo, {
    path,
    sizeBytes: isRecord(lfs) ? lfs['size'] : size,
    sha256: isRecord(lfs) ? lfs['oid'] : null,
    gitHash: oid,
  });
}

/** Throws FILE_MALFORMED unless all four have the form that they must have. */
export function checkFile(repo: string, given: Readonly<Record<keyof HubFile, unknown>>): HubFile {
  const { path, sizeBytes, sha256, gitHash } = given;
  if (typeof path !== 'string' || !isSoundPath(path)) {
    throw malformed(repo, `it lists a file that no repository can hold: ${JSON.stringify(path).slice(0, 200)}`);
  }
  const fail = (found: string): ModelFormatError => malformed(repo, `${JSON.stringify(path)} has ${found}`);
  if (typeof sizeBytes !== 'number' || !Number.isInteger(sizeBytes) || sizeBytes < 0 || sizeBytes > MAX_FILE_BYTES) {
    throw fail(`a size that is none or larger than ${MAX_FILE_BYTES} bytes`);
  }
  if (typeof gitHash !== 'string' || !isCommitHash(gitHash)) throw fail('no git hash');
  if (sha256 !== null && (typeof sha256 !== 'string' || !isSha256(sha256)))
    throw fail('no SHA-256 though it is in LFS');
  return { path, sizeBytes, sha256, gitHash };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parse(text: string, repo: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw malformed(repo, 'its answer is no JSON', error);
  }
}

function malformed(repo: string, found: string, cause?: unknown): ModelFormatError {
  return new ModelFormatError(
    'FILE_MALFORMED',
    `The listing of ${repo} is not one of a hub: ${found}. Check HF_ENDPOINT and whatever stands between you and it.`,
    { cause, details: { repo, found } },
  );
}

function tooMuch(repo: string, found: string): ModelFormatError {
  return new ModelFormatError(
    'FILE_LIMIT_EXCEEDED',
    `The listing of ${repo} has ${found}: no model has. Check HF_ENDPOINT and whatever stands between you and it.`,
    { details: { repo, found } },
  );
}
