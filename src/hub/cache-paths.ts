/**
 * Where things lie in Hugging Face's cache, which Python's tools share: `models--OWNER--NAME` with `refs` (what a branch
 * or tag was when last asked), `blobs` (contents, named by their hash), `snapshots` (a folder for each commit, of links to
 * blobs) and `trees` (what a commit holds); `.locks` beside them. It stores no content.
 *
 * What a server says becomes names within this folder, never a path out of it: not even where a link that somebody left
 * here leads out.
 */
import { lstat, mkdir, realpath, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ModelFormatError } from '../errors.js';
import { hasErrorCode, isInside, realpathIfThere } from '../file-system.js';
import type { HubFile } from './listing.js';
import { isRepoId } from './names.js';

const PREFIX = 'models--';

export function repoFolderName(repo: string): string {
  return PREFIX + repo.replaceAll('/', '--');
}

/** The repository that a folder of the cache is for; undefined: of none. */
export function repoOfFolderName(name: string): string | undefined {
  const repo = name.slice(PREFIX.length).replaceAll('--', '/');
  return name.startsWith(PREFIX) && isRepoId(repo) ? repo : undefined;
}

export function repoFolder(cacheFolder: string, repo: string): string {
  return path.join(cacheFolder, repoFolderName(repo));
}

export function snapshotFolder(cacheFolder: string, repo: string, commit: string): string {
  return path.join(repoFolder(cacheFolder, repo), 'snapshots', commit);
}

/** A file within a snapshot's folder. */
export function pointerFile(cacheFolder: string, repo: string, commit: string, filePath: string): string {
  return path.join(snapshotFolder(cacheFolder, repo, commit), ...filePath.split('/'));
}

/** What the hub's ETag says: the SHA-256 for a file in LFS, git's hash for any other. */
export function blobName({ sha256, gitHash }: HubFile): string {
  const name = sha256 ?? gitHash;
  if (name === null) throw new TypeError('A file of a listing has a hash.');
  return name;
}

/**
 * The folder of these names within the cache, made where it is missing. Throws FILE_MALFORMED where a link on the way
 * leads out of the cache, or a file is in the way.
 */
export async function makeFolder(cacheFolder: string, ...names: readonly string[]): Promise<string> {
  await mkdir(cacheFolder, { recursive: true });
  const root = await realpath(cacheFolder);
  let folder = cacheFolder;
  for (const name of names) {
    folder = path.join(folder, name);
    await mkdir(folder).catch((error: unknown) => {
      if (!hasErrorCode(error, 'EEXIST')) throw error;
    });
    const isLink = (await lstat(folder)).isSymbolicLink();
    const real = isLink ? await realpathIfThere(folder) : folder;
    if (real !== undefined && (!isLink || isInside(root, real)) && (await stat(real)).isDirectory()) continue;
    throw new ModelFormatError(
      'FILE_MALFORMED',
      `${folder} is ${isLink ? 'a link that leads out of the cache' : 'no folder'}; nothing is written there. Remove it, or ` +
        'choose another cache with HF_HUB_CACHE.',
      { details: { folder, target: real ?? null } },
    );
  }
  return folder;
}

/** The size of a file that is within the cache, links followed (within a repository that is linked from elsewhere, too). */
export async function sizeInside(cacheFolder: string, repo: string, file: string): Promise<number | undefined> {
  const real = await realpathIfThere(file);
  if (real === undefined) return undefined;
  const roots = await Promise.all([realpath(cacheFolder), realpath(repoFolder(cacheFolder, repo))]);
  if (!roots.some((root) => isInside(root, real))) return undefined;
  const found = await stat(real);
  return found.isFile() ? found.size : undefined;
}

/** https://bford.info/cachedir/ */
const CACHEDIR_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag: what is in this folder can be fetched again.
# For information about cache directory tags, see:
#\thttps://bford.info/cachedir/
`;

/** Tells programs that make back-ups to leave the cache out. */
export async function tagCacheFolder(cacheFolder: string): Promise<void> {
  await writeFile(path.join(cacheFolder, 'CACHEDIR.TAG'), CACHEDIR_TAG, { flag: 'wx' }).catch((error: unknown) => {
    if (!hasErrorCode(error, 'EEXIST')) throw error;
  });
}
