/**
 * The way into this folder: a path -> an open WeightSource. Decides by what the path is, not by its name.
 */
import { stat } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { NotFoundError } from '../errors.js';
import { refuseUnknownKeys } from '../options.js';
import { FileWeights } from './file-weights.js';
import { readGgufHead } from './gguf.js';
import { configFromGguf, isConfigKey } from './gguf-config.js';
import { indexHuggingFaceFolder } from './hugging-face-folder.js';
import { readRopeFactors } from './gguf-rope-factors.js';
import { ModelFile } from './model-file.js';
import { placeTensors } from './tensor-layout.js';
import { type WeightIndex } from './weight-index.js';

export interface OpenWeightsOptions {
  readonly signal?: AbortSignal;
}

/**
 * Opens a Hugging Face folder (config.json and safetensors) or a .gguf file. Reads headers only: every tensor of the
 * decoder is then known to be there, in the right shape and a readable type. The caller disposes the result.
 *
 * Throws MODEL_NOT_FOUND, MODEL_FILE_MISSING, FILE_TRUNCATED, FILE_MALFORMED, FILE_LIMIT_EXCEEDED, TENSOR_MISSING,
 * TENSOR_SHAPE_MISMATCH, ARCHITECTURE_UNSUPPORTED, DTYPE_UNSUPPORTED, MODEL_FEATURE_UNSUPPORTED, or the signal's reason.
 */
export async function openWeights(path: string, options: OpenWeightsOptions = {}): Promise<FileWeights> {
  refuseUnknownKeys('openWeights', options, ['signal']);
  const { signal } = options;
  signal?.throwIfAborted();
  const location = resolve(path);
  const index = (await isFolder(location))
    ? await indexHuggingFaceFolder(location, signal)
    : await indexGgufFile(location, signal);
  return new FileWeights(index);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw new NotFoundError(
      'MODEL_NOT_FOUND',
      `There is no model at ${path}. Give a Hugging Face folder (config.json and .safetensors files) or a .gguf file.`,
      { cause: error, details: { path } },
    );
  }
}

async function indexGgufFile(path: string, signal: AbortSignal | undefined): Promise<WeightIndex> {
  if (extname(path).toLowerCase() === '.safetensors') {
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `${path} holds weights alone. Give the folder that it is in, with its config.json.`,
      { details: { path } },
    );
  }
  await using file = await ModelFile.open(path);
  const head = await readGgufHead(file, isConfigKey, signal);
  const config = configFromGguf(path, head, await readRopeFactors(file, head));
  const stored = new Map(head.tensors.map((tensor) => [tensor.name, { ...tensor, dataFile: 0 }]));
  const tensors = placeTensors(path, config, 'gguf', stored);
  return { location: path, config, files: [path], dataFiles: [file.identity], tensors };
}
