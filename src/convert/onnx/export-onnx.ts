/**
 * exportOnnx: a model's weights become a folder that ONNX Runtime runs, aipc's engine and onnxruntime-genai alike.
 * It decides what is in the folder and in which order things are checked; graph, bytes and threads are its siblings'.
 */
import { availableParallelism } from 'node:os';
import { copyFile, open, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NotFoundError, OptionError, ResourceError } from '../../errors.js';
import { checkNumber, refuseUnknownKeys } from '../../options.js';
import { FileWeights } from '../../weights/file-weights.js';
import { openWeights } from '../../weights/open-weights.js';
import type { WeightSource } from '../../weights/weights.js';
import { describeDecoder, type Decoder } from '../decoder.js';
import type { ExportJob } from '../export-job.js';
import { createInlineRunner, createWorkerRunner, runAll } from '../export-runner.js';
import { checkTargetFolder, createPartialFolder } from '../partial-folder.js';
import {
  checkBoolean,
  EXPORTER_VERSION,
  resolveWeightRecipe,
  type WeightFormat,
  type WeightOptions,
  type WeightRecipe,
} from '../recipe.js';
import { sliceBytes, sliceTasks, type TensorSlice } from '../tensor-task.js';
import { buildDecoderGraph } from './decoder-graph.js';
import { genaiConfig } from './genai-config.js';

/** A file put into the folder as it is: tokenizer.json, tokenizer_config.json, chat template, config.json and so on. */
export type Sidecar =
  { readonly name: string; readonly bytes: Uint8Array } | { readonly name: string; readonly sourcePath: string };

export interface ExportProgress {
  /** 'weights' is nearly all of the time. */
  readonly phase: 'preparing' | 'weights' | 'finishing';
  /** Of the data file. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** The source's tensor that was just worked on, or null. */
  readonly tensor: string | null;
}

export interface ExportOnnxOptions extends WeightOptions {
  /**
   * A path that openWeights takes, or an open source, which stays the caller's. Worker threads read weights in files;
   * a source of another kind is read in this thread.
   */
  readonly source: WeightSource | string;
  /** Must not exist or be empty, unless `force` is set. Created with its parents. */
  readonly outputFolder: string;
  /** Default: none. Names must not be those of the exporter's own files. */
  readonly sidecars?: readonly Sidecar[] | undefined;
  readonly onProgress?: ((progress: ExportProgress) => void) | undefined;
  /** Stops within one slice of a tensor; the promise then rejects with signal.reason and nothing is left. */
  readonly signal?: AbortSignal | undefined;
  /** Worker threads, 0 (this thread) to 64. Default: one for each available core. */
  readonly workers?: number | undefined;
  /** Replaces an exported model that is already there. Default false. */
  readonly force?: boolean | undefined;
}

export interface ExportSummary {
  /** Absolute path. */
  readonly folder: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly totalBytes: number;
  readonly recipe: WeightRecipe;
  readonly exporterVersion: number;
  readonly durationMs: number;
}

const OPTION_KEYS = [
  'source',
  'outputFolder',
  'weightFormat',
  'blockSize',
  'symmetric',
  'accuracyLevel',
  'sidecars',
  'onProgress',
  'signal',
  'workers',
  'force',
] as const satisfies readonly (keyof ExportOnnxOptions)[];

export const MODEL_FILE = 'model.onnx';
export const DATA_FILE = 'model.onnx.data';
export const GENAI_CONFIG_FILE = 'genai_config.json';
/** Where the folder came from; see `provenance`. */
export const PROVENANCE_FILE = 'aipc.json';
const OWN_FILES = [MODEL_FILE, DATA_FILE, GENAI_CONFIG_FILE, PROVENANCE_FILE];

