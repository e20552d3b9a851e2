/**
 * ONNX models among the folders and files of this machine: a folder with genai_config.json, one of several below a copy
 * of Microsoft's repositories, a folder as onnx-community lays it out, or one .onnx file. It opens no graph.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { WeightFormat } from '../convert/recipe.js';
import { NotFoundError } from '../errors.js';
import { fileErrorReason, hasErrorCode } from '../file-system.js';
import { chooseOnnxFile, ONNX_GRAPH, onnxWeightFormat } from './onnx-files.js';
import { kindOfPath } from './path-kind.js';

export interface LocalOnnx {
  /** A folder with genai_config.json, or an .onnx file. Absolute. */
  readonly path: string;
  readonly tokenizerFolder: string;
  /** By the file's name; null: nothing says. */
  readonly weightFormat: WeightFormat | null;
}

/** `microsoft/...-onnx` keeps its folders two deep. */
const MAX_DEPTH = 3;
/** Looked at below one folder: a home directory is not searched. */
const MAX_FOLDERS = 256;

/** undefined: no ONNX model there. Throws MODEL_FILE_MISSING where there are several and which is meant is not said. */
export async function findLocalOnnx(
  absolute: string,
  weightFormat: WeightFormat | undefined,
): Promise<LocalOnnx | undefined> {
  if ((await kindOfPath(absolute)) === 'file') return ONNX_GRAPH.test(absolute) ? graph(absolute) : undefined;
  if (await has(absolute, 'genai_config.json')) {
    return { path: absolute, tokenizerFolder: absolute, weightFormat: null };
  }
  for (const inside of ['onnx', '.']) {
    const names = await list(path.join(absolute, inside));
    const graphs = names.filter((name) => ONNX_GRAPH.test(name)).sort();
    if (graphs.length > 0) {
      const found = graphs.map((name) => path.join(inside, name));
      return graph(path.join(absolute, chooseOnnxFile(absolute, found, weightFormat)));
    }
  }
  return undefined;
}

/** The ONNX folder below a copy of a repository: the only one, or the only one for the CPU by its name. */
export async function findNestedOnnx(absolute: string): Promise<LocalOnnx | undefined> {
  const found = await foldersBelow(absolute);
  // Of several for different runtimes one may be for the CPU, by its name.
  const forCpu = found.filter((folder) => /(?:^|[\\/])cpu/iu.test(path.relative(absolute, folder)));
  const only = found.length === 1 ? found[0] : forCpu.length === 1 ? forCpu[0] : undefined;
  if (only !== undefined) {
    const hasTokenizer = await has(only, 'tokenizer.json');
    return { path: only, tokenizerFolder: hasTokenizer ? only : absolute, weightFormat: null };
  }
  if (found.length === 0) return undefined;
  const list = found.slice(0, MAX_LISTED).join(', ');
  throw new NotFoundError(
    'MODEL_FILE_MISSING',
    `${absolute} holds several ONNX models, and which one is meant must be said: ${list}.`,
    { details: { folder: absolute, found: found.slice(0, MAX_LISTED) } },
  );
}

const MAX_LISTED = 12;

async function foldersBelow(root: string): Promise<readonly string[]> {
  const found: string[] = [];
  let level = [root];
  let seen = 0;
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth += 1) {
    const next: string[] = [];
    for (const folder of level) {
      for (const name of (await list(folder, true)).filter((entry) => !entry.startsWith('.')).sort()) {
        seen += 1;
        if (seen > MAX_FOLDERS) return found;
        const below = path.join(folder, name);
        if (await has(below, 'genai_config.json')) found.push(below);
        else next.push(below);
      }
    }
    level = next;
  }
  return found;
}

/** The tokenizer lies beside the graph, or beside the configuration above `onnx/`. */
async function graph(file: string): Promise<LocalOnnx> {
  const folder = path.dirname(file);
  const above = path.dirname(folder);
  const isHere = (await has(folder, 'tokenizer.json')) || !(await has(above, 'tokenizer.json'));
  const isNamed = !(await has(folder, 'genai_config.json'));
  return {
    path: file,
    tokenizerFolder: isHere ? folder : above,
    weightFormat: isNamed ? onnxWeightFormat(path.basename(file)) : null,
  };
}

async function has(folder: string, name: string): Promise<boolean> {
  return (await kindOfPath(path.join(folder, name))) === 'file';
}

/** Names in a folder; none where it is not there. */
async function list(folder: string, foldersOnly = false): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => !foldersOnly || entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw new NotFoundError('MODEL_FILE_MISSING', `${folder} cannot be read: ${fileErrorReason(error)}.`, {
      cause: error,
      details: { folder },
    });
  }
}
