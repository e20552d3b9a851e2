/**
 * Taking a model out of the caches: what aipc has fetched, converted and compiled for it. In two steps, so that a person
 * can be told first: planRemoval() says what would go, and what stays and why; removeAll() does it. Nothing outside of
 * the caches is touched, and nothing that another model needs.
 */
import path from 'node:path';
import { cacheFolder } from '../cache-folder.js';
import { NotFoundError } from '../errors.js';
import { hubSettings, removeCachedRepo, scanHubCache } from '../hub/hub.js';
import { catalogue } from '../models/catalogue.js';
import type { CatalogueEntry } from '../models/catalogue-entry.js';
import { pipFolder } from '../models/pip-source.js';
import { listRecords, removeRecord } from '../models/pull-record.js';
import { parseReference, type ModelReference } from '../models/reference.js';
import { urlFile } from '../models/url-file.js';
import { sizeOfTree } from './disk-usage.js';
import { compiledOf, listConversions, listLocalModels } from './local-models.js';
import { removeFolder } from './remove-folder.js';

export interface RemovalItem {
  readonly kind: 'download' | 'conversion' | 'compiled';
  /** What it is, in words. */
  readonly what: string;
  /** Absolute. */
  readonly path: string;
  readonly sizeBytes: number;
}

export interface RemovalPlan {
  readonly items: readonly RemovalItem[];
  /** What belongs to the model and stays, with the reason. */
  readonly kept: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * `reference` as for loadModel(). Throws MODEL_NOT_FOUND where the caches hold nothing of it, OPTION_INVALID.
 */
export async function planRemoval(reference: string): Promise<RemovalPlan> {
  const parsed = await parseReference(reference);
  const repos = reposOf(parsed);
  const files = filesOf(parsed);
  const items: RemovalItem[] = [];
  const kept: { path: string; reason: string }[] = [];

  // Folders of the user's or of other programs: what aipc compiled of them goes, they stay.
  const irFolders: { readonly folder: string; readonly what: string }[] =
    parsed.kind === 'path' ? [{ folder: parsed.path, what: reference }] : [];
  const sources = [...files, ...(parsed.kind === 'path' ? [parsed.path] : [])];

  const records = await listRecords();
  const { cacheFolder: hubFolder } = hubSettings();
  for (const cached of await scanHubCache()) {
    if (!repos.includes(cached.repo)) continue;
    sources.push(cached.folder);
    for (const { folder } of cached.revisions) irFolders.push({ folder, what: cached.repo });
    if (records.some((record) => record.repo === cached.repo && record.isOwn)) {
      items.push({ kind: 'download', what: cached.repo, path: cached.folder, sizeBytes: cached.sizeBytes });
    } else {
      const reason = `other programs fetched ${cached.repo} into ${hubFolder}; hf cache rm takes it out`;
      kept.push({ path: cached.folder, reason });
    }
  }
  for (const file of files) {
    const sizeBytes = await sizeOfTree(file);
    if (sizeBytes > 0) items.push({ kind: 'download', what: path.basename(file), path: file, sizeBytes });
  }
  const name = parsed.kind === 'catalogue' ? parsed.entry.name : reference;
  for (const { folder, record } of await listConversions()) {
    if (record === undefined) continue;
    const isOf = record.modelId === name || sources.some((source) => isWithin(source, record.sourcePath));
    if (!isOf) continue;
    const what = `${record.modelId} in ${record.weightFormat} for ${record.runtime}`;
    items.push({ kind: 'conversion', what, path: folder, sizeBytes: await sizeOfTree(folder) });
    irFolders.push({ folder, what });
  }
  for (const { folder, what } of irFolders) {
    for (const compiled of await compiledOf(folder)) {
      const description = `${what}, compiled for ${compiled.device}`;
      items.push({ kind: 'compiled', what: description, path: compiled.folder, sizeBytes: compiled.sizeBytes });
    }
  }
  if (items.length === 0 && kept.length === 0) throw nothingOf(reference, await localIds());
  if (parsed.kind === 'path') kept.push({ path: parsed.path, reason: 'it is not in a cache of aipc' });
  return { items, kept };
}

/** Bytes that were freed. Compiled models go first, records last: interrupted, the same command goes on. */
export async function removeAll(plan: RemovalPlan): Promise<number> {
  let freedBytes = 0;
  for (const kind of ['compiled', 'conversion', 'download'] as const) {
    for (const item of plan.items.filter((candidate) => candidate.kind === kind)) freedBytes += await remove(item);
  }
  return freedBytes;
}

async function remove({ kind, path: target, sizeBytes }: RemovalItem): Promise<number> {
  const { cacheFolder: hubFolder } = hubSettings();
  if (kind === 'download' && isWithin(hubFolder, target)) {
    const records = (await listRecords()).filter((record) => isWithin(target, record.folder));
    const [repo] = records.map((record) => record.repo);
    const freed = repo === undefined ? 0 : await removeCachedRepo({ repo });
    for (const record of records) await removeRecord(record);
    return freed;
  }
  // The plan is data: what it names must be in the cache all the same.
  if (!isWithin(cacheFolder(), target)) throw new Error(`${target} is not in aipc's cache`);
  await removeFolder(target);
  return sizeBytes;
}

function reposOf(parsed: ModelReference): readonly string[] {
  if (parsed.kind === 'hub') return [parsed.repo];
  return parsed.kind === 'catalogue' ? hubRepos(parsed.entry) : [];
}

function hubRepos({ sources }: CatalogueEntry): readonly string[] {
  return [...new Set(sources.flatMap((source) => (source.kind === 'hub' ? [source.repo] : [])))];
}

/** Files in aipc's own cache. */
function filesOf(parsed: ModelReference): readonly string[] {
  if (parsed.kind === 'url') return [path.dirname(urlFile(parsed))];
  if (parsed.kind === 'pip') return [pipFolder(parsed.source)];
  if (parsed.kind !== 'catalogue') return [];
  return parsed.entry.sources.flatMap((source) => (source.kind === 'pip' ? [pipFolder(source)] : []));
}

/** Whether `target` is `folder` or below it. */
function isWithin(folder: string, target: string): boolean {
  const way = path.relative(folder, target);
  return way === '' || (way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way));
}

async function localIds(): Promise<readonly string[]> {
  const models = await listLocalModels();
  return [...new Set(models.flatMap(({ id, names }) => (names.length > 0 ? names : [id])))];
}

function nothingOf(reference: string, local: readonly string[]): NotFoundError {
  const known = catalogue.map((entry) => entry.name);
  return new NotFoundError(
    'MODEL_NOT_FOUND',
    `There is nothing of ${reference} in the caches. ${local.length === 0 ? 'They hold no model.' : `They hold ${local.join(', ')}.`}`,
    { details: { reference, local, known } },
  );
}
