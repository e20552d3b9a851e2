/**
 * A folder with an ONNX decoder, or one of its .onnx files, as what must be known to load it: by genai_config.json where
 * there is one, else, as onnx-community lays its models out, by Hugging Face's config.json above or beside the graph.
 * It does not look into an ONNX file.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { ModelFormatError, NotFoundError } from '../../errors.js';
import { hasErrorCode, unreadable } from '../../file-system.js';
import { MAX_CONTEXT_TOKENS, MAX_VOCABULARY_SIZE, readModelJson, type JsonFields } from '../model-json.js';
import { ropeBoundaries } from '../rope-boundaries.js';
import {
  MAX_HEADS,
  MAX_HEAD_SIZE,
  MAX_LAYERS,
  NO_SEARCH_DEFAULTS,
  readGenaiConfig,
  type GenaiConfig,
} from './genai-config.js';

/**
 * Reads what is at `location`, a folder or an .onnx file. Throws MODEL_FILE_MISSING (also where a folder has several
 * graphs and no genai_config.json that names one), FILE_*, MODEL_FEATURE_UNSUPPORTED.
 */
export async function readOnnxFolder(location: string): Promise<GenaiConfig> {
  const isFile = /\.onnx$/iu.test(location);
  const folder = isFile ? path.dirname(location) : location;
  const graphs = isFile ? [location] : await listGraphs(location);
  if (await exists(path.join(folder, 'genai_config.json'))) {
    const config = await readGenaiConfig(folder);
    return isFile ? { ...config, modelFile: location } : config;
  }
  const [graph, ...others] = graphs;
  if (graph === undefined) return readGenaiConfig(location); // which says what is missing
  if (others.length === 0) return readHuggingFaceConfig(await rootOf(path.dirname(graph)), graph);
  throw new NotFoundError(
    'MODEL_FILE_MISSING',
    `${location} holds several ONNX files and no genai_config.json that names one: give the path of the one that is meant.`,
    { details: { folder: location, found: graphs } },
  );
}

/** The .onnx files of a folder, in `onnx/` or in itself. */
async function listGraphs(folder: string): Promise<readonly string[]> {
  for (const inside of [path.join(folder, 'onnx'), folder]) {
    const names = await readdir(inside).catch((error: unknown) => {
      if (hasErrorCode(error, 'ENOENT', 'ENOTDIR')) return [];
      throw unreadable(inside, error, 'Give the folder of an ONNX model.');
    });
    const graphs = names.filter((name) => /\.onnx$/iu.test(name)).sort();
    if (graphs.length > 0) return graphs.map((name) => path.join(inside, name));
  }
  return [];
}

/** The folder with config.json: this one, or the one above `onnx/`. */
async function rootOf(folder: string): Promise<string> {
  if (await exists(path.join(folder, 'config.json'))) return folder;
  const above = path.dirname(folder);
  return (await exists(path.join(above, 'config.json'))) ? above : folder;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** Names of inputs and outputs are those of optimum and transformers.js, which are genai's defaults too. */
async function readHuggingFaceConfig(folder: string, modelFile: string): Promise<GenaiConfig> {
  const file = path.join(folder, 'config.json');
  const config = await readModelJson(
    file,
    'An ONNX model needs genai_config.json, or the config.json of the model that it was made from, beside it.',
  );
  const generationFile = path.join(folder, 'generation_config.json');
  const generation = (await exists(generationFile)) ? await readModelJson(generationFile, '') : undefined;
  const heads = config.count('num_attention_heads', MAX_HEADS);
  const contextTokens = config.count('max_position_embeddings', MAX_CONTEXT_TOKENS);
  // Chat models name further end tokens in generation_config.json alone.
  const named = generation?.tokenIds('eos_token_id') ?? [];
  return {
    file,
    modelFile,
    contextTokens,
    vocabularySize: config.count('vocab_size', MAX_VOCABULARY_SIZE),
    layers: config.count('num_hidden_layers', MAX_LAYERS),
    kvHeads: config.hasValue('num_key_value_heads') ? config.count('num_key_value_heads', MAX_HEADS) : heads,
    headSize: headSize(file, config, heads),
    inputIds: 'input_ids',
    attentionMask: 'attention_mask',
    positionIds: 'position_ids',
    logits: 'logits',
    pastKey: 'past_key_values.%d.key',
    pastValue: 'past_key_values.%d.value',
    presentKey: 'present.%d.key',
    presentValue: 'present.%d.value',
    endTokenIds: named.length > 0 ? named : config.tokenIds('eos_token_id'),
    bosTokenId: config.tokenIds('bos_token_id')[0] ?? generation?.tokenIds('bos_token_id')[0] ?? null,
    sessionOptions: {},
    providerOptions: new Map(),
    search: NO_SEARCH_DEFAULTS,
    ropeBoundaries: ropeBoundaries(config, contextTokens),
  };
}

function headSize(file: string, config: JsonFields, heads: number): number {
  if (config.hasValue('head_dim')) return config.count('head_dim', MAX_HEAD_SIZE);
  const size = config.count('hidden_size', MAX_HEADS * MAX_HEAD_SIZE) / heads;
  if (Number.isInteger(size) && size <= MAX_HEAD_SIZE) return size;
  throw new ModelFormatError(
    'FILE_MALFORMED',
    `${file}: hidden_size does not divide into ${heads} heads of at most ${MAX_HEAD_SIZE}. Download the model anew.`,
    { details: { file } },
  );
}
