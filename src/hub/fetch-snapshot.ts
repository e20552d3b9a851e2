/**
 * The files of a model from Hugging Face's hub, in the cache that Python's tools share: what is there is used, what is
 * missing is fetched and checked. It does not know what the files mean: the caller says which ones are wanted.
 */
import type { RetryPolicy } from '../download/retry.js';
import { NotFoundError } from '../errors.js';
import { hasErrorCode } from '../file-system.js';
import { checkChoice, refuseUnknownKeys } from '../options.js';
import { pointerFile, sizeInside, snapshotFolder } from './cache-paths.js';
import { readRef, readSnapshotFolder, readTree, writeRef, writeTree } from './cached-revision.js';
import { fetchFiles } from './fetch-files.js';
import { DEFAULT_REVISION, listCommit, resolveCommit, type HubFile, type HubQuery } from './listing.js';
import { checkRepoId, checkRevision, checkStorable } from './names.js';
import { hubSettings, type HubSettings } from './settings.js';
import type { SnapshotProgress } from './transfer-progress.js';

export interface SnapshotOptions {
  /** OWNER/NAME. */
  readonly repo: string;
  /** Branch, tag or commit; default main. */
  readonly revision?: string | undefined;
  /** Which of a revision's files are needed; must give the same answer each time. */
  readonly wanted: (file: HubFile, all: readonly HubFile[]) => boolean;
  /**
   * never: only what is in the cache, without any network. if-missing: a revision that the cache holds is used as it is,
   * without any network. if-changed: the hub is asked what a branch or tag is now; where it cannot be reached, the cache
   * serves. HF_HUB_OFFLINE makes it never.
   */
  readonly download: 'never' | 'if-missing' | 'if-changed';
  /** Default: hubSettings(). */
  readonly settings?: HubSettings | undefined;
  /** As for downloadFile, of each request. */
  readonly stallTimeoutMs?: number | undefined;
  /** As for downloadFile, of each request. */
  readonly retry?: RetryPolicy | undefined;
  /** Called at most ten times a second, and at the end. Not called where nothing is missing. */
  readonly onProgress?: ((progress: SnapshotProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Snapshot {
  /** Absolute: .../snapshots/COMMIT. Shared: nothing in it is to be changed. */
  readonly folder: string;
  readonly commit: string;
  /** Those that are wanted; there may be more in the folder. */
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  /** What this call moved over the network, without listings. */
  readonly receivedBytes: number;
}

const KNOWN_OPTIONS: readonly (keyof SnapshotOptions)[] = [
  'repo',
  'revision',
  'wanted',
  'download',
  'settings',
  'stallTimeoutMs',
  'retry',
  'onProgress',
  'signal',
];

/**
 * Throws MODEL_NOT_FOUND (no such repository or revision; or nothing of it is cached and downloading is off),
 * MODEL_FILE_MISSING (no file is wanted; or some are not cached and downloading is off: details.missing),
 * ACCESS_DENIED (gated or private: the message says what to do), SOURCE_UNREACHABLE, CHECKSUM_MISMATCH,
 * DISK_INSUFFICIENT, FILE_MALFORMED (names that cannot be stored; a link in the cache that leads out of it),
 * FILE_LIMIT_EXCEEDED, OPTION_INVALID, OPTION_UNKNOWN or the signal's reason. What was received stays for the next call.
 */
export async function fetchSnapshot(options: SnapshotOptions): Promise<Snapshot> {
  const where = 'fetchSnapshot';
  refuseUnknownKeys(where, options, KNOWN_OPTIONS);
  const settings = options.settings ?? hubSettings();
  const repo = checkRepoId(where, options.repo);
  const revision = checkRevision(where, options.revision ?? DEFAULT_REVISION);
  const download = checkChoice(where, 'download', options.download, ['never', 'if-missing', 'if-changed']);
  options.signal?.throwIfAborted();

  const request: Request = { ...options, repo, revision, settings };
  const cached = await findCached(request);
  const isComplete = cached !== undefined && cached.missing.length === 0;
  if (settings.offline || download === 'never') {
    if (isComplete) return snapshotOf(request, cached);
    throw notCached(request, cached);
  }
  const isSettled = download === 'if-missing' || revision === cached?.commit;
  if (isComplete && cached.isListed && isSettled) return snapshotOf(request, cached);
  const found = await askHub(request, isComplete ? cached : undefined);
  return found === cached ? snapshotOf(request, found) : bring(request, found);
}

interface Request extends SnapshotOptions {
  readonly revision: string;
  readonly settings: HubSettings;
}

/** A commit, and what is wanted of it. */
interface Selection {
  readonly commit: string;
  /** Whether `all` is the commit's whole listing, and not only what the cache happens to hold. */
  readonly isListed: boolean;
  readonly all: readonly HubFile[];
  readonly wanted: readonly HubFile[];
  /** Wanted, but not in the cache. */
  readonly missing: readonly HubFile[];
}

/** What the cache holds of a revision; undefined: nothing. */
async function findCached(request: Request): Promise<Selection | undefined> {
  const { repo, revision, settings } = request;
  const commit = await readRef(settings.cacheFolder, repo, revision);
  if (commit === undefined) return undefined;
  const listed = await readTree(settings.cacheFolder, repo, commit);
  if (listed !== undefined) return select(request, commit, listed, true);
  const present = await readSnapshotFolder(settings.cacheFolder, repo, commit);
  return present.some((file) => request.wanted(file, present)) ? select(request, commit, present, false) : undefined;
}

async function select(
  request: Request,
  commit: string,
  all: readonly HubFile[],
  isListed: boolean,
): Promise<Selection> {
  const { repo, settings } = request;
  const wanted = all.filter((file) => request.wanted(file, all));
  if (wanted.length === 0) {
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `${repo} (${commit}) has ${all.length} files, but none of those that are needed. Choose another repository or revision.`,
      { details: { repo, commit } },
    );
  }
  checkStorable(
    repo,
    wanted.map((file) => file.path),
  );
  const missing: HubFile[] = [];
  for (const file of wanted) {
    const pointer = pointerFile(settings.cacheFolder, repo, commit, file.path);
    if ((await sizeInside(settings.cacheFolder, repo, pointer)) !== file.sizeBytes) missing.push(file);
  }
  return { commit, isListed, all, wanted, missing };
}

/** Where the hub cannot be reached: `complete`, what the cache holds, if that is all that is wanted. */
async function askHub(request: Request, complete: Selection | undefined): Promise<Selection> {
  const { repo, revision, settings, stallTimeoutMs, signal } = request;
  // Nobody waits for retries where the cache serves.
  const retry = complete === undefined ? request.retry : { maxRetries: 0, firstDelayMs: 0 };
  const query: HubQuery = { repo, revision, settings, stallTimeoutMs, retry, signal };
  try {
    const commit = await resolveCommit(query);
    const listed = await readTree(settings.cacheFolder, repo, commit);
    return await select(request, commit, listed ?? (await listCommit(query, commit)), true);
  } catch (error) {
    const isUnreachable = error instanceof NotFoundError && error.code === 'SOURCE_UNREACHABLE';
    if (isUnreachable && complete !== undefined) return complete;
    throw error;
  }
}

/** Brings what is missing, then lets the revision be this commit. */
async function bring(request: Request, selection: Selection): Promise<Snapshot> {
  const { repo, revision, settings } = request;
  const { commit, all, wanted, missing } = selection;
  const { cacheFolder } = settings;
  const rememberTree = () => writeTree(cacheFolder, repo, commit, all);
  const rememberRef = () => writeRef(cacheFolder, repo, revision, commit);
  if (missing.length === 0) {
    await whereWritable(async () => {
      if ((await readTree(cacheFolder, repo, commit)) === undefined) await rememberTree();
      await rememberRef();
    });
    return snapshotOf(request, selection);
  }
  await rememberTree();
  const receivedBytes = await fetchFiles({ ...request, commit, wanted, missing });
  await rememberRef(); // last: until then the revision is what it was, complete
  return { ...snapshotOf(request, selection), receivedBytes };
}

/** A cache that may only be read serves those who lack nothing. */
async function whereWritable(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!hasErrorCode(error, 'EROFS', 'EACCES', 'EPERM')) throw error;
  }
}

