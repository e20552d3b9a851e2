/**
 * What the cache knows of revisions: `refs/REVISION` holds the commit that it was, `trees/COMMIT.json` what that commit
 * holds, in the form of huggingface_hub's `_tree_cache.py`. It asks no server and looks at no content.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { ModelFormatError } from '../errors.js';
import { hasErrorCode, replaceFile } from '../file-system.js';
import { makeFolder, repoFolder, repoFolderName, sizeInside, snapshotFolder } from './cache-paths.js';
import { MAX_FILES, MAX_LISTING_BYTES, MAX_REF_BYTES } from './limits.js';
import { checkFile, isRecord, type HubFile } from './listing.js';
import { isCommitHash } from './names.js';

/** The commit that a revision was when it was last asked for; undefined: never. */
export async function readRef(cacheFolder: string, repo: string, revision: string): Promise<string | undefined> {
  if (isCommitHash(revision)) return revision;
  const file = path.join(repoFolder(cacheFolder, repo), 'refs', ...revision.split('/'));
  const commit = (await readSmall(file, MAX_REF_BYTES))?.trim();
  return commit !== undefined && isCommitHash(commit) ? commit : undefined;
}

/** Nothing where the revision is a commit itself. */
export async function writeRef(cacheFolder: string, repo: string, revision: string, commit: string): Promise<void> {
  if (revision === commit || (await readRef(cacheFolder, repo, revision)) === commit) return;
  const names = revision.split('/');
  const folder = await makeFolder(cacheFolder, repoFolderName(repo), 'refs', ...names.slice(0, -1));
  await replaceFile(path.join(folder, names.at(-1) ?? ''), commit);
}

const TREE_FORMAT_VERSION = 1;

function treeFile(cacheFolder: string, repo: string, commit: string): string {
  return path.join(repoFolder(cacheFolder, repo), 'trees', `${commit}.json`);
}

/** The files of a commit as they were listed; undefined: that was never stored, or in a form of another version. */
export async function readTree(cacheFolder: string, repo: string, commit: string): Promise<HubFile[] | undefined> {
  const text = await readSmall(treeFile(cacheFolder, repo, commit), MAX_LISTING_BYTES);
  if (text === undefined) return undefined;
  try {
    const tree: unknown = JSON.parse(text);
    if (!isRecord(tree) || tree['format_version'] !== TREE_FORMAT_VERSION || !isRecord(tree['files'])) return undefined;
    const entries = Object.entries(tree['files']);
    if (entries.length > MAX_FILES) return undefined;
    return entries.map(([filePath, entry]) => {
      const { size, blob_id, lfs_sha256 = null, lfs_size } = isRecord(entry) ? entry : {};
      return checkFile(repo, {
        path: filePath,
        sizeBytes: lfs_sha256 === null ? size : (lfs_size ?? size),
        sha256: lfs_sha256,
        gitHash: blob_id,
      });
    });
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof ModelFormatError) return undefined; // asked for again
    throw error;
  }
}

/** `files`: of a listing, each with its git hash. */
export async function writeTree(
  cacheFolder: string,
  repo: string,
  commit: string,
  files: readonly HubFile[],
): Promise<void> {
  await makeFolder(cacheFolder, repoFolderName(repo), 'trees');
  const entries = files.map(({ path: filePath, sizeBytes, sha256, gitHash }) => {
    const lfs = sha256 === null ? {} : { lfs_sha256: sha256, lfs_size: sizeBytes };
    return [filePath, { size: sizeBytes, blob_id: gitHash, ...lfs }] as const;
  });
  const tree = { format_version: TREE_FORMAT_VERSION, files: Object.fromEntries(entries) };
  await replaceFile(treeFile(cacheFolder, repo, commit), JSON.stringify(tree, undefined, 1));
}

/** The files that a snapshot's folder holds: all that is known where nobody stored the listing. No hashes. */
export async function readSnapshotFolder(cacheFolder: string, repo: string, commit: string): Promise<HubFile[]> {
  const root = snapshotFolder(cacheFolder, repo, commit);
  const files: HubFile[] = [];
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined && files.length < MAX_FILES; folder = folders.pop()) {
    for (const entry of await entriesOf(path.join(root, folder))) {
      const filePath = path.posix.join(folder, entry.name);
      if (entry.isDirectory()) folders.push(filePath);
      else {
        const sizeBytes = await sizeInside(cacheFolder, repo, path.join(root, filePath));
        if (sizeBytes !== undefined) files.push({ path: filePath, sizeBytes, sha256: null, gitHash: null });
      }
    }
  }
  return files;
}

async function entriesOf(folder: string): ReturnType<typeof readdirTyped> {
  return readdirTyped(folder).catch((error: unknown) => {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  });
}

function readdirTyped(folder: string) {
  return readdir(folder, { withFileTypes: true });
}

/** The text of a file; undefined: there is none, or it is larger than anything of its kind. */
async function readSmall(file: string, maxBytes: number): Promise<string | undefined> {
  try {
    const { size } = await stat(file);
    return size > maxBytes ? undefined : await readFile(file, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP')) return undefined;
    throw error;
  }
}
