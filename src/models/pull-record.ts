/**
 * What aipc has fetched from the hub, a small file for each: which files of which commit make the model. With it a model
 * that is complete is found again without asking anybody, and `aipc rm` knows what aipc may remove. A record is a claim
 * that is checked whenever it is used: other programs share the hub's cache.
 *
 *   <cache>/sources/hub/<owner>--<name>-<hash>.json
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from '../cache-folder.js';
import { hasErrorCode, replaceFile } from '../file-system.js';
import type { RepoModel } from './repo-files.js';

export interface PullRecord {
  readonly schemaVersion: 1;
  readonly repo: string;
  /** As asked for: a branch, tag or commit. */
  readonly revision: string;
  readonly commit: string;
  readonly kind: RepoModel['kind'];
  /** The model's folder in the repository, or its .gguf file; '' for the root. */
  readonly path: string;
  readonly tokenizerFolder: string;
  /** Absolute: the snapshot's folder. */
  readonly folder: string;
  /** What was asked for: '' where the model was found without being named. */
  readonly askedPath: string;
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  /** Whether the hub's cache held nothing of the repository before aipc came. */
  readonly isOwn: boolean;
}

export type PullKey = Pick<PullRecord, 'repo' | 'revision' | 'askedPath'>;

/** Where records are. */
function recordsFolder(): string {
  return path.join(cacheFolder(), 'sources', 'hub');
}

function recordFile({ repo, revision, askedPath }: PullKey): string {
  const hash = createHash('sha256').update(JSON.stringify([repo, revision, askedPath])).digest('hex').slice(0, 12);
  return path.join(recordsFolder(), `${repo.replace('/', '--')}-${hash}.json`);
}

/** The record of a model whose files are all there, in full length; undefined: none, or something is missing. */
export async function findComplete(key: PullKey): Promise<PullRecord | undefined> {
  const record = await readRecord(recordFile(key));
  return record !== undefined && (await isComplete(record)) ? record : undefined;
}

export async function isComplete({ folder, files }: PullRecord): Promise<boolean> {
  for (const { path: name, sizeBytes } of files) {
    const found = await stat(path.join(folder, name)).catch(() => undefined);
    if (found?.isFile() !== true || found.size !== sizeBytes) return false;
  }
  return files.length > 0;
}

/** Whether aipc was the one that brought a repository, as earlier records of it say; undefined: there is none. */
export async function isOwnRepo(repo: string): Promise<boolean | undefined> {
  return (await listRecords()).find((record) => record.repo === repo)?.isOwn;
}

export async function writeRecord(record: PullRecord): Promise<void> {
  const file = recordFile(record);
  await mkdir(path.dirname(file), { recursive: true });
  await replaceFile(file, `${JSON.stringify(record, null, 2)}\n`);
}

export async function removeRecord(record: PullRecord): Promise<void> {
  await rm(recordFile(record), { force: true });
}

/** All of them, complete or not, by repository. */
export async function listRecords(): Promise<readonly PullRecord[]> {
  const names = await readdir(recordsFolder()).catch((error: unknown) => {
    if (hasErrorCode(error, 'ENOENT')) return [];
    throw error;
  });
  const records = await Promise.all(
    names
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => readRecord(path.join(recordsFolder(), name))),
  );
  return records.filter((record) => record !== undefined);
}

/** undefined: missing or damaged, which costs a look at the hub. */
async function readRecord(file: string): Promise<PullRecord | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is PullRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { schemaVersion, files, isOwn, kind, folder, ...texts } = value as Partial<Record<keyof PullRecord, unknown>>;
  return (
    schemaVersion === 1 &&
    typeof isOwn === 'boolean' &&
    ['weights', 'gguf', 'onnx', 'openvino'].includes(String(kind)) &&
    typeof folder === 'string' &&
    path.isAbsolute(folder) &&
    [texts.repo, texts.revision, texts.commit, texts.path, texts.tokenizerFolder, texts.askedPath].every(
      (text) => typeof text === 'string' && !text.split('/').includes('..'),
    ) &&
    Array.isArray(files) &&
    files.every((file: unknown) => isRecordedFile(file))
  );
}

function isRecordedFile(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'path' in value &&
    typeof value.path === 'string' &&
    !value.path.split('/').includes('..') &&
    'sizeBytes' in value &&
    typeof value.sizeBytes === 'number'
  );
}
