/**
 * Conversions are done once: a converted folder lives in aipc's cache under a key of all that it depends on
 * (source, recipe, exporter, runtime), with a record of that in it. It does not convert: convert/ does.
 *
 *   <cache>/conversions/<model>-<runtime>-<format>-<key>/          complete or not there at all
 *                      /<the same>.partial-<process>-<random>/     being made
 *                      /<the same>.lock                            held by who makes it
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ExportProgress } from '../convert/export-folder.js';
import { exportOnnx } from '../convert/onnx/export-onnx.js';
import { exportOpenvino } from '../convert/openvino/export-openvino.js';
import {
  OPENVINO_EXPORTER_VERSION,
  resolveOpenvinoRecipe,
  type OpenvinoWeightOptions,
} from '../convert/openvino/recipe.js';
import {
  EXPORTER_VERSION,
  resolveWeightRecipe,
  WEIGHT_FORMATS,
  type WeightFormat,
  type WeightOptions,
} from '../convert/recipe.js';
import { cacheFolder } from '../cache-folder.js';
import { withFileLock } from '../download/file-lock.js';
import { kindOfPath } from './path-kind.js';
import type { OnLoadProgress } from './progress.js';
import type { ResolvedModel } from './resolve.js';
import { collectSidecars, collectSidecarsAndConfigs } from './sidecars.js';

/** What runs the result, and what happens to the weights on the way. */
export type Conversion =
  | { readonly runtime: 'onnxruntime'; readonly weights: WeightOptions }
  | { readonly runtime: 'openvino'; readonly weights: OpenvinoWeightOptions };

export interface ConversionOptions {
  readonly conversion: Conversion;
  /** Version of the runtime that will run the result. */
  readonly runtimeVersion: string;
  readonly onProgress?: OnLoadProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Files up to this size are identified by content, larger ones by path, size and time of change. */
const HASHED_FILE_LIMIT_BYTES = 32 * 1024 * 1024;
/** Bump when the layout of the cache changes. */
const CACHE_SCHEMA_VERSION = 3;

/** Says in the folder what it was made of. */
const RECORD_FILE = 'aipc-conversion.json';

/** What is known of a conversion in the cache. */
export interface ConversionRecord {
  readonly schemaVersion: 1;
  /** Under which name it was asked for first. */
  readonly modelId: string;
  readonly revision: string | null;
  /** Absolute path of what was converted. */
  readonly sourcePath: string;
  readonly runtime: Conversion['runtime'];
  readonly runtimeVersion: string;
  readonly weightFormat: WeightFormat;
  readonly exporterVersion: number;
}

export function conversionsFolder(): string {
  return path.join(cacheFolder(), 'conversions');
}

/** Whether the exporter of this version would write the same today. */
export function isCurrentExporter({ runtime, exporterVersion }: ConversionRecord): boolean {
  return exporterVersion === exporterVersionOf(runtime);
}

/** The record in a conversion's folder; undefined: it has none, or one of another kind. */
export async function readConversionRecord(folder: string): Promise<ConversionRecord | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path.join(folder, RECORD_FILE), 'utf8'));
    return isConversionRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The folder of the converted model, converting it first if the cache does not hold it. Of several processes that ask
 * at the same time one converts and the others wait for it.
 */
