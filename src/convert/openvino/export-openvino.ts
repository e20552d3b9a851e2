/**
 * exportOpenvino: a model's weights become a folder with an OpenVINO IR, laid out as optimum-intel's exports are, that
 * aipc's engine, optimum-intel and openvino-genai run. It decides what is in the folder; the graph, the choice of
 * formats, bytes, threads and the folder's coming into being are its siblings'.
 */
import { open, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { refuseUnknownKeys } from '../../options.js';
import type { WeightSource } from '../../weights/weights.js';
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
import { DataLayout } from './data-layout.js';
import { buildDecoderIr } from './decoder-ir.js';
import { irXml } from './ir-xml.js';
import { measureErrors } from './measure-errors.js';
import { openvinoConfig, runtimeInfo } from './metadata.js';
import {
  OPENVINO_EXPORTER_VERSION,
  OPENVINO_WEIGHT_KEYS,
  resolveOpenvinoRecipe,
  type OpenvinoRecipe,
  type OpenvinoWeightOptions,
} from './recipe.js';
import {
  allMatrices,
  decoderMatrices,
  int4Candidates,
  planWeights,
  type WeightMatrix,
  type WeightPlan,
} from './weight-plan.js';

export interface ExportOpenvinoOptions extends OpenvinoWeightOptions, ExportFolderOptions {}

export interface ExportOpenvinoSummary extends ExportFolderSummary {
  readonly recipe: OpenvinoRecipe;
  /** How much of the matrices' weights is stored how, each 0 to 1. */
  readonly shares: WeightShares;
  readonly exporterVersion: number;
  readonly durationMs: number;
}

export interface WeightShares {
  readonly int4: number;
  readonly int8: number;
  readonly float: number;
}

export const OPENVINO_MODEL_FILE = 'openvino_model.xml';
/** The same model with the input `logits_first_row`, on the same data file. */
export const OPENVINO_LOGITS_ROWS_FILE = 'openvino_model_logits_rows.xml';
export const OPENVINO_DATA_FILE = 'openvino_model.bin';
export const OPENVINO_CONFIG_FILE = 'openvino_config.json';
const OWN_FILES = [
  OPENVINO_MODEL_FILE,
  OPENVINO_LOGITS_ROWS_FILE,
  OPENVINO_DATA_FILE,
  OPENVINO_CONFIG_FILE,
  PROVENANCE_FILE,
];

/** From so many parameters on optimum-cli compresses to int8 unless told otherwise (_MAX_UNCOMPRESSED_SIZE). */
const COMPRESSED_FROM_PARAMETERS = 1e9;

/**
 * Quantises and writes a model: openvino_model.xml (logits of all rows), openvino_model_logits_rows.xml, their common
 * openvino_model.bin, openvino_config.json, aipc.json and the sidecars. The folder appears when it is complete. The same
 * source and options give the same bytes, with any number of workers. Memory is about 16 MiB for each worker, whatever
 * the model's size. A ratio under 1 reads the weights twice.
 *
 * Throws OPTION_UNKNOWN and OPTION_INVALID (for a target that is not empty, and for a group size that does not divide a
 * matrix's rows), DISK_INSUFFICIENT before anything is written, TENSOR_MISSING, TENSOR_SHAPE_MISMATCH, FILE_MALFORMED
 * (NaN or infinity among the weights), MODEL_FEATURE_UNSUPPORTED, DTYPE_UNSUPPORTED (a weight or scale beyond fp16),
 * what openWeights throws, or signal.reason.
 */
export async function exportOpenvino(options: ExportOpenvinoOptions): Promise<ExportOpenvinoSummary> {
  const started = performance.now();
  const where = 'exportOpenvino';
  refuseUnknownKeys(where, options, [...EXPORT_FOLDER_KEYS, ...OPENVINO_WEIGHT_KEYS]);
  resolveOpenvinoRecipe(where, options, 'int4'); // what is wrong in itself is said before a file is opened
  const target = await resolveTarget(where, options, OWN_FILES);
  return withSource(options.source, options.signal, async (source) => {
    const recipe = resolveOpenvinoRecipe(where, options, defaultWeightFormat(source));
    const decoder = describeDecoder(source.config, source.tensors, source.location);
    const matrices = decoderMatrices(decoder, (tensor) => floatFormatOf(source, tensor));
    const all = allMatrices(matrices);
    await using runner = createRunner(source, target.workers);
    const errors =
      recipe.weightFormat === 'int4' && recipe.ratio < 1
        ? await measureErrors(runner, int4Candidates(all, recipe).candidates, options)
        : undefined;
    const plan = planWeights(where, all, recipe, errors);

    const layout = new DataLayout();
    const standard = buildDecoderIr(decoder, matrices, plan, layout, { logitsFirstRow: false });
    const logitsRows = buildDecoderIr(decoder, matrices, plan, layout, { logitsFirstRow: true });
    const tasks = [...standard.tasks, ...logitsRows.tasks];
    const info = runtimeInfo(recipe);
    const by = { exporterVersion: OPENVINO_EXPORTER_VERSION, runtime: 'openvino' };

    const summary = await fillFolder(target, layout.totalBytes, async (folder) => {
      const file = (name: string): string => path.join(folder, name);
      await createFile(file(OPENVINO_DATA_FILE), layout.totalBytes);
      await writeSmallConstants(file(OPENVINO_DATA_FILE), layout);
      await writeWeights(runner, tasks, file(OPENVINO_DATA_FILE), options);
      await writeFile(file(OPENVINO_MODEL_FILE), irXml(standard.graph, info));
      await writeFile(file(OPENVINO_LOGITS_ROWS_FILE), irXml(logitsRows.graph, info));
      await writeFile(file(OPENVINO_CONFIG_FILE), toJson(openvinoConfig(recipe)));
      await writeFile(file(PROVENANCE_FILE), toJson(provenance(source, decoder, by, recipe)));
      return OWN_FILES;
    });
    return {
      ...summary,
      recipe,
      shares: sharesOf(all, plan),
      exporterVersion: OPENVINO_EXPORTER_VERSION,
      durationMs: performance.now() - started,
    };
  });
}

/** As optimum-cli without --weight-format; bf16 counts as fp16, which every device takes. */
function defaultWeightFormat(source: WeightSource): 'int8' | 'fp16' | 'fp32' {
  const tensors = [...source.tensors.values()];
  const parameterCount = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  if (parameterCount >= COMPRESSED_FROM_PARAMETERS) return 'int8';
  return tensors.some(({ dtype, shape }) => dtype === 'F32' && shape.length > 1) ? 'fp32' : 'fp16';
}

function floatFormatOf(source: WeightSource, tensor: string): 'fp16' | 'fp32' {
  return source.tensors.get(tensor)?.dtype === 'F32' ? 'fp32' : 'fp16';
}

async function writeSmallConstants(file: string, layout: DataLayout): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    for (const { bytes, offsetBytes } of layout.smallConstants) {
      await handle.write(bytes, 0, bytes.length, offsetBytes);
    }
  } finally {
    await handle.close();
  }
}

function sharesOf(matrices: readonly WeightMatrix[], plan: WeightPlan): WeightShares {
  const counts = { int4: 0, int8: 0, float: 0 };
  for (const { name, linear } of matrices) {
    const format = plan.get(name);
    const kind = typeof format !== 'object' ? 'float' : format.bits === 4 ? 'int4' : 'int8';
    counts[kind] += linear.inputSize * linear.outputSize;
  }
  const total = counts.int4 + counts.int8 + counts.float;
  return { int4: counts.int4 / total, int8: counts.int8 / total, float: counts.float / total };
}