function snapshotOf({ repo, settings }: Request, { commit, wanted }: Selection): Snapshot {
  return {
    folder: snapshotFolder(settings.cacheFolder, repo, commit),
    commit,
    files: wanted.map(({ path, sizeBytes }) => ({ path, sizeBytes })),
    receivedBytes: 0,
  };
}

/** So many names fit into a message. */
const SHOWN_FILES = 3;

function notCached({ repo, revision, settings }: Request, cached: Selection | undefined): NotFoundError {
  const { cacheFolder, endpoint, offline } = settings;
  const why = offline ? 'HF_HUB_OFFLINE is set' : 'downloading is off';
  const missing = cached?.missing.map((file) => file.path) ?? [];
  const more = missing.length > SHOWN_FILES ? ` and ${missing.length - SHOWN_FILES} more` : '';
  const found =
    cached === undefined
      ? 'is not there'
      : `is not complete (missing: ${missing.slice(0, SHOWN_FILES).join(', ')}${more})`;
  return new NotFoundError(
    cached === undefined ? 'MODEL_NOT_FOUND' : 'MODEL_FILE_MISSING',
    `${repo}, revision ${revision}, ${found} in ${cacheFolder}, and ${why}. Allow it once, to fetch it from ${endpoint.host}.`,
    { details: { repo, revision, cacheFolder, endpoint: endpoint.href, missing } },
  );
}