/** More threads than this wait for the disk. */
const MAX_WORKERS = 64;
/** What the files other than the data file and the sidecars take at most, for the check of free disk space. */
const SMALL_FILES_BYTES = 8 * 1024 * 1024;

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
  const { recipe, target, sidecars, workers, force } = resolveOptions(options);
  const { signal } = options;
  signal?.throwIfAborted();
  await checkTargetFolder('exportOnnx', target, force);
  const sidecarBytes = await measureSidecars(sidecars);

  const source =
    typeof options.source === 'string'
      ? await openWeights(options.source, signal === undefined ? {} : { signal })
      : options.source;
  try {
    const decoder = describeDecoder(source.config, source.tensors, source.location);
    const { model, tasks, dataFileBytes } = buildDecoderGraph(decoder, recipe, {
      dataFile: DATA_FILE,
      producerVersion: String(EXPORTER_VERSION),
    });
    const neededBytes = dataFileBytes + sidecarBytes + SMALL_FILES_BYTES;
    const partial = await createPartialFolder(target, (folder) => checkDiskSpace(folder, neededBytes));
    try {
      const file = (name: string): string => path.join(partial.path, name);
      const report = progressReporter(options.onProgress, tasks);
      report('preparing', null);
      await createFile(file(DATA_FILE), dataFileBytes);
      {
        await using runner =
          workers > 0 && source instanceof FileWeights
            ? createWorkerRunner(source.index, file(DATA_FILE), workers)
            : createInlineRunner(source, file(DATA_FILE));
        await runner.run({ kind: 'encode', model, file: file(MODEL_FILE) });
        await runAll(runner, sliceJobs(tasks), (job) => report('weights', job.slice), signal);
      }
      report('finishing', null);
      await writeFile(file(GENAI_CONFIG_FILE), toJson(genaiConfig(decoder, MODEL_FILE)));
      await writeFile(file(PROVENANCE_FILE), toJson(provenance(source, decoder, recipe)));
      for (const sidecar of sidecars) {
        if ('bytes' in sidecar) await writeFile(file(sidecar.name), sidecar.bytes);
        else await copyFile(sidecar.sourcePath, file(sidecar.name));
      }
      const files = [];
      for (const name of [...OWN_FILES, ...sidecars.map((sidecar) => sidecar.name)]) {
        files.push({ name, bytes: await syncFile(file(name)) });
      }
      signal?.throwIfAborted();
      await partial.commit('exportOnnx', force);
      return {
        folder: target,
        files,
        totalBytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
        recipe,
        exporterVersion: EXPORTER_VERSION,
        durationMs: performance.now() - started,
      };
    } catch (error) {
      await partial.discard();
      throw diskFull(error, target) ?? error;
    }
  } finally {
    if (typeof options.source === 'string') await source[Symbol.asyncDispose]();
  }
}

function resolveOptions(options: ExportOnnxOptions): {
  recipe: WeightRecipe;
  target: string;
  sidecars: readonly Sidecar[];
  workers: number;
  force: boolean;
} {
  const where = 'exportOnnx';
  refuseUnknownKeys(where, options, OPTION_KEYS);
  const { outputFolder, sidecars = [], workers = Math.min(availableParallelism(), MAX_WORKERS) } = options;
  if (typeof outputFolder !== 'string' || outputFolder === '') {
    throw new OptionError('OPTION_INVALID', `${where}: outputFolder must be a path.`, {
      details: { option: 'outputFolder' },
    });
  }
  checkSidecarNames(where, sidecars);
  return {
    recipe: resolveWeightRecipe(where, options),
    target: path.resolve(outputFolder),
    sidecars,
    workers: checkNumber(where, 'workers', workers, { min: 0, max: MAX_WORKERS, integer: true }),
    force: checkBoolean(where, 'force', options.force ?? false),
  };
}

