/**
 * What the caches hold: downloads in the hub's cache and in aipc's own, conversions, compiled models; for each the size,
 * the format and the devices it suits. It changes nothing.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from '../cache-folder.js';
import type { WeightFormat } from '../convert/recipe.js';
import { compiledModelFolder } from '../engine/openvino/compiled-cache.js';
import { AipcError } from '../errors.js';
import { hasErrorCode } from '../file-system.js';
import { scanHubCache, type CachedRepo, type CachedRevision } from '../hub/hub.js';
import { devicesForOpenvinoFolder } from '../model/describe-model.js';
import { catalogue } from '../models/catalogue.js';
import type { DeviceName } from '../models/catalogue-entry.js';
import { conversionsFolder, readConversionRecord, type ConversionRecord } from '../models/conversion-cache.js';
import { isComplete, listRecords, type PullRecord } from '../models/pull-record.js';
import { findRepoModel, type RepoModel } from '../models/repo-files.js';
import { readFolderConfig } from '../weights/hugging-face-folder.js';
import { foldersIn, sizeOfTree } from './disk-usage.js';

export interface CompiledModel {
  /** As OpenVINO names it, in lower case: `npu`, `gpu.0`. */
  readonly device: string;
  readonly folder: string;
  readonly sizeBytes: number;
}

export interface LocalModel {
  /** download: as its makers publish it; conversion: made by aipc of one. */
  readonly kind: 'download' | 'conversion';
  /** A repository, a file's name, or what was converted. */
  readonly id: string;
  /** Names of the catalogue that it serves. */
  readonly names: readonly string[];
  readonly format: RepoModel['kind'];
  /** Null: as published. */
  readonly weightFormat: WeightFormat | null;
  /** Commit or version; null: it has none. */
  readonly revision: string | null;
  /** The model's folder or file. Absolute. */
  readonly path: string;
  /** On disk; for a repository all that the cache holds of it. */
  readonly sizeBytes: number;
  /** false: a download that was not finished. */
  readonly isComplete: boolean;
  /** Whether aipc brought it: only then `aipc rm` removes it. */
  readonly isOwn: boolean;
  readonly devices: readonly DeviceName[];
  /** What runtimes compiled of it. */
  readonly compiled: readonly CompiledModel[];
}

const ALL_DEVICES = ['cpu', 'gpu', 'npu'] as const;

/** Everything in both caches, downloads first, by name. */
export async function listLocalModels(): Promise<readonly LocalModel[]> {
  return [...(await hubDownloads()), ...(await ownDownloads()), ...(await conversions())];
}

async function hubDownloads(): Promise<readonly LocalModel[]> {
  const records = await listRecords();
  const repos = await scanHubCache();
  const models = await Promise.all(repos.map((cached) => modelsOfRepo(cached, records)));
  return models.flat();
}

/** Models that aipc knows to be there, else those that it finds in what others have fetched. */
async function modelsOfRepo(cached: CachedRepo, records: readonly PullRecord[]): Promise<readonly LocalModel[]> {
  const { repo, folder, sizeBytes } = cached;
  const known = records.filter((record) => record.repo === repo && record.folder.startsWith(folder + path.sep));
  const isOwn = known.some((record) => record.isOwn);
  const found = new Map<string, { commit: string; model: Pick<RepoModel, 'kind' | 'path'>; complete: boolean }>();
  for (const record of known) {
    const complete = await isComplete(record);
    found.set(`${record.commit}:${record.path}`, { commit: record.commit, model: record, complete });
  }
  if (known.length === 0) {
    for (const revision of cached.revisions) {
      const model = modelIn(repo, revision);
      if (model !== undefined) found.set(revision.commit, { commit: revision.commit, model, complete: true });
    }
  }
  const models = await Promise.all(
    [...found.values()].map(async ({ commit, model, complete }): Promise<LocalModel> => {
      const place = path.join(folder, 'snapshots', commit, model.path);
      return {
        kind: 'download',
        id: model.path === '' ? repo : `${repo}:${model.path}`,
        names: namesOf(repo, model.path),
        format: model.kind,
        weightFormat: storedFormat(repo, model.path),
        revision: commit,
        path: place,
        sizeBytes,
        isComplete: complete,
        isOwn,
        devices: complete ? await devicesOf(model.kind, place) : [],
        compiled: complete && model.kind === 'openvino' ? await compiledOf(place) : [],
      };
    }),
  );
  // The hub's cache may hold much that is not for aipc.
  return models.filter(({ devices }) => isOwn || devices.length > 0);
}

