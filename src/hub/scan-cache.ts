/**
 * What Hugging Face's cache holds, whoever put it there. It changes nothing and asks no server.
 */
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import path from 'node:path';
import { hasErrorCode } from '../file-system.js';
import { repoFolder, repoOfFolderName } from './cache-paths.js';
import { isCommitHash } from './names.js';
import { readRef } from './cached-revision.js';
import { hubSettings, type HubSettings } from './settings.js';

export interface CachedRevision {
  readonly commit: string;
  /** Branches and tags that were this commit when last asked for. */
  readonly refs: readonly string[];
  /** Absolute: .../snapshots/COMMIT. */
  readonly folder: string;
  /** Paths with slashes. Not necessarily all files that the commit has. */
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  /** Of its files; contents that other revisions share count in each. */
  readonly sizeBytes: number;
}

export interface CachedRepo {
  /** OWNER/NAME. */
  readonly repo: string;
  /** Absolute: .../models--OWNER--NAME. */
  readonly folder: string;
  readonly revisions: readonly CachedRevision[];
  /** On disk: each content once, downloads that did not end included. */
  readonly sizeBytes: number;
  /** Of downloads that did not end. */
  readonly incompleteBytes: number;
}

/** The models in the cache, by name. No cache: none. */
export async function scanHubCache(settings: HubSettings = hubSettings()): Promise<readonly CachedRepo[]> {
  const { cacheFolder } = settings;
  const repos: CachedRepo[] = [];
  for (const name of (await namesIn(cacheFolder)).sort()) {
    const repo = repoOfFolderName(name);
    if (repo !== undefined) repos.push(await scanRepo(cacheFolder, repo));
  }
  return repos;
}

/** A repository of the cache; one that is not there has no revisions. */
export async function scanRepo(cacheFolder: string, repo: string): Promise<CachedRepo> {
  const folder = repoFolder(cacheFolder, repo);
  const refs = new Map<string, string>();
  for (const ref of await filesBelow(path.join(folder, 'refs'))) {
    const commit = await readRef(cacheFolder, repo, ref);
    if (commit !== undefined) refs.set(ref, commit);
  }
  const revisions: CachedRevision[] = [];
  /** Sizes of contents in snapshots, by where they lie. */
  const contents = new Map<string, number>();
  for (const commit of (await namesIn(path.join(folder, 'snapshots'))).filter(isCommitHash).sort()) {
    const snapshot = path.join(folder, 'snapshots', commit);
    const files: { path: string; sizeBytes: number }[] = [];
    for (const filePath of await filesBelow(snapshot)) {
      const content = await contentOf(path.join(snapshot, filePath));
      const sizeBytes = await sizeOf(content);
      if (sizeBytes === undefined) continue; // a link to a content that was removed
      contents.set(content, sizeBytes);
      files.push({ path: filePath, sizeBytes });
    }
    const own = [...refs].filter(([, target]) => target === commit).map(([ref]) => ref);
    revisions.push({ commit, refs: own, folder: snapshot, files, sizeBytes: sum(files.map((file) => file.sizeBytes)) });
  }
  const blobFolder = path.join(folder, 'blobs');
  let incompleteBytes = 0;
  for (const name of await namesIn(blobFolder)) {
    const sizeBytes = (await sizeOf(path.join(blobFolder, name))) ?? 0;
    contents.set(path.join(blobFolder, name), sizeBytes);
    if (name.endsWith('.incomplete')) incompleteBytes += sizeBytes;
  }
  return { repo, folder, revisions, sizeBytes: sum([...contents.values()]), incompleteBytes };
}

/** Where the content of a snapshot's file lies: the blob that it links to, or the file itself. */
export async function contentOf(file: string): Promise<string> {
  return (await lstat(file)).isSymbolicLink() ? path.resolve(path.dirname(file), await readlink(file)) : file;
}

/** All that is no folder, at any depth; paths with slashes. Links to folders are not followed. */
async function filesBelow(root: string): Promise<string[]> {
  const files: string[] = [];
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const entries = await whatIsThere(readdir(path.join(root, folder), { withFileTypes: true }), []);
    for (const entry of entries) {
      (entry.isDirectory() ? folders : files).push(path.posix.join(folder, entry.name));
    }
  }
  return files.sort();
}

function namesIn(folder: string): Promise<string[]> {
  return whatIsThere(readdir(folder), []);
}

async function sizeOf(file: string): Promise<number | undefined> {
  return (await whatIsThere(stat(file), undefined))?.size;
}

/** Others may remove things at any time. */
async function whatIsThere<T, Nothing>(look: Promise<T>, nothing: Nothing): Promise<T | Nothing> {
  try {
    return await look;
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return nothing;
    throw error;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