export async function ensureConverted(model: ResolvedModel, options: ConversionOptions): Promise<string> {
  const { conversion, runtimeVersion, onProgress, signal } = options;
  const recipe = resolveRecipe(conversion);
  const label = `${model.id} to ${recipe.weightFormat}`;
  const key = await conversionKey(model, { runtimeVersion, ...recipe });
  const name = `${readableName(model)}-${conversion.runtime}-${recipe.weightFormat}-${key}`;
  const folder = path.join(conversionsFolder(), name);
  // A folder gets this name only when it is complete.
  if ((await kindOfPath(folder)) === 'folder') return folder;
  await mkdir(path.dirname(folder), { recursive: true });
  const onWait = (): void =>
    onProgress?.({ phase: 'convert', label: `${label} (by another process)`, doneBytes: null, totalBytes: null });
  await withFileLock(`${folder}.lock`, { signal, onWait }, async () => {
    if ((await kindOfPath(folder)) === 'folder') return;
    const record: ConversionRecord = {
      schemaVersion: 1,
      modelId: model.id,
      revision: model.revision,
      sourcePath: model.path,
      runtime: conversion.runtime,
      runtimeVersion,
      weightFormat: recipe.weightFormat,
      exporterVersion: recipe.exporterVersion,
    };
    const collect = conversion.runtime === 'openvino' ? collectSidecarsAndConfigs : collectSidecars;
    const common = {
      source: model.path,
      outputFolder: folder,
      sidecars: [
        ...(await collect(model.path, signal)),
        { name: RECORD_FILE, bytes: Buffer.from(`${JSON.stringify(record, null, 2)}\n`, 'utf8') },
      ],
      onProgress: ({ doneBytes, totalBytes }: ExportProgress) =>
        onProgress?.({ phase: 'convert', label, doneBytes, totalBytes }),
      signal,
    };
    if (conversion.runtime === 'openvino') await exportOpenvino({ ...common, ...conversion.weights });
    else await exportOnnx({ ...common, ...conversion.weights });
  });
  return folder;
}

/** All that the bytes of a conversion depend on, beside the source. */
interface ConversionRecipe {
  readonly weightFormat: WeightFormat;
  readonly exporterVersion: number;
  readonly [part: string]: unknown;
}

function resolveRecipe(conversion: Conversion): ConversionRecipe {
  const recipe =
    conversion.runtime === 'openvino'
      ? resolveOpenvinoRecipe('loadModel', conversion.weights, 'int4')
      : resolveWeightRecipe('loadModel', conversion.weights);
  return { ...recipe, runtime: conversion.runtime, exporterVersion: exporterVersionOf(conversion.runtime) };
}

function exporterVersionOf(runtime: Conversion['runtime']): number {
  return runtime === 'openvino' ? OPENVINO_EXPORTER_VERSION : EXPORTER_VERSION;
}

/** A commit or checksum names the source for ever, wherever it lies; other files are looked at. */
async function conversionKey({ path: source, contentId }: ResolvedModel, recipe: object): Promise<string> {
  const identity = contentId ?? (await Promise.all((await listSourceFiles(source)).sort().map(identifyFile)));
  return createHash('sha256')
    .update(JSON.stringify({ CACHE_SCHEMA_VERSION, recipe, identity }))
    .digest('hex')
    .slice(0, 20);
}

/** The .gguf file itself, or every file of the folder that a conversion may read. */
async function listSourceFiles(source: string): Promise<string[]> {
  if (!(await stat(source)).isDirectory()) return [source];
  const names = await readdir(source);
  return names.filter((name) => /\.(?:safetensors|json|jinja)$/u.test(name)).map((name) => path.join(source, name));
}

async function identifyFile(file: string): Promise<readonly (string | number)[]> {
  const { size, mtimeMs } = await stat(file);
  if (size > HASHED_FILE_LIMIT_BYTES) return [path.resolve(file), size, mtimeMs];
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return [path.basename(file), size, hash.digest('hex')];
}

/** Tells people who look into the cache what was converted; the same whatever name it was asked for under. */
function readableName({ path: source, contentId }: ResolvedModel): string {
  // Of a repository at a commit, the repository: its folder in the hub's cache is named by the commit.
  const place = contentId?.includes('@') === true ? contentId.replace(/@.*$/su, '') : source;
  const name = path.basename(place).replace(/[^\w.-]+/gu, '_').slice(0, 60);
  return name === '' ? 'model' : name;
}

function isConversionRecord(value: unknown): value is ConversionRecord {
  if (typeof value !== 'object' || value === null) return false;
  const record = value as Partial<Record<keyof ConversionRecord, unknown>>;
  return (
    record.schemaVersion === 1 &&
    [record.modelId, record.sourcePath, record.runtimeVersion].every((text) => typeof text === 'string') &&
    (record.revision === null || typeof record.revision === 'string') &&
    (record.runtime === 'onnxruntime' || record.runtime === 'openvino') &&
    typeof record.exporterVersion === 'number' &&
    WEIGHT_FORMATS.some((format) => format === record.weightFormat)
  );
}