/** Names must be plain file names, different from each other and from ours on disks that ignore case too. */
function checkSidecarNames(where: string, sidecars: readonly Sidecar[]): void {
  const taken = new Set(OWN_FILES);
  for (const { name } of sidecars) {
    const refuse = (problem: string): OptionError =>
      new OptionError('OPTION_INVALID', `${where}: sidecar '${name}' ${problem}.`, {
        details: { option: 'sidecars', found: name },
      });
    if (name === '' || name === '.' || name === '..' || /[\\/:]/.test(name)) throw refuse('is not a plain file name');
    const key = name.toLowerCase();
    if (taken.has(key)) throw refuse('would be written twice');
    taken.add(key);
  }
}

async function measureSidecars(sidecars: readonly Sidecar[]): Promise<number> {
  let bytes = 0;
  for (const sidecar of sidecars) {
    if ('bytes' in sidecar) {
      bytes += sidecar.bytes.length;
    } else {
      const { size } = await stat(sidecar.sourcePath).catch((cause: unknown) => {
        throw new NotFoundError('MODEL_FILE_MISSING', `exportOnnx: sidecar ${sidecar.sourcePath} cannot be read.`, {
          cause,
          details: { file: sidecar.sourcePath },
        });
      });
      bytes += size;
    }
  }
  return bytes;
}

/** `folder` must exist. */
async function checkDiskSpace(folder: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const availableBytes = bavail * bsize;
  if (neededBytes <= availableBytes) return;
  const mib = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024).toLocaleString('en')} MiB`;
  throw new ResourceError(
    'DISK_INSUFFICIENT',
    `The export needs ${mib(neededBytes)} in ${folder}, but only ${mib(availableBytes)} are free. ` +
      'Free some space, choose another folder, or a smaller weight format.',
    { details: { folder, neededBytes, availableBytes } },
  );
}

/** The disk filled up meanwhile. */
function diskFull(error: unknown, target: string): ResourceError | null {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) return null;
  return new ResourceError('DISK_INSUFFICIENT', `The disk filled up while exporting to ${target}.`, {
    cause: error,
    details: { folder: target },
  });
}

type SliceJob = Extract<ExportJob, { kind: 'slice' }>;

function* sliceJobs(tasks: Parameters<typeof sliceTasks>[0]): Generator<SliceJob, undefined> {
  for (const slice of sliceTasks(tasks)) yield { kind: 'slice', slice };
}

type Report = (phase: ExportProgress['phase'], slice: TensorSlice | null) => void;

function progressReporter(
  onProgress: ExportOnnxOptions['onProgress'],
  tasks: Parameters<typeof sliceTasks>[0],
): Report {
  let totalBytes = 0;
  for (const slice of sliceTasks(tasks)) totalBytes += sliceBytes(slice);
  let doneBytes = 0;
  return (phase, slice) => {
    if (slice !== null) doneBytes += sliceBytes(slice);
    const tensor = slice !== null && 'tensor' in slice.task ? slice.task.tensor : null;
    onProgress?.({ phase, doneBytes, totalBytes, tensor });
  };
}

/** What aipc.json says. No time and no absolute path: the same export gives the same bytes anywhere. */
function provenance(source: WeightSource, decoder: Decoder, recipe: WeightRecipe): object {
  const weights =
    'block' in recipe
      ? { ...recipe.block, accuracyLevel: recipe.accuracyLevel }
      : { blockSize: null, symmetric: null, accuracyLevel: null };
  return {
    schemaVersion: 1,
    exporterVersion: EXPORTER_VERSION,
    runtime: 'onnxruntime',
    source: { name: path.basename(source.location), files: source.files.map((file) => path.basename(file)) },
    architecture: decoder.architecture,
    contextTokens: decoder.contextTokens,
    slidingWindow: decoder.attention.windowTokens,
    weightFormat: recipe.weightFormat satisfies WeightFormat,
    ...weights,
  };
}

function toJson(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

async function createFile(file: string, bytes: number): Promise<void> {
  const handle = await open(file, 'wx');
  try {
    await handle.truncate(bytes);
  } finally {
    await handle.close();
  }
}

/** Brings the file to the disk and returns its size. */
async function syncFile(file: string): Promise<number> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}
