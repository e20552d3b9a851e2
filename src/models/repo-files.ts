/**
 * What a repository's list of files says: which model is in it, and which of its files aipc needs. A pure function of
 * the list; nothing is fetched.
 */
import type { WeightFormat } from '../convert/recipe.js';
import { NotFoundError } from '../errors.js';
import { chooseOnnxFile, dataFilesOf, ONNX_GRAPH } from './onnx-files.js';

/** As the hub lists it. */
export interface RepoFile {
  /** With forward slashes, from the repository's root. */
  readonly path: string;
  readonly sizeBytes: number;
}

export interface RepoModel {
  readonly kind: 'weights' | 'gguf' | 'onnx' | 'openvino';
  /** The folder with the model, or the .gguf or .onnx file; '' for the root. */
  readonly path: string;
  /** Needed to judge the model: configurations and tokenizer. */
  readonly small: ReadonlySet<string>;
  /** All that are needed, the small ones too. */
  readonly wanted: ReadonlySet<string>;
  /** '' unless the tokenizer is not in the model's folder but here. */
  readonly tokenizerFolder: string;
}

/** The files beside the weights that aipc reads, in any kind of folder. */
const SMALL_FILES = [
  'config.json',
  'generation_config.json',
  'genai_config.json',
  'openvino_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
];
const TOKENIZER_FILES = SMALL_FILES.filter((name) => !/config\.json$/u.test(name) || name === 'tokenizer_config.json');

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const SHARD = /^model-\d{5}-of-\d{5}\.safetensors$/u;
/** An ONNX graph and its data, under the names that exporters give. */
const ONNX_FILE = /\.onnx$|\.onnx[._]data(?:_\d+)?$|\.data$/u;

/**
 * The model at `path` of a repository ('' : wherever the one model is). `repo` is for messages; `weightFormat` decides
 * between several .onnx files.
 * Throws MODEL_FILE_MISSING where there is none, or several of which one has to be named.
 */
export function findRepoModel(
  repo: string,
  files: readonly RepoFile[],
  path: string,
  weightFormat?: WeightFormat,
): RepoModel {
  const paths = files.map((file) => file.path);
  if (ONNX_GRAPH.test(path) && paths.includes(path)) return graphModel(paths, path);
  if (/\.gguf$/iu.test(path)) {
    if (!paths.includes(path)) throw nothing(repo, path, paths);
    return ggufModel(path);
  }
  const here = modelIn(paths, path);
  if (here !== undefined) return here;
  if (path !== '') throw nothing(repo, path, paths);
  const below = candidates(paths);
  // onnx-community: one model in several formats, with the configuration of its weights and no genai_config.json.
  const graphs = paths.filter((file) => /^onnx\/[^/]+\.onnx$/iu.test(file));
  if (below.length === 0 && graphs.length > 0 && paths.includes('config.json')) {
    return graphModel(paths, chooseOnnxFile(repo, graphs, weightFormat));
  }
  // Of several for different runtimes one may be for the CPU, by its name.
  const forCpu = below.filter((candidate) => /(?:^|\/)cpu/iu.test(candidate));
  const only = below.length === 1 ? below[0] : forCpu.length === 1 ? forCpu[0] : undefined;
  if (only === undefined) throw nothing(repo, path, paths);
  return /\.gguf$/iu.test(only) ? ggufModel(only) : (modelIn(paths, only) ?? ggufModel(only));
}

/** Folders and .gguf files below the root that hold a model. */
function candidates(paths: readonly string[]): readonly string[] {
  const folders = new Set(
    paths.filter((file) => /\/(?:genai_config\.json|openvino_model\.xml)$/u.test(file)).map(folderOf),
  );
  return [...folders, ...paths.filter((file) => /\.gguf$/iu.test(file))].sort();
}

function modelIn(paths: readonly string[], folder: string): RepoModel | undefined {
  const prefix = folder === '' ? '' : `${folder}/`;
  const names = new Set(
    paths.filter((file) => folderOf(file) === folder && file.startsWith(prefix)).map((file) => file.slice(prefix.length)),
  );
  const kind = kindOf(names);
  if (kind === undefined) return undefined;
  const small = new Set([...names].filter((name) => SMALL_FILES.includes(name)).map((name) => prefix + name));
  const borrowsTokenizer = !names.has('tokenizer.json') && paths.includes('tokenizer.json');
  if (borrowsTokenizer) for (const name of TOKENIZER_FILES) if (paths.includes(name)) small.add(name);
  const large = [...names].filter((name) => isLargeFile(kind, name, names)).map((name) => prefix + name);
  if (kind === 'weights' && names.has(INDEX) && !names.has(SINGLE)) small.add(prefix + INDEX);
  const tokenizerFolder = borrowsTokenizer ? '' : folder;
  return { kind, path: folder, small, wanted: new Set([...small, ...large]), tokenizerFolder };
}

function kindOf(names: ReadonlySet<string>): 'weights' | 'onnx' | 'openvino' | undefined {
  if (names.has('genai_config.json')) return 'onnx';
  if (names.has('openvino_model.xml')) return 'openvino';
  return names.has('config.json') && (names.has(SINGLE) || names.has(INDEX)) ? 'weights' : undefined;
}

/** Weights twice (whole and in shards, or in another framework's format) are fetched once. */
function isLargeFile(kind: 'weights' | 'onnx' | 'openvino', name: string, names: ReadonlySet<string>): boolean {
  switch (kind) {
    case 'weights':
      return names.has(SINGLE) ? name === SINGLE : SHARD.test(name);
    case 'onnx':
      return ONNX_FILE.test(name);
    case 'openvino':
      return /^openvino_model(?:_logits_rows)?\.(?:xml|bin)$/u.test(name);
  }
}

/** A graph, its data files, and the configuration beside it or above its folder. */
function graphModel(paths: readonly string[], file: string): RepoModel {
  const folder = folderOf(file);
  const isConfigured = (at: string): boolean => SMALL_FILES.some((name) => paths.includes(join(at, name)));
  const root = isConfigured(folder) ? folder : folderOf(folder);
  const small = new Set(SMALL_FILES.map((name) => join(root, name)).filter((name) => paths.includes(name)));
  return { kind: 'onnx', path: file, small, wanted: new Set([...small, file, ...dataFilesOf(file, paths)]), tokenizerFolder: root };
}

function join(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

function ggufModel(path: string): RepoModel {
  return { kind: 'gguf', path, small: new Set(), wanted: new Set([path]), tokenizerFolder: '' };
}

function folderOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.lastIndexOf('/')) : '';
}

/** How many candidates a message lists. */
const MAX_LISTED = 12;

function nothing(repo: string, path: string, paths: readonly string[]): NotFoundError {
  const found = candidates(paths);
  const where = path === '' ? repo : `${repo} (${path})`;
  const what =
    path === '' && found.length > 1
      ? `${where} holds several models, and which one is meant must be said`
      : `${where} has no model that aipc reads: safetensors with config.json, genai_config.json, onnx/*.onnx, openvino_model.xml or a .gguf file`;
  const list = found.slice(0, MAX_LISTED).map((candidate) => `${repo}:${candidate}`);
  return new NotFoundError(
    'MODEL_FILE_MISSING',
    `${what}.${list.length > 0 ? ` Name one: ${list.join(', ')}${found.length > MAX_LISTED ? ', ...' : ''}.` : ''}`,
    { details: { repo, path, found: found.slice(0, MAX_LISTED) } },
  );
}
