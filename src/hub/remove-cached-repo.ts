/**
 * Takes models out of Hugging Face's cache: what no other revision needs. It asks nobody whether that is wanted.
 */
import { lstat, rm } from 'node:fs/promises';
import path from 'node:path';
import { ModelFormatError, NotFoundError } from '../errors.js';
import { hasErrorCode } from '../file-system.js';
import { repoFolderName } from './cache-paths.js';
import { checkRepoId } from './names.js';
import { contentOf, scanRepo, type CachedRepo, type CachedRevision } from './scan-cache.js';
import { hubSettings, type HubSettings } from './settings.js';

export interface RemoveCachedRepoOptions {
  /** OWNER/NAME. */
  readonly repo: string;
  /** Branches, tags or commits in the cache; default: all that there is of the repository. */
  readonly revisions?: readonly string[] | undefined;
  /** Default: hubSettings(). */
  readonly settings?: HubSettings | undefined;
}

/** Of a repository's folder; first the names by which others find it. */
const PARTS = ['refs', 'trees', 'snapshots', '.no_exist', 'blobs'] as const;

/**
 * The bytes that were freed. Other revisions keep their files. Killed on the way, it leaves revisions that are whole or
 * not there for those who look them up by name; the same call then removes the rest. Throws MODEL_NOT_FOUND where the
 * repository or a revision is not cached, FILE_MALFORMED where a link leads elsewhere, OPTION_INVALID.
 */
export async function removeCachedRepo(options: RemoveCachedRepoOptions): Promise<number> {
  const repo = checkRepoId('removeCachedRepo', options.repo);
  const { cacheFolder } = options.settings ?? hubSettings();
  const cached = await scanRepo(cacheFolder, repo);
  for (const part of ['', ...PARTS]) await refuseLink(path.join(cached.folder, part));
  if (cached.revisions.length === 0 && cached.sizeBytes === 0) throw notCached(repo, cacheFolder);
  const removed = revisionsOf(cached, options.revisions, cacheFolder);
  if (removed.length === cached.revisions.length) {
    for (const part of [...PARTS, '']) {
      await rm(path.join(cached.folder, part), { recursive: true, force: true });
    }
    await rm(path.join(cacheFolder, '.locks', repoFolderName(repo)), { recursive: true, force: true });
    return cached.sizeBytes;
  }
  const needed = new Set<string>();
  for (const kept of cached.revisions.filter((revision) => !removed.includes(revision))) {
    for (const content of await contentsOf(kept)) needed.add(content);
  }
  for (const revision of removed) await removeRevision(cached, revision, needed);
  return cached.sizeBytes - (await scanRepo(cacheFolder, repo)).sizeBytes;
}

function revisionsOf(cached: CachedRepo, names: readonly string[] | undefined, cacheFolder: string): CachedRevision[] {
  if (names === undefined) return [...cached.revisions];
  const found = names.map((name) => {
    const revision = cached.revisions.find(({ commit, refs }) => commit === name || refs.includes(name));
    if (revision === undefined) throw notCached(`${cached.repo}, revision ${name},`, cacheFolder);
    return revision;
  });
  return [...new Set(found)];
}

async function contentsOf({ folder, files }: CachedRevision): Promise<string[]> {
  return Promise.all(files.map((file) => contentOf(path.join(folder, file.path))));
}

/** The name goes last: whoever asks for it meanwhile finds the listing, and what is missing of it. */
async function removeRevision(
  cached: CachedRepo,
  revision: CachedRevision,
  needed: ReadonlySet<string>,
): Promise<void> {
  const { folder } = cached;
  for (const content of await contentsOf(revision)) {
    // A link may lead anywhere: only what lies among the blobs is this cache's to remove.
    const isBlob = path.dirname(content) === path.join(folder, 'blobs');
    if (isBlob && !needed.has(content)) await rm(content, { force: true });
  }
  await rm(revision.folder, { recursive: true, force: true });
  await rm(path.join(folder, '.no_exist', revision.commit), { recursive: true, force: true });
  await rm(path.join(folder, 'trees', `${revision.commit}.json`), { force: true });
  for (const ref of revision.refs) await rm(path.join(folder, 'refs', ref), { force: true });
}

/** Throws FILE_MALFORMED: what a folder that is linked from elsewhere holds may be more than this cache's. */
async function refuseLink(folder: string): Promise<void> {
  const found = await lstat(folder).catch((error: unknown) => {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (found?.isSymbolicLink() !== true) return;
  throw new ModelFormatError(
    'FILE_MALFORMED',
    `${folder} is a link; what it leads to is not removed. Remove it yourself if nobody else needs it.`,
    { details: { folder } },
  );
}

function notCached(what: string, cacheFolder: string): NotFoundError {
  return new NotFoundError('MODEL_NOT_FOUND', `${what} is not in ${cacheFolder}.`, { details: { what, cacheFolder } });
}
