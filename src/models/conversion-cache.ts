/**
 * Conversions are done once: a converted folder lives in aipc's cache under a key of all that it depends on
 * (source files, recipe, exporter, runtime). It does not convert: convert/ does.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ExportProgress } from '../convert/export-folder.js';
import { exportOnnx } from '../convert/onnx/export-onnx.js';
import { exportOpenvino } from '../convert/openvino/export-openvino.js';
import {
  OPENVINO_EXPORTER_VERSION,
  resolveOpenvinoRecipe,
  type OpenvinoWeightOptions,
} from '../convert/openvino/recipe.js';
import { EXPORTER_VERSION, resolveWeightRecipe, type WeightFormat, type WeightOptions } from '../convert/recipe.js';
import { cacheFolder } from '../cache-folder.js';
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
const CACHE_SCHEMA_VERSION = 2;

/** The folder of the converted model, converting it first if the cache does not hold it. */
export async function ensureConverted(model: ResolvedModel, options: ConversionOptions): Promise<string> {
  const { conversion, onProgress, signal } = options;
  const recipe = resolveRecipe(conversion);
  const key = await conversionKey(model.path, { runtimeVersion: options.runtimeVersion, ...recipe });
  const name = `${readableName(model.id)}-${conversion.runtime}-${recipe.weightFormat}-${key}`;
  const folder = path.join(cacheFolder(), 'conversions', name);
  // A folder gets this name only when it is complete.
  if ((await kindOfPath(folder)) === 'folder') return folder;
  await mkdir(path.dirname(folder), { recursive: true });
  const common = {
    source: model.path,
    outputFolder: folder,
    sidecars:
      conversion.runtime === 'openvino'
        ? await collectSidecarsAndConfigs(model.path, signal)
        : await collectSidecars(model.path),
    onProgress: ({ doneBytes, totalBytes }: ExportProgress) =>
      onProgress?.({ phase: 'convert', label: `${model.id} to ${recipe.weightFormat}`, doneBytes, totalBytes }),
    signal,
  };
  try {
    if (conversion.runtime === 'openvino') await exportOpenvino({ ...common, ...conversion.weights });
    else await exportOnnx({ ...common, ...conversion.weights });
  } catch (error) {
    // Another process may have finished the same conversion first: its folder is as good as ours.
    if ((await kindOfPath(folder)) !== 'folder') throw error;
  }
  return folder;
}

/** All that the bytes of a conversion depend on, beside the source. */
interface ConversionRecipe {
  readonly weightFormat: WeightFormat;
  readonly [part: string]: unknown;
}

function resolveRecipe(conversion: Conversion): ConversionRecipe {
  const recipe =
    conversion.runtime === 'openvino'
      ? resolveOpenvinoRecipe('loadModel', conversion.weights, 'int4')
      : resolveWeightRecipe('loadModel', conversion.weights);
  const exporterVersion = conversion.runtime === 'openvino' ? OPENVINO_EXPORTER_VERSION : EXPORTER_VERSION;
  return { ...recipe, runtime: conversion.runtime, exporterVersion };
}

async function conversionKey(source: string, recipe: object): Promise<string> {
  const files = (await listSourceFiles(source)).sort();
  const identity = await Promise.all(files.map(identifyFile));
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

/** A file-name-safe form of a model's id, for people who look into the cache. */
function readableName(id: string): string {
  const name = path.basename(id).replace(/[^\w.-]+/gu, '_').slice(0, 60);
  return name === '' ? 'model' : name;
}
