/** exportModel(): from a name or path of weights to an ONNX folder of the caller's. It does not run the result. */
import { exportOnnx, type ExportSummary } from '../convert/onnx/export-onnx.js';
import type { WeightOptions } from '../convert/recipe.js';
import { OptionError } from '../errors.js';
import { refuseUnknownKeys } from '../options.js';
import { collectSidecars } from '../models/sidecars.js';
import { FOR_EXPORT } from '../models/choose-source.js';
import { resolveModel } from '../models/resolve.js';
import type { OnLoadProgress } from '../models/progress.js';

export interface ExportModelOptions extends WeightOptions {
  /** Threads that quantise; default: one a core. */
  readonly workers?: number;
  /** Of a model on the hub: a branch, tag or commit. */
  readonly revision?: string;
  /** Default if-missing. */
  readonly download?: 'never' | 'if-missing';
  readonly onProgress?: OnLoadProgress;
  /** Stops the export; nothing half-written stays. */
  readonly signal?: AbortSignal;
}

const KEYS = [
  'target',
  'activations',
  'weightFormat',
  'blockSize',
  'symmetric',
  'accuracyLevel',
  'workers',
  'revision',
  'download',
  'onProgress',
  'signal',
];

/**
 * Converts a model's weights to `outputFolder`, which must not exist or be empty.
 * Throws OPTION_*, MODEL_NOT_FOUND, DISK_INSUFFICIENT and whatever is wrong with the weights; nothing half-written stays.
 */
export async function exportModel(
  reference: string,
  outputFolder: string,
  options: ExportModelOptions = {},
): Promise<ExportSummary> {
  refuseUnknownKeys('exportModel', options, KEYS);
  const { download = 'if-missing', revision, onProgress, signal, ...recipeAndWorkers } = options;
  const model = await resolveModel(reference, { request: FOR_EXPORT, revision, download, onProgress, signal });
  if (model.kind !== 'weights') {
    throw new OptionError(
      'INPUT_INVALID',
      `${model.path} is an ONNX folder already; export needs weights (safetensors or GGUF).`,
    );
  }
  return exportOnnx({
    ...recipeAndWorkers,
    source: model.path,
    outputFolder,
    sidecars: await collectSidecars(model.path),
    onProgress: ({ doneBytes, totalBytes }) =>
      onProgress?.({ phase: 'convert', label: model.id, doneBytes, totalBytes }),
    signal,
  });
}
