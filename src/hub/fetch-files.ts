/**
 * Brings the missing files of a commit into the cache: some at a time, each content once, checked before it gets its
 * name. It does not decide what is missing.
 */
import { lstat, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { downloadFile, type DownloadProgress } from '../download/download-file.js';
import { requireRoom } from '../download/partial-file.js';
import type { RetryPolicy } from '../download/retry.js';
import { hasErrorCode } from '../file-system.js';
import { blobName, makeFolder, pointerFile, repoFolderName, sizeInside, tagCacheFolder } from './cache-paths.js';
import { awaitForeignDownload } from './foreign-download.js';
import { explainRefusal, fileUrl, hubHeaders } from './hub-request.js';
import type { HubFile } from './listing.js';
import type { HubSettings } from './settings.js';
import { canLinkIn, copyTo, linkTo } from './snapshot-link.js';
import { TransferProgress, type SnapshotProgress } from './transfer-progress.js';

export interface FetchFilesOptions {
  readonly repo: string;
  /** For messages. */
  readonly revision: string;
  readonly commit: string;
  readonly settings: HubSettings;
  /** Names that every system can store, with hashes. */
  readonly wanted: readonly HubFile[];
  /** Those of `wanted` that the cache lacks. */
  readonly missing: readonly HubFile[];
  readonly stallTimeoutMs?: number | undefined;
  readonly retry?: RetryPolicy | undefined;
  readonly onProgress?: ((progress: SnapshotProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One connection seldom fills a line; more than a few fill no more. */
const PARALLEL_FILES = 4;

/** The bytes that were moved. Throws what downloadFile throws; what was received until then stays. */
export async function fetchFiles(options: FetchFilesOptions): Promise<number> {
  const { repo, settings, wanted, missing, onProgress } = options;
  const { cacheFolder } = settings;
  const blobFolder = await makeFolder(cacheFolder, repoFolderName(repo), 'blobs');
  const lockFolder = await makeFolder(cacheFolder, '.locks', repoFolderName(repo));
  await tagCacheFolder(cacheFolder);
  const places: Places = { blobFolder, lockFolder, hasLinks: settings.symlinks && (await canLinkIn(lockFolder)) };

  // Small files first: what is wrong with access or the disk shows before gigabytes are moved.
  const contents = contentsOf(missing).toSorted((a, b) => a.sizeBytes - b.sizeBytes);
  await requireRoomFor(places, repo, contents);
  const totalBytes = sumOf(contentsOf(wanted));
  const progress = new TransferProgress(totalBytes, totalBytes - sumOf(contents), onProgress ?? (() => undefined));
  let receivedBytes = 0;
  await forEachInParallel(contents, options.signal, async (content, signal) => {
    const moved = await fetchContent({ ...options, signal }, places, content, progress);
    receivedBytes += moved; // not in one line: others add to it meanwhile
  });
  return receivedBytes;
}

interface Places {
  readonly blobFolder: string;
  readonly lockFolder: string;
  /** Whether snapshots hold links to blobs; else they hold the contents. */
  readonly hasLinks: boolean;
}

/** Files of one content. */
interface Content {
  readonly name: string;
  readonly sizeBytes: number;
  readonly files: readonly [HubFile, ...HubFile[]];
}

function contentsOf(files: readonly HubFile[]): Content[] {
  const contents = new Map<string, [HubFile, ...HubFile[]]>();
  for (const file of files) {
    const same = contents.get(blobName(file));
    if (same === undefined) contents.set(blobName(file), [file]);
    else same.push(file);
  }
  return [...contents].map(([name, same]) => ({ name, sizeBytes: same[0].sizeBytes, files: same }));
}

function sumOf(contents: readonly Content[]): number {
  return contents.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** Bytes so far. huggingface_hub lists and removes what ends with .incomplete; no name of its own is like this one. */
function partialFile({ blobFolder }: Places, { name }: Content): string {
  return path.join(blobFolder, `${name}.aipc.incomplete`);
}

async function requireRoomFor(places: Places, repo: string, contents: readonly Content[]): Promise<void> {
  let neededBytes = 0;
  for (const content of contents) {
    const copies = places.hasLinks ? 1 : content.files.length;
    const there = await Promise.all(
      [path.join(places.blobFolder, content.name), partialFile(places, content)].map(lengthOf),
    );
    neededBytes += Math.max(0, copies * content.sizeBytes - Math.max(...there));
  }
  await requireRoom(places.blobFolder, neededBytes, repo);
}

async function lengthOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ELOOP')) return 0;
    throw error;
  }
}

/** One content, under all its names. Returns the bytes that were moved. */
async function fetchContent(
  options: FetchFilesOptions,
  places: Places,
  content: Content,
  progress: TransferProgress,
): Promise<number> {
  const { repo, commit, settings } = options;
  const { cacheFolder } = settings;
  const [first] = content.files;
  const pointers: string[] = [];
  for (const file of content.files) {
    await makeFolder(cacheFolder, repoFolderName(repo), 'snapshots', commit, ...file.path.split('/').slice(0, -1));
    pointers.push(pointerFile(cacheFolder, repo, commit, file.path));
  }
  const blob = path.join(places.blobFolder, content.name);
  // Without links the content lies in the snapshot, as huggingface_hub does it.
  const target = places.hasLinks ? blob : pointerFile(cacheFolder, repo, commit, first.path);
  await removeStrayLink(cacheFolder, repo, target);
  let receivedBytes = 0;
  if (!places.hasLinks && (await sizeInside(cacheFolder, repo, blob)) === content.sizeBytes) await copyTo(blob, target);
  else receivedBytes = await download(options, places, content, target, progress);
  for (const pointer of pointers) {
    if (pointer === target) continue;
    await (places.hasLinks ? linkTo(blob, pointer) : copyTo(target, pointer));
  }
  progress.finish(first.path, content.sizeBytes);
  return receivedBytes;
}

/** A link that leads out of the cache, or nowhere, is no content. */
async function removeStrayLink(cacheFolder: string, repo: string, file: string): Promise<void> {
  if ((await sizeInside(cacheFolder, repo, file)) !== undefined) return;
  const found = await lstat(file).catch((error: unknown) => {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (found?.isSymbolicLink() === true) await rm(file, { force: true });
}

async function download(
  options: FetchFilesOptions,
  places: Places,
  content: Content,
  target: string,
  progress: TransferProgress,
): Promise<number> {
  const { repo, revision, commit, settings, stallTimeoutMs, retry, signal } = options;
  const [{ path: filePath, sha256, gitHash }] = content.files;
  const ownPartial = partialFile(places, content);
  const onProgress = ({ state, doneBytes }: Pick<DownloadProgress, 'state' | 'doneBytes'>): void =>
    progress.update(filePath, { state, doneBytes });
  await awaitForeignDownload({
    blob: path.join(places.blobFolder, content.name),
    ownPartial,
    signal,
    onWait: () => onProgress({ state: 'waiting', doneBytes: 0 }),
  });
  const { receivedBytes } = await downloadFile({
    url: fileUrl(settings, repo, commit, filePath),
    file: target,
    partialFile: ownPartial,
    lockFile: path.join(places.lockFolder, `${content.name}.aipc.lock`),
    maxBytes: Math.max(1, content.sizeBytes),
    sizeBytes: content.sizeBytes,
    ...(sha256 === null ? { gitBlobSha1: gitHash ?? '' } : { sha256 }),
    headers: hubHeaders(settings),
    stallTimeoutMs,
    retry,
    environment: settings.environment,
    explainRefusal: explainRefusal(settings, repo, revision),
    onProgress,
    signal,
  });
  return receivedBytes;
}

/** Some at a time; the first failure stops the others, and is what is thrown when all have stopped. */
async function forEachInParallel<T>(
  items: readonly T[],
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failure = new AbortController();
  const stop = AbortSignal.any(signal === undefined ? [failure.signal] : [failure.signal, signal]);
  const queue = items.values();
  const workers = Array.from({ length: Math.min(PARALLEL_FILES, items.length) }, async () => {
    for (const item of queue) {
      stop.throwIfAborted();
      await work(item, stop);
    }
  });
  for (const worker of workers) {
    worker.catch((error: unknown) => {
      if (!failure.signal.aborted) failure.abort(error);
    });
  }
  await Promise.allSettled(workers);
  stop.throwIfAborted();
}
