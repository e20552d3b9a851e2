/**
 * What every export does around its own files, whatever the runtime: checks the target, the sidecars and the disk, fills
 * a temporary folder, brings it to the disk and gives it its name; or leaves nothing. It knows no file format.
 */
import { availableParallelism } from 'node:os';
import { copyFile, open, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NotFoundError, OptionError, ResourceError } from '../errors.js';
import { checkNumber } from '../options.js';
import { openWeights } from '../weights/open-weights.js';
import type { WeightSource } from '../weights/weights.js';
import type { Decoder } from './decoder.js';
import type { ExportJob } from './export-job.js';
import { MAX_WORKERS, runAll, type ExportRunner } from './export-runner.js';
import { checkTargetFolder, createPartialFolder } from './partial-folder.js';
import { checkBoolean } from './recipe.js';
import { sliceBytes, sliceTasks, type TensorTask } from './tensor-task.js';

/** A file put into the folder as it is: tokenizer.json, tokenizer_config.json, chat template, config.json and so on. */
export type Sidecar =
  { readonly name: string; readonly bytes: Uint8Array } | { readonly name: string; readonly sourcePath: string };

export interface ExportProgress {
  /** 'measuring' (for mixed precision) reads all weights once more; else 'weights' is nearly all of the time. */
  readonly phase: 'preparing' | 'measuring' | 'weights' | 'finishing';
  /** Of the data file; while measuring, of the weights as f32. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** The source's tensor that was just worked on, or null. */
  readonly tensor: string | null;
}

