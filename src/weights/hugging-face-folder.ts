/**
 * A Hugging Face model folder -> WeightIndex: config.json, generation_config.json, and model.safetensors or
 * model.safetensors.index.json with its shards. It reads headers, no tensor data.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelFormatError, NotFoundError } from '../errors.js';
import { malformed, overLimit, quoted } from './format-error.js';
import { configFromHuggingFace } from './hugging-face-config.js';
import { isObject, ModelFile, readJsonObject, type FileIdentity } from './model-file.js';
import { MAX_SAFETENSORS_HEADER_BYTES, readSafetensorsTensors, type HeaderBudget } from './safetensors.js';
import { MAX_TENSORS } from './stored-tensor.js';
import { placeTensors, type LocatedTensor } from './tensor-layout.js';
import { type WeightIndex } from './weight-index.js';
import { type ModelConfig } from './weights.js';

/** config.json and generation_config.json of published models stay under 20 kB. */
export const MAX_CONFIG_BYTES = 256 * 1024;
/** An index takes about 100 bytes for each tensor: 100 kB for the largest Llama. */
export const MAX_SHARD_INDEX_BYTES = 1024 * 1024;
/** The largest dense models come in 191 shards. */
export const MAX_SHARDS = 1024;

const CONFIG = 'config.json';
const GENERATION_CONFIG = 'generation_config.json';
const SINGLE_FILE = 'model.safetensors';
const SHARD_INDEX = 'model.safetensors.index.json';

/** `folder` is an absolute path. */
export async function indexHuggingFaceFolder(folder: string, signal?: AbortSignal): Promise<WeightIndex> {
  const { config, files } = await readFolderConfig(folder);
  const found = await readFiles(folder, signal);
  const tensors = placeTensors(folder, config, 'hugging-face', found.tensors);
  return { location: folder, config, files: [...files, ...found.files], dataFiles: found.dataFiles, tensors };
}

/**
 * The configuration of a folder, whether its weights are there or not: what cannot be run is refused with it.
 * Throws MODEL_FILE_MISSING, FILE_*, ARCHITECTURE_UNSUPPORTED, MODEL_FEATURE_UNSUPPORTED.
 */
export async function readFolderConfig(
  folder: string,
): Promise<{ readonly config: ModelConfig; readonly files: readonly string[] }> {
  const configPath = join(folder, CONFIG);
  if (!(await exists(configPath))) {
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `${folder} has no ${CONFIG}: it is not a Hugging Face model folder. Give the folder that holds config.json and the .safetensors files, or a .gguf file itself.`,
      { details: { folder, file: CONFIG } },
    );
  }
  const files = [configPath];
  const generationPath = join(folder, GENERATION_CONFIG);
  const hasGeneration = await exists(generationPath);
  if (hasGeneration) files.push(generationPath);
  const config = configFromHuggingFace(
    configPath,
    await readJsonObject(configPath, MAX_CONFIG_BYTES),
    hasGeneration ? await readJsonObject(generationPath, MAX_CONFIG_BYTES) : undefined,
  );
  return { config, files };
}

interface FolderTensors {
  readonly files: readonly string[];
  readonly dataFiles: readonly FileIdentity[];
  readonly tensors: ReadonlyMap<string, LocatedTensor>;
}

async function readFiles(folder: string, signal: AbortSignal | undefined): Promise<FolderTensors> {
  const single = join(folder, SINGLE_FILE);
  // transformers prefers the single file where both are there.
  if (await exists(single)) {
    const { identity, tensors } = await readShard(single, 0, signal);
    return { files: [single], dataFiles: [identity], tensors };
  }
  const indexPath = join(folder, SHARD_INDEX);
  if (await exists(indexPath)) return readShards(folder, indexPath, signal);
  throw new NotFoundError(
    'MODEL_FILE_MISSING',
    `${folder} has neither ${SINGLE_FILE} nor ${SHARD_INDEX}. aipc reads safetensors, not pytorch_model.bin: fetch the model's safetensors files.`,
    { details: { folder, files: [SINGLE_FILE, SHARD_INDEX] } },
  );
}

async function readShards(folder: string, indexPath: string, signal: AbortSignal | undefined): Promise<FolderTensors> {
  const shardOf = shardNames(indexPath, await readJsonObject(indexPath, MAX_SHARD_INDEX_BYTES));
  const names = [...new Set(shardOf.values())];
  if (names.length > MAX_SHARDS) throw overLimit(indexPath, 'the number of shards', names.length, MAX_SHARDS);
  const dataFiles: FileIdentity[] = [];
  const stored = new Map<string, ReadonlyMap<string, LocatedTensor>>();
  const budget = { bytes: MAX_SAFETENSORS_HEADER_BYTES };
  for (const name of names) {
    const shard = await readShard(join(folder, name), dataFiles.length, signal, budget);
    dataFiles.push(shard.identity);
    stored.set(name, shard.tensors);
  }
  const tensors = new Map<string, LocatedTensor>();
  for (const [tensor, shard] of shardOf) {
    const located = stored.get(shard)?.get(tensor);
    if (located === undefined) {
      throw new ModelFormatError(
        'TENSOR_MISSING',
        `${indexPath} says that the tensor ${quoted(tensor)} is in ${quoted(shard)}, but it is not there. Fetch the index and all shards again, from one revision of the model.`,
        { details: { file: indexPath, tensor, shard } },
      );
    }
    tensors.set(tensor, located);
  }
  return { files: [indexPath, ...dataFiles.map(({ path }) => path)], dataFiles, tensors };
}

async function readShard(
  path: string,
  dataFile: number,
  signal: AbortSignal | undefined,
  budget?: HeaderBudget,
): Promise<{ identity: FileIdentity; tensors: ReadonlyMap<string, LocatedTensor> }> {
  signal?.throwIfAborted();
  await using file = await ModelFile.open(path);
  const tensors = await readSafetensorsTensors(file, signal, budget);
  return { identity: file.identity, tensors: new Map(tensors.map((tensor) => [tensor.name, { ...tensor, dataFile }])) };
}

/** Tensor name -> shard file name, which must name a file in the same folder. */
function shardNames(indexPath: string, index: Readonly<Record<string, unknown>>): Map<string, string> {
  const weightMap = index['weight_map'];
  if (!isObject(weightMap)) throw malformed(indexPath, 'weight_map must be an object.');
  const entries = Object.entries(weightMap);
  if (entries.length > MAX_TENSORS) {
    throw overLimit(indexPath, 'the number of tensors', entries.length, MAX_TENSORS);
  }
  return new Map(
    entries.map(([tensor, shard]) => {
      if (typeof shard !== 'string' || !/^[\w.-]+\.safetensors$/.test(shard)) {
        throw malformed(
          indexPath,
          `the shard of ${quoted(tensor)} must be the name of a .safetensors file in the same folder (letters, digits, '.', '-', '_'), found ${quoted(shard)}.`,
          { tensor, shard },
        );
      }
      return [tensor, shard];
    }),
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    // Whatever the reason, the caller's message says which file was looked for.
    return false;
  }
}
