/**
 * From a reference to a folder that a runtime runs: find the model, see that this machine has the runtime and the room
 * for it, fetch it, convert it. loadModel() and pullModel() begin with it.
 */
import type { WeightFormat } from '../convert/recipe.js';
import { defaultContextTokens } from '../engine/default-context.js';
import { readOnnxFolder } from '../engine/onnxruntime/onnx-folder.js';
import { catalogue } from '../models/catalogue.js';
import type { CatalogueEntry, DecoderShape } from '../models/catalogue-entry.js';
import { waysToRun, type SourceRequest } from '../models/choose-source.js';
import { conversionsFolder } from '../models/conversion-cache.js';
import { locateModel, type LocatedModel, type LocateOptions, type ResolvedModel } from '../models/resolve.js';
import { readFolderConfig } from '../weights/hugging-face-folder.js';
import type { ModelConfig } from '../weights/weights.js';
import type { LoadModelOptions } from './load-options.js';
import { onnxRuntimeModels } from './onnxruntime-model.js';
import { openvinoModels } from './openvino-model.js';
import { conversionBytes, memoryBytes, requireRoom, thisMachine, type ModelNeeds } from './requirements.js';
import { chooseTarget, parseTarget, type Target } from './target.js';
import { weightSizes } from './weight-sizes.js';

export interface PreparedModel {
  readonly resolved: ResolvedModel;
  readonly target: Target;
  /** What the runtime opens: the model's own folder, or that of its conversion. */
  readonly folder: string;
  /** Why the catalogue chose this source; null: the caller did. */
  readonly reason: string | null;
}

/** Throws what locateModel(), chooseTarget(), the fetching and the conversion throw; MEMORY_ and DISK_INSUFFICIENT. */
export async function prepareModel(
  reference: string,
  options: LoadModelOptions,
  download: LocateOptions['download'],
): Promise<PreparedModel> {
  const { device = 'auto', provider = 'auto', revision, onProgress, onWarning, signal } = options;
  const request = sourceRequest({ device, provider, weightFormat: options.weightFormat });
  const located = await locateModel(reference, { request, revision, download, onProgress, onWarning, signal });
  const target = chooseTarget({ device, provider, kind: located.kind, location: located.location });
  if (located.missingBytes !== 0) {
    // What would end the load in any case is said before gigabytes are fetched.
    if (target.runtime === 'openvino') await openvinoModels.requireRuntime(target, options);
    else await onnxRuntimeModels.requireRuntime(target, options);
    await requireRoomFor(located, target, options);
  }
  const resolved = await located.fetch();
  const folder =
    target.runtime === 'openvino'
      ? await openvinoModels.prepare(resolved, target, options)
      : await onnxRuntimeModels.prepare(resolved, target, options);
  return { resolved, target, folder, reason: located.reason };
}

/** The kind of device, for the catalogue. */
export function sourceRequest(asked: {
  readonly device: string;
  readonly provider: string;
  readonly weightFormat: LoadModelOptions['weightFormat'];
}): SourceRequest {
  const { device, provider } = parseTarget(asked);
  return { device: device === 'cpu' || device === 'npu' ? device : 'gpu', provider, weightFormat: asked.weightFormat };
}

/** Throws what is wrong with the model's configuration, MEMORY_INSUFFICIENT or DISK_INSUFFICIENT. */
async function requireRoomFor(located: LocatedModel, target: Target, options: LoadModelOptions): Promise<void> {
  const needs = await needsOf(located, target, options);
  const room = thisMachine();
  const fits = (entry: CatalogueEntry): boolean => {
    const needed = memoryBytes(entryNeeds(entry, target, options));
    return (
      entry.parameters < (located.entry?.parameters ?? Infinity) && needed !== undefined && needed <= room.memoryBytes
    );
  };
  const request = sourceRequest({ ...target, provider: 'auto', weightFormat: undefined });
  const smaller = catalogue.filter((entry) => servesDevice(entry, request) && fits(entry)).map(({ name }) => name);
  await requireRoom(needs, room, smaller);
}

function servesDevice(entry: CatalogueEntry, { device }: SourceRequest): boolean {
  return waysToRun(entry).some((way) => way.device === device);
}

export async function needsOf(located: LocatedModel, target: Target, options: LoadModelOptions): Promise<ModelNeeds> {
  const { id, kind, entry, totalBytes, missingBytes, configFolder, fetchFolder } = located;
  const onCpu = target.device === 'cpu'; // elsewhere the KV cache is the device's to hold
  const common = {
    id,
    runtime: target.runtime,
    downloadBytes: missingBytes ?? 0, // not known: the transfer itself checks the room for it
    downloadFolder: fetchFolder ?? conversionsFolder(),
  };
  if (kind !== 'weights') {
    const config = kind === 'onnx' && configFolder !== null ? await readOnnxFolder(configFolder) : null;
    const contextTokens = options.contextTokens ?? defaultContext(config?.contextTokens ?? entry?.contextTokens);
    return {
      ...common,
      conversion: null,
      weightBytes: totalBytes,
      shape: onCpu || target.runtime === 'openvino' ? config : null,
      contextTokens,
    };
  }
  const config = configFolder === null ? undefined : (await readFolderConfig(configFolder)).config;
  const shape = config === undefined ? (entry?.shape ?? null) : shapeOf(config);
  const parameters = config === undefined ? (entry?.parameters ?? null) : weightSizes(config).parameters;
  const bytes =
    parameters === null ? null : conversionBytes(parameters, formatFor(entry, target, options), target.runtime);
  return {
    ...common,
    conversion: bytes === null ? null : { bytes, folder: conversionsFolder() },
    weightBytes: bytes,
    shape: onCpu || target.runtime === 'openvino' ? shape : null,
    contextTokens: options.contextTokens ?? defaultContext(config?.contextTokens ?? entry?.contextTokens),
  };
}

function defaultContext(modelContextTokens: number | undefined): number | null {
  return modelContextTokens === undefined ? null : defaultContextTokens(modelContextTokens);
}

/** What a model of the catalogue would take, by the catalogue alone. */
export function entryNeeds(entry: CatalogueEntry, target: Target, options: LoadModelOptions): ModelNeeds {
  const { runtime } = target;
  const weightBytes = conversionBytes(entry.parameters, formatFor(entry, target, {}), runtime);
  const contextTokens = Math.min(
    options.contextTokens ?? defaultContextTokens(entry.contextTokens),
    entry.contextTokens,
  );
  const nothing = { downloadBytes: 0, downloadFolder: conversionsFolder(), conversion: null };
  return { ...nothing, id: entry.name, runtime, weightBytes, shape: entry.shape, contextTokens };
}

function formatFor(
  entry: CatalogueEntry | null,
  { runtime }: Target,
  { weightFormat }: Pick<LoadModelOptions, 'weightFormat'>,
): WeightFormat {
  return weightFormat ?? (runtime === 'openvino' ? 'int4' : (entry?.weightFormat ?? 'int4'));
}

function shapeOf({ layerCount, kvHeadCount, headSize }: ModelConfig): DecoderShape {
  return { layers: layerCount, kvHeads: kvHeadCount, headSize };
}
