/**
 * A model in a repository of the hub: found on this machine if it is complete here, else listed there, so that all is
 * known of it before anything large is fetched. Which files of a repository make a model is repo-files.ts's; transfer
 * and cache are hub/'s.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { AipcError, NotFoundError } from '../errors.js';
import { fetchSnapshot, hubSettings, listRepo, type HubFile, type HubSettings, type Snapshot } from '../hub/hub.js';
import type { RetryPolicy } from '../download/retry.js';
import type { WeightFormat } from '../convert/recipe.js';
import { ONNX_GRAPH, onnxWeightFormat } from './onnx-files.js';
import { kindOfPath } from './path-kind.js';
import type { OnLoadProgress } from './progress.js';
import { findComplete, isOwnRepo, writeRecord, type PullRecord } from './pull-record.js';
import type { HubReference } from './reference.js';
import { findRepoModel, type RepoModel } from './repo-files.js';

const DEFAULT_REVISION = 'main';

/** A person waits for it: where no line is, that is said after a second, and busy servers are still waited for. */
const FIRST_CONTACT: RetryPolicy = { maxRetries: 2, firstDelayMs: 300 };

export interface HubModelOptions {
  /** never: only what is on this machine. refresh: asks the hub even where a complete model is here. */
  readonly download: 'never' | 'if-missing' | 'refresh';
  /** For messages: the catalogue's name, or the reference itself. */
  readonly id: string;
  /** What is wanted of it, in words, for messages. */
  readonly wanted: string;
  /** Decides between several .onnx files of one model. */
  readonly weightFormat?: WeightFormat | undefined;
  readonly onProgress?: OnLoadProgress | undefined;
  /** Told where what is here is used because the hub cannot be asked. */
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where a model's files are. */
export interface HubFiles {
  readonly kind: RepoModel['kind'];
  readonly commit: string;
  /** The model's folder in the repository, or its .gguf or .onnx file; '' for the root. */
  readonly inside: string;
  /** The model's folder, or its .gguf or .onnx file. Absolute. */
  readonly path: string;
  /** The folder with its tokenizer. Absolute. */
  readonly tokenizerPath: string;
}

export interface HubModel {
  readonly repo: string;
  readonly kind: RepoModel['kind'];
  readonly commit: string;
  /** Of all its files. */
  readonly totalBytes: number;
  /** What is not on this machine. */
  readonly missingBytes: number;
  /** Where they would go. */
  readonly cacheFolder: string;
  /**
   * A folder with the model's configurations, tokenizer and nothing large; the .gguf file's folder for kind gguf; where a
   * model is one of several .onnx files, that file's path, to be read by readOnnxFolder().
   */
  readonly configFolder: string;
  /** Fetches what is missing. */
  fetch(): Promise<HubFiles>;
}

/**
 * Throws MODEL_NOT_FOUND (no such repository; or not here and not to be fetched), MODEL_FILE_MISSING (no model in it, or
 * one has to be named), SOURCE_UNREACHABLE, what the hub refuses, or the signal's reason.
 */
export async function locateHubModel(reference: HubReference, options: HubModelOptions): Promise<HubModel> {
  const settings = hubSettings();
  const revision = reference.revision ?? DEFAULT_REVISION;
  const key = { repo: reference.repo, revision, askedPath: reference.path };
  if (options.download !== 'refresh') {
    const record = await findComplete(key);
    if (record !== undefined && isInFormat(record, options.weightFormat)) return fromRecord(record, settings);
  }
  if (options.download === 'never') return locateInCache(reference, revision, settings, options);
  try {
    return await locateInHub(reference, revision, settings, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof AipcError) || error.code !== 'SOURCE_UNREACHABLE') throw error;
    const found = await locateInCache(reference, revision, settings, options, error);
    options.onWarning?.(`${options.id}: what is on this machine is used. ${error.message}`);
    return found;
  }
}

/** Of a model in several .onnx files, another may have been fetched. */
function isInFormat({ kind, path: file }: PullRecord, weightFormat: WeightFormat | undefined): boolean {
  return kind !== 'onnx' || weightFormat === undefined || !ONNX_GRAPH.test(file) || onnxWeightFormat(file) === weightFormat;
}

function fromRecord(record: PullRecord, settings: HubSettings): HubModel {
  const files = filesOf(record.folder, record.commit, record);
  return {
    repo: record.repo,
    kind: record.kind,
    commit: record.commit,
    totalBytes: sum(record.files),
    missingBytes: 0,
    cacheFolder: settings.cacheFolder,
    configFolder: configFolderOf(files),
    fetch: () => Promise.resolve(files),
  };
}

/** What any program left in the hub's cache. `failure`: why the hub itself could not be asked. */
async function locateInCache(
  { repo, path: inside }: HubReference,
  revision: string,
  settings: HubSettings,
  options: HubModelOptions,
  failure?: AipcError,
): Promise<HubModel> {
  let snapshot: Snapshot;
  let model: RepoModel;
  try {
    snapshot = await fetchSnapshot({
      repo,
      revision,
      wanted: () => true,
      download: 'never',
      settings,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    model = findRepoModel(repo, snapshot.files, inside, options.weightFormat);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof NotFoundError)) throw error;
    throw unavailable(repo, settings, options, failure, error);
  }
  const files = filesOf(snapshot.folder, snapshot.commit, model);
  return {
    repo,
    kind: model.kind,
    commit: snapshot.commit,
    totalBytes: sum(snapshot.files.filter((file) => model.wanted.has(file.path))),
    missingBytes: 0,
    cacheFolder: settings.cacheFolder,
    configFolder: configFolderOf(files),
    fetch: () => Promise.resolve(files),
  };
}

