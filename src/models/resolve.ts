/**
 * From what a person typed (a catalogue name, a folder, a .gguf file) to files on disk, fetched if need be.
 * It does not convert them and does not read weights.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WeightFormat } from '../convert/recipe.js';
import { NotFoundError } from '../errors.js';
import { cacheFolder } from '../cache-folder.js';
import { catalogue, findInCatalogue, type CatalogueEntry } from './catalogue.js';
import { kindOfPath } from './path-kind.js';
import { fetchFromPip } from './pip-source.js';
import type { OnLoadProgress } from './progress.js';

/**
 * weights: Hugging Face folder or .gguf file, to be converted; run as they are: onnx, a folder with genai_config.json,
 * and openvino, a folder with openvino_model.xml.
 */
export type ModelKind = 'weights' | 'onnx' | 'openvino';

export interface ResolvedModel {
  /** The catalogue name, or the path as given. */
  readonly id: string;
  /** Version of the source where it has one. */
  readonly revision: string | null;
  readonly kind: ModelKind;
  /** Absolute. */
  readonly path: string;
  /** What aipc converts weights to unless the caller says otherwise. */
  readonly defaultWeightFormat: WeightFormat;
  /** To be said before the first answer. */
  readonly notice: string | null;
}

export interface ResolveOptions {
  /** never: only what is on disk already. */
  readonly download: 'never' | 'if-missing';
  readonly onProgress?: OnLoadProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

const packageModels = fileURLToPath(new URL('../../../models/', import.meta.url));

/** Throws MODEL_NOT_FOUND, MODEL_FILE_MISSING, SOURCE_UNREACHABLE or the signal's reason. */
export async function resolveModel(reference: string, options: ResolveOptions): Promise<ResolvedModel> {
  const entry = findInCatalogue(reference);
  return entry === undefined ? resolvePath(reference) : resolveEntry(entry, options);
}

async function resolveEntry(entry: CatalogueEntry, options: ResolveOptions): Promise<ResolvedModel> {
  const common = { id: entry.name, defaultWeightFormat: entry.weightFormat, notice: entry.notice } as const;
  const { source } = entry;
  if (source.kind === 'built-in') {
    return { ...common, kind: 'weights', revision: null, path: path.join(packageModels, source.folder) };
  }
  const folder = path.join(cacheFolder(), 'sources', `pip-${source.packageName}-${source.version}`);
  const file = path.join(folder, path.posix.basename(source.member));
  if (options.download === 'never' && (await kindOfPath(file)) === 'absent') {
    throw new NotFoundError(
      'MODEL_NOT_FOUND',
      `${entry.name} is not on this machine (looked for ${file}) and downloading is off. ` +
        `Allow it once, or run 'aipc run demo', which is built in.`,
      { details: { file } },
    );
  }
  return { ...common, kind: 'weights', revision: source.version, path: await fetchFromPip(source, { ...options, folder }) };
}

async function resolvePath(reference: string): Promise<ResolvedModel> {
  const absolute = path.resolve(reference);
  const common = { id: reference, revision: null, path: absolute, defaultWeightFormat: 'int4', notice: null } as const;
  const kind = await kindOfPath(absolute);
  if (kind === 'file' && absolute.toLowerCase().endsWith('.gguf')) return { ...common, kind: 'weights' };
  if (kind === 'folder') {
    if ((await kindOfPath(path.join(absolute, 'genai_config.json'))) === 'file') return { ...common, kind: 'onnx' };
    if ((await kindOfPath(path.join(absolute, 'openvino_model.xml'))) === 'file') return { ...common, kind: 'openvino' };
    if ((await kindOfPath(path.join(absolute, 'config.json'))) === 'file') return { ...common, kind: 'weights' };
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `${absolute} holds neither config.json (Hugging Face weights) nor genai_config.json (an ONNX model) nor ` +
        'openvino_model.xml (an OpenVINO model). Point to the folder that has one of them.',
      { details: { folder: absolute } },
    );
  }
  const names = catalogue.map((known) => known.name).join(', ');
  const what =
    kind === 'file'
      ? 'is a file, but not a .gguf file'
      : kind === 'other'
        ? 'is neither a file nor a folder'
        : 'is neither a known model nor a path that exists';
  throw new NotFoundError(
    'MODEL_NOT_FOUND',
    `'${reference}' ${what}. Known models: ${names}; or give a folder of Hugging Face weights, an ONNX or OpenVINO model ` +
      'folder or a .gguf file. This version fetches nothing from Hugging Face: download such a model first.',
    { details: { reference, known: catalogue.map((known) => known.name) } },
  );
}
