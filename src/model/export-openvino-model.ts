/** exportOpenvinoModel(): from a name or path of weights to an OpenVINO folder of the caller's. It does not run the result. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { exportOpenvino, type ExportOpenvinoSummary } from '../convert/openvino/export-openvino.js';
import { optimumInt4Defaults } from '../convert/openvino/optimum-defaults.js';
import { OPENVINO_WEIGHT_KEYS, type OpenvinoWeightOptions } from '../convert/openvino/recipe.js';
import { OptionError } from '../errors.js';
import { kindOfPath } from '../models/path-kind.js';
import type { OnLoadProgress } from '../models/progress.js';
import { FOR_EXPORT } from '../models/choose-source.js';
import { resolveModel, type ResolvedModel } from '../models/resolve.js';
import { collectSidecarsAndConfigs } from '../models/sidecars.js';
import { refuseUnknownKeys } from '../options.js';
import { devicesForOpenvinoFolder } from './describe-model.js';
import type { DeviceSuits } from './device-suits.js';

export interface ExportOpenvinoModelOptions extends OpenvinoWeightOptions {
  /** Threads that quantise; default: one a core. */
  readonly workers?: number;
  /** Replaces an exported model that is already there. Default false. */
  readonly force?: boolean;
  /** Of a model on the hub: a branch, tag or commit. */
  readonly revision?: string;
  /** Default if-missing. */
  readonly download?: 'never' | 'if-missing';
  readonly onProgress?: OnLoadProgress;
  /** What the user should know about the choices made, a sentence each, before the work begins. */
  readonly onNotice?: (notice: string) => void;
  /** Stops the export; nothing half-written stays. */
  readonly signal?: AbortSignal;
}

export interface ExportedOpenvinoModel extends ExportOpenvinoSummary {
  /** Which devices the result suits, and why not the others. */
  readonly devices: readonly DeviceSuits[];
}

const KEYS = [...OPENVINO_WEIGHT_KEYS, 'workers', 'force', 'revision', 'download', 'onProgress', 'onNotice', 'signal'];

/**
 * Converts a model's weights to `outputFolder`, which must not exist or be empty (or hold an exported model, with
 * `force`). With weightFormat int4 and no other option about weights, models that optimum-cli has a configuration for
 * get it, without the steps that need calibration.
 * Throws OPTION_*, MODEL_NOT_FOUND, DISK_INSUFFICIENT and whatever is wrong with the weights; nothing half-written stays.
 */
export async function exportOpenvinoModel(
  reference: string,
  outputFolder: string,
  options: ExportOpenvinoModelOptions = {},
): Promise<ExportedOpenvinoModel> {
  refuseUnknownKeys('exportOpenvinoModel', options, KEYS);
  const { download = 'if-missing', revision, onProgress, onNotice, signal, workers, force, ...weights } = options;
  const model = await resolveModel(reference, { request: FOR_EXPORT, revision, download, onProgress, signal });
  if (model.kind !== 'weights') {
    throw new OptionError(
      'INPUT_INVALID',
      `${model.path} is a converted folder already; export needs weights (safetensors or GGUF).`,
      { details: { reference } },
    );
  }
  const weightOptions = await withKnownDefaults(reference, model, weights, onNotice);
  const summary = await exportOpenvino({
    ...weightOptions,
    source: model.path,
    outputFolder,
    sidecars: await collectSidecarsAndConfigs(model.path, signal),
    onProgress: ({ phase, doneBytes, totalBytes }) =>
      onProgress?.({
        phase: 'convert',
        label: phase === 'measuring' ? `${model.id} (choosing layers)` : model.id,
        doneBytes,
        totalBytes,
      }),
    workers,
    force,
    signal,
  });
  return { ...summary, devices: await devicesForOpenvinoFolder(summary.folder) };
}

async function withKnownDefaults(
  reference: string,
  model: ResolvedModel,
  given: OpenvinoWeightOptions,
  onNotice: ((notice: string) => void) | undefined,
): Promise<OpenvinoWeightOptions> {
  const isExplicit = OPENVINO_WEIGHT_KEYS.some((key) => key !== 'weightFormat' && given[key] !== undefined);
  if (given.weightFormat !== 'int4' || isExplicit) return given;
  const defaults = optimumInt4Defaults([reference, ...(await nameInConfig(model.path))], path.basename(model.path));
  if (defaults === null) return given;
  const chosen = Object.entries(defaults.options).map(([option, value]) => `${option} ${value}`);
  const omitted =
    defaults.omitted.length === 0
      ? ''
      : ` Its ${defaults.omitted.join(' and ')} would need calibration: aipc rounds to nearest instead.`;
  onNotice?.(`optimum-cli's own configuration for this model applies: ${chosen.join(', ')}.${omitted}`);
  return { ...given, ...defaults.options };
}

/** Real files have about 2 KiB; opening the weights refuses longer ones. */
const MAX_CONFIG_BYTES = 256 * 1024;

/** What a Hugging Face folder's config.json calls the model. What is wrong with the file is said when it is opened. */
async function nameInConfig(folder: string): Promise<readonly string[]> {
  const file = path.join(folder, 'config.json');
  if ((await kindOfPath(file)) !== 'file') return [];
  if ((await stat(file)).size > MAX_CONFIG_BYTES) return [];
  const name = /"_name_or_path"\s*:\s*"([^"\\]+)"/.exec(await readFile(file, 'utf8'))?.[1];
  return name === undefined ? [] : [name];
}