async function locateInHub(
  reference: HubReference,
  revision: string,
  settings: HubSettings,
  options: HubModelOptions,
): Promise<HubModel> {
  const { signal, onProgress } = options;
  const { repo, path: askedPath } = reference;
  const common = { repo, revision, settings, ...(signal === undefined ? {} : { signal }) };
  const repoFolder = path.join(settings.cacheFolder, `models--${repo.replace('/', '--')}`);
  const isOwn = (await isOwnRepo(repo)) ?? (await kindOfPath(repoFolder)) === 'absent';
  const listing = await listRepo({ ...common, retry: FIRST_CONTACT });
  const { commit } = listing;
  const model = findRepoModel(repo, listing.files, askedPath, options.weightFormat);
  const wanted = listing.files.filter((file) => model.wanted.has(file.path));
  const missingBytes = await bytesNotIn(repoFolder, commit, wanted);
  const record = { schemaVersion: 1, repo, revision, askedPath, isOwn } as const;
  // Before the first byte arrives: `aipc rm` then knows of a download that was never finished.
  const folder = path.join(repoFolder, 'snapshots', commit);
  const { kind, path: inside, tokenizerFolder } = model;
  await writeRecord({ ...record, commit, kind, path: inside, tokenizerFolder, folder, files: wanted.map(toRecorded) });
  if (model.small.size > 0) {
    // Of the commit that was listed, whatever the branch says by now.
    const small = await fetchSnapshot({
      ...common,
      revision: commit,
      wanted: (file) => model.small.has(file.path),
      download: 'if-missing',
    });
    if (small.folder !== folder) throw new Error(`the hub's cache put ${commit} in ${small.folder}, not ${folder}`);
  }
  return {
    repo,
    kind: model.kind,
    commit,
    totalBytes: sum(wanted),
    missingBytes,
    cacheFolder: settings.cacheFolder,
    configFolder: configFolderOf(filesOf(folder, commit, model)),
    fetch: async () => {
      const snapshot = await fetchSnapshot({
        ...common,
        wanted: (file, all) => findRepoModel(repo, all, askedPath, options.weightFormat).wanted.has(file.path),
        // What the cache has under the revision's name may be older than what was listed.
        download: 'if-changed',
        onProgress: ({ doneBytes, totalBytes, bytesPerSecond }) =>
          onProgress?.({ phase: 'download', label: options.id, doneBytes, totalBytes, bytesPerSecond }),
      });
      const fetched = findRepoModel(repo, snapshot.files, askedPath, options.weightFormat);
      await writeRecord({
        ...record,
        kind: fetched.kind,
        path: fetched.path,
        tokenizerFolder: fetched.tokenizerFolder,
        commit: snapshot.commit,
        folder: snapshot.folder,
        files: snapshot.files.filter((file) => fetched.wanted.has(file.path)).map(toRecorded),
      });
      return filesOf(snapshot.folder, snapshot.commit, fetched);
    },
  };
}

function toRecorded({ path: name, sizeBytes }: Pick<HubFile, 'path' | 'sizeBytes'>): PullRecord['files'][number] {
  return { path: name, sizeBytes };
}

/**
 * Bytes of files that are not in the cache: as a blob, named by its hash, or where there are no links in the snapshot
 * itself. Of those on their way, the rest.
 */
async function bytesNotIn(repoFolder: string, commit: string, files: readonly HubFile[]): Promise<number> {
  const blobs = path.join(repoFolder, 'blobs');
  const present = new Map<string, number>();
  for (const name of await readdir(blobs).catch(() => [])) {
    const hash = name.split('.')[0] ?? name;
    present.set(hash, Math.max(await lengthOf(path.join(blobs, name)), present.get(hash) ?? 0));
  }
  let missingBytes = 0;
  for (const { path: name, sizeBytes, sha256, gitHash } of files) {
    const blobBytes = present.get(sha256 ?? gitHash ?? '') ?? 0;
    const pointerBytes = await lengthOf(path.join(repoFolder, 'snapshots', commit, name));
    missingBytes += Math.max(0, sizeBytes - Math.max(blobBytes, pointerBytes));
  }
  return missingBytes;
}

/** 0: it is not there. */
async function lengthOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

function filesOf(
  folder: string,
  commit: string,
  { kind, path: inside, tokenizerFolder }: Pick<RepoModel, 'kind' | 'path' | 'tokenizerFolder'>,
): HubFiles {
  const tokenizerPath = path.join(folder, tokenizerFolder);
  return { kind, commit, inside, path: path.join(folder, inside), tokenizerPath };
}

function configFolderOf({ kind, path: model }: HubFiles): string {
  return kind === 'gguf' ? path.dirname(model) : model;
}

function sum(files: readonly { readonly sizeBytes: number }[]): number {
  return files.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
}

/** Two lines: what was wanted and from where; what works now. */
function unavailable(
  repo: string,
  settings: HubSettings,
  options: HubModelOptions,
  failure: AipcError | undefined,
  cause: NotFoundError,
): NotFoundError {
  const site = `${settings.endpoint.href.replace(/\/$/u, '')}/${repo}`;
  const why =
    failure !== undefined
      ? `which cannot be reached: ${failure.message.replace(/\s+/gu, ' ')}`
      : settings.offline
        ? 'but HF_HUB_OFFLINE is set'
        : 'but downloading is off';
  return new NotFoundError(
    failure === undefined ? 'MODEL_NOT_FOUND' : 'SOURCE_UNREACHABLE',
    `${options.id} is not on this machine: wanted ${options.wanted} from ${site}, ${why}\n` +
      'Without a network this works now: aipc run demo (the built-in test model).',
    { cause: failure ?? cause, details: { repo, url: site, model: options.id } },
  );
}