/** Options that every export has. */
export interface ExportFolderOptions {
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

export const EXPORT_FOLDER_KEYS = [
  'source',
  'outputFolder',
  'sidecars',
  'onProgress',
  'signal',
  'workers',
  'force',
] as const satisfies readonly (keyof ExportFolderOptions)[];

/** Where the folder came from; see `provenance`. */
export const PROVENANCE_FILE = 'aipc.json';

export interface ExportFolderSummary {
  /** Absolute path. */
  readonly folder: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly totalBytes: number;
}

/** Options resolved and checked. */
export interface ExportTarget {
  /** The exporting function's name, for messages. */
  readonly where: string;
  /** Absolute. */
  readonly folder: string;
  readonly force: boolean;
  readonly workers: number;
  readonly sidecars: readonly Sidecar[];
  readonly sidecarBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** What the files other than the data file and the sidecars take at most, for the check of free disk space. */
const SMALL_FILES_BYTES = 8 * 1024 * 1024;

/**
 * Checks all that can be checked without the weights; changes nothing. `ownFiles` are the names that the exporter
 * writes. Throws OPTION_INVALID, MODEL_FILE_MISSING for a sidecar, or the signal's reason.
 */
export async function resolveTarget(
  where: string,
  options: ExportFolderOptions,
  ownFiles: readonly string[],
): Promise<ExportTarget> {
  const { outputFolder, sidecars = [], workers = Math.min(availableParallelism(), MAX_WORKERS), signal } = options;
  if (typeof outputFolder !== 'string' || outputFolder === '') {
    throw new OptionError('OPTION_INVALID', `${where}: outputFolder must be a path.`, {
      details: { option: 'outputFolder' },
    });
  }
  checkSidecarNames(where, sidecars, ownFiles);
  const folder = path.resolve(outputFolder);
  const force = checkBoolean(where, 'force', options.force ?? false);
  checkNumber(where, 'workers', workers, { min: 0, max: MAX_WORKERS, integer: true });
  signal?.throwIfAborted();
  await checkTargetFolder(where, folder, force);
  return { where, folder, force, workers, sidecars, sidecarBytes: await measureSidecars(where, sidecars), signal };
}

/** Opens what is given as a path and closes it again; an open source stays the caller's. */
export async function withSource<T>(
  source: WeightSource | string,
  signal: AbortSignal | undefined,
  use: (source: WeightSource) => Promise<T>,
): Promise<T> {
  if (typeof source !== 'string') return use(source);
  await using opened = await openWeights(source, signal === undefined ? {} : { signal });
  return await use(opened);
}

/**
 * Lets `write` fill a temporary folder with the files that it then names, adds the sidecars and moves everything to the
 * target. `dataFileBytes` is what `write` writes, small files aside. Throws DISK_INSUFFICIENT, before anything is
 * written where it can be known, and what `write` throws; nothing is left then.
 */
export async function fillFolder(
  target: ExportTarget,
  dataFileBytes: number,
  write: (folder: string) => Promise<readonly string[]>,
): Promise<ExportFolderSummary> {
  const { where, folder, force, sidecars, signal } = target;
  const neededBytes = dataFileBytes + target.sidecarBytes + SMALL_FILES_BYTES;
  const partial = await createPartialFolder(folder, (parent) => checkDiskSpace(parent, neededBytes));
  try {
    const names = [...(await write(partial.path))];
    for (const sidecar of sidecars) {
      const file = path.join(partial.path, sidecar.name);
      if ('bytes' in sidecar) await writeFile(file, sidecar.bytes);
      else await copyFile(sidecar.sourcePath, file);
      names.push(sidecar.name);
    }
    const files = [];
    for (const name of names) files.push({ name, bytes: await syncFile(path.join(partial.path, name)) });
    signal?.throwIfAborted();
    await partial.commit(where, force);
    return { folder, files, totalBytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
  } catch (error) {
    await partial.discard();
    throw diskFull(error, folder) ?? error;
  }
}

/** Does the tasks on a data file that exists, and reports them. The runner is disposed of at the end: it has the file open. */
export async function writeWeights(
  runner: ExportRunner,
  tasks: readonly TensorTask[],
  dataFile: string,
  { onProgress, signal }: Pick<ExportFolderOptions, 'onProgress' | 'signal'>,
): Promise<void> {
  let totalBytes = 0;
  for (const slice of sliceTasks(tasks)) totalBytes += sliceBytes(slice);
  let doneBytes = 0;
  const report = (phase: ExportProgress['phase'], tensor: string | null): void =>
    onProgress?.({ phase, doneBytes, totalBytes, tensor });
  report('preparing', null);
  try {
    await runAll(
      runner,
      sliceJobs(tasks, dataFile),
      ({ slice }) => {
        doneBytes += sliceBytes(slice);
        report('weights', 'tensor' in slice.task ? slice.task.tensor : null);
      },
      signal,
    );
  } finally {
    await runner[Symbol.asyncDispose]();
  }
  report('finishing', null);
}

type SliceJob = Extract<ExportJob, { kind: 'slice' }>;

function* sliceJobs(tasks: readonly TensorTask[], dataFile: string): Generator<SliceJob, undefined> {
  for (const slice of sliceTasks(tasks)) yield { kind: 'slice', slice, dataFile };
}

/**
 * What aipc.json says; `weights` are the exporter's own facts. No time and no absolute path: the same export gives the
 * same bytes anywhere.
 */
export function provenance(
  source: WeightSource,
  decoder: Decoder,
  by: { readonly exporterVersion: number; readonly runtime: string },
  weights: object,
): object {
  return {
    schemaVersion: 1,
    ...by,
    source: { name: path.basename(source.location), files: source.files.map((file) => path.basename(file)) },
    architecture: decoder.architecture,
    contextTokens: decoder.contextTokens,
    slidingWindow: decoder.attention.windowTokens,
    ...weights,
  };
}

export function toJson(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Must not exist yet; filled with zeros. */
export async function createFile(file: string, bytes: number): Promise<void> {
  const handle = await open(file, 'wx');
  try {
    await handle.truncate(bytes);
  } finally {
    await handle.close();
  }
}

/** Names must be plain file names, different from each other and from ours on disks that ignore case too. */
function checkSidecarNames(where: string, sidecars: readonly Sidecar[], ownFiles: readonly string[]): void {
  const taken = new Set(ownFiles);
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

async function measureSidecars(where: string, sidecars: readonly Sidecar[]): Promise<number> {
  let bytes = 0;
  for (const sidecar of sidecars) {
    if ('bytes' in sidecar) {
      bytes += sidecar.bytes.length;
    } else {
      const { size } = await stat(sidecar.sourcePath).catch((cause: unknown) => {
        throw new NotFoundError('MODEL_FILE_MISSING', `${where}: sidecar ${sidecar.sourcePath} cannot be read.`, {
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