function modelIn(repo: string, { files }: CachedRevision): RepoModel | undefined {
  try {
    return findRepoModel(repo, files, '');
  } catch (error) {
    if (error instanceof AipcError) return undefined; // something else than a model, or a part of one
    throw error;
  }
}

function namesOf(repo: string, inside: string): readonly string[] {
  return catalogue
    .filter((entry) => entry.sources.some((source) => isSource(source, repo, inside)))
    .map((entry) => entry.name);
}

function storedFormat(repo: string, inside: string): WeightFormat | null {
  const sources = catalogue.flatMap((entry) => entry.sources);
  return sources.find((source) => isSource(source, repo, inside))?.weightFormat ?? null;
}

function isSource(source: (typeof catalogue)[number]['sources'][number], repo: string, inside: string): boolean {
  return source.kind === 'hub' && source.repo === repo && source.path === inside;
}

/** Files of wheels and of URLs. */
async function ownDownloads(): Promise<readonly LocalModel[]> {
  const models: LocalModel[] = [];
  for (const folder of await foldersIn(path.join(cacheFolder(), 'sources'))) {
    if (!/^(?:pip|url)-/u.test(path.basename(folder))) continue;
    for (const name of await readdir(folder)) {
      if (!/\.gguf$/iu.test(name)) continue;
      const file = path.join(folder, name);
      const entry = catalogue.find(({ sources }) =>
        sources.some((source) => source.kind === 'pip' && path.posix.basename(source.member) === name),
      );
      models.push({
        kind: 'download',
        id: path.basename(folder),
        names: entry === undefined ? [] : [entry.name],
        format: 'gguf',
        weightFormat: null,
        revision: null,
        path: file,
        sizeBytes: (await stat(file)).size,
        isComplete: true, // a file gets its name when it is
        isOwn: true,
        devices: ALL_DEVICES,
        compiled: [],
      });
    }
  }
  return models;
}

async function conversions(): Promise<readonly LocalModel[]> {
  const models: LocalModel[] = [];
  for (const { folder, record } of await listConversions()) {
    if (record === undefined) continue;
    const format = record.runtime === 'openvino' ? 'openvino' : 'onnx';
    models.push({
      kind: 'conversion',
      id: record.modelId,
      names: catalogue.filter(({ name }) => name === record.modelId).map(({ name }) => name),
      format,
      weightFormat: record.weightFormat,
      revision: record.revision,
      path: folder,
      sizeBytes: await sizeOfTree(folder),
      isComplete: true,
      isOwn: true,
      devices: await devicesOf(format, folder),
      compiled: format === 'openvino' ? await compiledOf(folder) : [],
    });
  }
  return models;
}

export interface Conversion {
  readonly folder: string;
  /** undefined: made by another version of aipc. */
  readonly record: ConversionRecord | undefined;
}

/** Complete conversions; what is being made or removed is left out. */
export async function listConversions(): Promise<readonly Conversion[]> {
  const folders = (await foldersIn(conversionsFolder())).filter((folder) => !isTransient(path.basename(folder)));
  return Promise.all(folders.map(async (folder) => ({ folder, record: await readConversionRecord(folder) })));
}

/** Whether a folder's name says that it is being made, or being removed. */
export function isTransient(name: string): boolean {
  return /\.(?:partial|removed)-/u.test(name);
}

async function devicesOf(format: RepoModel['kind'], place: string): Promise<readonly DeviceName[]> {
  if (format === 'onnx') return ['cpu'];
  if (format === 'gguf') return ALL_DEVICES;
  try {
    if (format === 'weights') {
      await readFolderConfig(place);
      return ALL_DEVICES;
    }
    return (await devicesForOpenvinoFolder(place)).filter(({ suits }) => suits).map(({ device }) => device);
  } catch (error) {
    if (error instanceof AipcError) return []; // aipc show says what is wrong with it
    throw error;
  }
}

/** What was compiled of an OpenVINO folder. */
export async function compiledOf(folder: string): Promise<readonly CompiledModel[]> {
  const files = { xmlFile: path.join(folder, 'openvino_model.xml'), binFile: path.join(folder, 'openvino_model.bin') };
  const root = await compiledModelFolder(files).catch((error: unknown) => {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (root === undefined) return [];
  return Promise.all(
    (await foldersIn(root)).map(async (inside) => ({
      device: path.basename(inside).replace(/-[0-9a-f]+$/u, ''),
      folder: inside,
      sizeBytes: await sizeOfTree(inside),
    })),
  );
}
