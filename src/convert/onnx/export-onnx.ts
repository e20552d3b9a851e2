/**
 * exportOnnx: a model's weights become a folder that ONNX Runtime runs, aipc's engine and onnxruntime-genai alike.
 * It decides what is in the folder; graph, bytes, threads and the folder's coming into being are its siblings'.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { refuseUnknownKeys } from '../../options.js';
import { describeDecoder } from '../decoder.js';
import {
  createFile,
  EXPORT_FOLDER_KEYS,
  fillFolder,
  PROVENANCE_FILE,
  provenance,
  resolveTarget,
  toJson,
  withSource,
  writeWeights,
  type ExportFolderOptions,
  type ExportFolderSummary,
} from '../export-folder.js';
import { createRunner } from '../export-runner.js';
import {
  EXPORTER_VERSION,
  resolveWeightRecipe,
  type WeightFormat,
  type WeightOptions,
  type WeightRecipe,
} from '../recipe.js';
import { buildDecoderGraph } from './decoder-graph.js';
import { genaiConfig } from './genai-config.js';

export interface ExportOnnxOptions extends WeightOptions, ExportFolderOptions {}

export interface ExportSummary extends ExportFolderSummary {
  readonly recipe: WeightRecipe;
  readonly exporterVersion: number;
  readonly durationMs: number;
}

const OPTION_KEYS = [
  ...EXPORT_FOLDER_KEYS,
  'target',
  'activations',
  'weightFormat',
  'blockSize',
  'symmetric',
  'accuracyLevel',
] as const satisfies readonly (keyof ExportOnnxOptions)[];

export const MODEL_FILE = 'model.onnx';
export const DATA_FILE = 'model.onnx.data';
export const GENAI_CONFIG_FILE = 'genai_config.json';
const OWN_FILES = [MODEL_FILE, DATA_FILE, GENAI_CONFIG_FILE, PROVENANCE_FILE];

/**
 * Quantises and writes a model: model.onnx, model.onnx.data, genai_config.json, aipc.json and the sidecars.
 * The folder appears when it is complete. The same source and options give the same bytes, with any number of workers.
 * Memory is about 16 MiB for each worker, whatever the model's size.
 *
 * Throws OPTION_UNKNOWN and OPTION_INVALID (also for a target that is not empty), DISK_INSUFFICIENT before anything is
 * written, TENSOR_MISSING, TENSOR_SHAPE_MISMATCH, FILE_MALFORMED (NaN or infinity among the weights),
 * MODEL_FEATURE_UNSUPPORTED, DTYPE_UNSUPPORTED (a weight beyond fp16), what openWeights throws, or signal.reason.
 */
export async function exportOnnx(options: ExportOnnxOptions): Promise<ExportSummary> {
  const started = performance.now();
  refuseUnknownKeys('exportOnnx', options, OPTION_KEYS);
  const recipe = resolveWeightRecipe('exportOnnx', options);
  const target = await resolveTarget('exportOnnx', options, OWN_FILES);
  return withSource(options.source, options.signal, async (source) => {
    const decoder = describeDecoder(source.config, source.tensors, source.location);
    const { model, tasks, dataFileBytes } = buildDecoderGraph(decoder, recipe, {
      dataFile: DATA_FILE,
      producerVersion: String(EXPORTER_VERSION),
    });
    const summary = await fillFolder(target, dataFileBytes, async (folder) => {
      const file = (name: string): string => path.join(folder, name);
      await createFile(file(DATA_FILE), dataFileBytes);
      await using runner = createRunner(source, target.workers);
      await runner.run({ kind: 'encode', model, file: file(MODEL_FILE) });
      await writeWeights(runner, tasks, file(DATA_FILE), options);
      await writeFile(file(GENAI_CONFIG_FILE), toJson(genaiConfig(decoder, MODEL_FILE, recipe.target)));
      const by = { exporterVersion: EXPORTER_VERSION, runtime: 'onnxruntime' };
      await writeFile(file(PROVENANCE_FILE), toJson(provenance(source, decoder, by, weightFacts(recipe))));
      return OWN_FILES;
    });
    return { ...summary, recipe, exporterVersion: EXPORTER_VERSION, durationMs: performance.now() - started };
  });
}

function weightFacts(recipe: WeightRecipe): object {
  const weights =
    'block' in recipe
      ? { ...recipe.block, accuracyLevel: recipe.accuracyLevel }
      : { blockSize: null, symmetric: null, accuracyLevel: null };
  const { target, activations } = recipe;
  return { target, activations, weightFormat: recipe.weightFormat satisfies WeightFormat, ...weights };
}
