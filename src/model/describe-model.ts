/**
 * describeModel(): what a name, repository, folder or file is, how its weights are stored, and which devices it suits,
 * without loading it or fetching more than its configuration. It judges weights, not machines: whether a device is there
 * is asked when a model is loaded.
 */
import { stat } from 'node:fs/promises';
import { defaultContextTokens } from '../engine/default-context.js';
import { readOnnxFolder } from '../engine/onnxruntime/onnx-folder.js';
import { refuseUnsupported } from '../engine/onnxruntime/graph-check.js';
import { readOnnxGraph } from '../engine/onnxruntime/onnx-graph.js';
import { exportRecipeFor, type ExportRecipe } from '../engine/openvino/device-profiles.js';
import { readIrOutline } from '../engine/openvino/ir-outline.js';
import type { WeightStorage } from '../engine/openvino/ir-weights.js';
import { readOpenvinoModelConfig } from '../engine/openvino/model-config.js';
import { judgeSuitability, type WeightFacts } from '../engine/openvino/suitability.js';
import { checkChoice, refuseUnknownKeys } from '../options.js';
import { findInCatalogue } from '../models/catalogue.js';
import { MODEL_FEATURES, SUPPORTED_FEATURES, type CatalogueEntry, type DeviceName } from '../models/catalogue-entry.js';
import { describeSource, waysToRun } from '../models/choose-source.js';
import { locateModel, type LocatedModel, type ModelKind, type ResolvedModel } from '../models/resolve.js';
import { readFolderConfig } from '../weights/hugging-face-folder.js';
import { openWeights } from '../weights/open-weights.js';
import type { DeviceSuits } from './device-suits.js';
import { onnxDevices, onnxGraph, onnxWeights } from './describe-onnx.js';
import { conversionBytes, memoryBytes } from './requirements.js';
import type { ModelConfig } from '../weights/weights.js';
import { weightSizes } from './weight-sizes.js';

export interface ModelDescription {
  readonly id: string;
  readonly kind: ModelKind;
  /** Absolute; null: it is not on this machine, or not whole. */
  readonly path: string | null;
  /** Null: not known before it is here. */
  readonly sizeBytes: number | null;
  readonly layers: number | null;
  readonly vocabularySize: number | null;
  readonly contextTokens: number | null;
  /** How the weights are stored, in words, most of them first. */
  readonly weights: readonly string[];
  /** Of an ONNX folder: what its graph was made for and how it goes about attention, in words. */
  readonly graph?: readonly string[];
  readonly devices: readonly DeviceSuits[];
}

const DEVICES = ['cpu', 'gpu', 'npu'] as const;
const SUITS = { suits: true, reasons: [], needs: [], notes: [] } as const;
export interface DescribeModelOptions {
  /** Of a model on the hub: a branch, tag or commit. */
  readonly revision?: string;
  /** never: no hub is asked. Default if-missing: its list of files and the model's configuration are. */
  readonly download?: 'never' | 'if-missing';
  readonly signal?: AbortSignal;
}

/** `reference` as for loadModel(). Throws MODEL_NOT_FOUND and what is wrong with the files, or with reaching them. */
export async function describeModel(reference: string, options: DescribeModelOptions = {}): Promise<ModelDescription> {
  refuseUnknownKeys('describeModel', options, ['revision', 'download', 'signal']);
  const { revision, download = 'if-missing', signal } = options;
  checkChoice('describeModel', 'download', download, ['never', 'if-missing']);
  const request = { device: 'cpu', provider: 'auto' } as const;
  const located = await locateModel(reference, { request, revision, download, signal });
  if (located.missingBytes !== 0) return describeRemote(located);
  const model = await located.fetch();
  switch (model.kind) {
    case 'openvino':
      return describeOpenvino(model);
    case 'onnx':
      return describeOnnx(model);
    case 'weights':
      return describeWeights(model, signal);
  }
}

/** By its configuration alone, which is here; its weights are not. */
async function describeRemote(located: LocatedModel): Promise<ModelDescription> {
  const { id, kind, totalBytes, configFolder } = located;
  const common = { id, kind, path: null, sizeBytes: totalBytes, layers: null, vocabularySize: null, weights: [] };
  if (configFolder === null) return { ...common, contextTokens: null, devices: suitsAll([]) };
  switch (kind) {
    case 'openvino': {
      const { contextTokens } = await readOpenvinoModelConfig(configFolder);
      return { ...common, contextTokens, devices: [] }; // the graph tells, and it is not here
    }
    case 'onnx': {
      const { layers, vocabularySize, contextTokens } = await readOnnxFolder(configFolder);
      return { ...common, layers, vocabularySize, contextTokens, devices: [] }; // the graph tells, and it is not here
    }
    case 'weights': {
      const { config } = await readFolderConfig(configFolder);
      const { layerCount: layers, vocabularySize, contextTokens } = config;
      return { ...common, layers, vocabularySize, contextTokens, devices: devicesOfWeights(config) };
    }
  }
}

export interface SourceDescription {
  /** `microsoft/Phi-3-mini-4k-instruct-onnx:cpu_and_mobile/...`, a wheel, `built in`. */
  readonly origin: string;
  readonly format: string;
  readonly weightFormat: string;
  readonly devices: readonly DeviceName[];
  /** Null: not known. */
  readonly downloadBytes: number | null;
  /** What this version lacks to run it, in words. */
  readonly lacks: readonly string[];
}

export interface DeviceChoice {
  readonly device: DeviceName;
  /** Why this source, in words; null: this version does not run the model there. */
  readonly reason: string | null;
  readonly origin: string | null;
  readonly downloadBytes: number | null;
  /** Of the conversion, about; null: none is made. */
  readonly convertedBytes: number | null;
  /** To load it, with the context as far as the runtime claims that at once, about; null: not known. */
  readonly memoryBytes: number | null;
}

/** What the catalogue knows of a model. */
export interface CatalogueDescription {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly description: string;
  readonly license: string;
  readonly parameters: number;
  readonly contextTokens: number;
  /** What each device takes. */
  readonly choices: readonly DeviceChoice[];
  readonly sources: readonly SourceDescription[];
}

/** The entry of that name; undefined: the catalogue has none. It looks at no disk and no network. */
export function describeCatalogueEntry(name: string): CatalogueDescription | undefined {
  const entry = findInCatalogue(name);
  if (entry === undefined) return undefined;
  const { aliases, description, license, parameters, contextTokens } = entry;
  return {
    ...{ name: entry.name, aliases, description, license, parameters, contextTokens },
    choices: DEVICES.map((device) => choiceFor(entry, device)),
    sources: entry.sources.map((source) => ({
      ...describeSource(source),
      lacks: (source.kind === 'hub' ? source.needs : [])
        .filter((feature) => !SUPPORTED_FEATURES.includes(feature))
        .map((feature) => MODEL_FEATURES[feature]),
    })),
  };
}

function choiceFor(entry: CatalogueEntry, device: DeviceName): DeviceChoice {
  const chosen = waysToRun(entry).find((way) => way.device === device)?.chosen;
  const nothing = { origin: null, downloadBytes: null, convertedBytes: null, memoryBytes: null };
  if (chosen === undefined) return { device, reason: null, ...nothing };
  const { source, runtime, weightFormat, converts, reason } = chosen;
  const { origin, downloadBytes } = describeSource(source);
  const convertedBytes = converts ? conversionBytes(entry.parameters, weightFormat, runtime) : null;
  const needed = memoryBytes({
    ...{ id: entry.name, runtime, downloadBytes: 0, downloadFolder: '', conversion: null },
    weightBytes: convertedBytes ?? downloadBytes,
    shape: entry.shape,
    contextTokens: defaultContextTokens(entry.contextTokens),
  });
  return { device, reason, origin, downloadBytes, convertedBytes, memoryBytes: needed ?? null };
}

/** Which devices the weights of an OpenVINO folder suit. */
export async function devicesForOpenvinoFolder(folder: string): Promise<readonly DeviceSuits[]> {
  return devicesFor((await readIrOutline(folder)).weights);
}

function devicesFor(weights: WeightFacts): readonly DeviceSuits[] {
  const suitability = judgeSuitability(weights);
  return DEVICES.map((device) => ({ device, ...suitability[device] }));
}

async function describeOpenvino(model: ResolvedModel): Promise<ModelDescription> {
  const { xmlBytes, binBytes, layers, vocabularySize, weights } = await readIrOutline(model.path);
  const total = weights.layers.reduce((sum, { parameters }) => sum + parameters, 0);
  return {
    ...identity(model),
    sizeBytes: xmlBytes + binBytes,
    layers,
    vocabularySize,
    contextTokens: (await readOpenvinoModelConfig(model.path)).contextTokens,
    weights: [
      ...weights.layers.map(
        (part) => `${Math.round((100 * part.parameters) / total)} % of the layers ${storage(part)}`,
      ),
      ...(weights.embedding === undefined ? [] : [`embedding ${storage(weights.embedding)}`]),
      ...(weights.lmHead === undefined ? [] : [`last layer ${storage(weights.lmHead)}`]),
    ],
    devices: devicesFor(weights),
  };
}

async function describeOnnx(model: ResolvedModel): Promise<ModelDescription> {
  const config = await readOnnxFolder(model.path);
  const graph = await readOnnxGraph(config.modelFile);
  refuseUnsupported(config.modelFile, graph);
  return {
    ...identity(model),
    sizeBytes: graph.fileBytes,
    layers: config.layers,
    vocabularySize: config.vocabularySize,
    contextTokens: config.contextTokens,
    weights: onnxWeights(graph),
    graph: onnxGraph(config, graph),
    devices: onnxDevices(config, graph),
  };
}

async function describeWeights(model: ResolvedModel, signal: AbortSignal | undefined): Promise<ModelDescription> {
  await using source = await openWeights(model.path, signal === undefined ? {} : { signal });
  const { config, tensors, files } = source;
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const dtypes = new Set([...tensors.values()].filter(({ shape }) => shape.length > 1).map(({ dtype }) => dtype));
  return {
    ...identity(model),
    sizeBytes: sizes.reduce((sum, size) => sum + size, 0),
    layers: config.layerCount,
    vocabularySize: config.vocabularySize,
    contextTokens: config.contextTokens,
    weights: [...dtypes],
    devices: devicesOfWeights(config),
  };
}

function devicesOfWeights(config: ModelConfig): readonly DeviceSuits[] {
  const sizes = weightSizes(config);
  return DEVICES.map((device) => {
    const recipe = recipeInWords(exportRecipeFor(device, sizes));
    return { ...SUITS, device, notes: [`OpenVINO: converted to ${recipe} when first loaded.`] };
  });
}

function suitsAll(notes: readonly string[]): readonly DeviceSuits[] {
  return DEVICES.map((device) => ({ ...SUITS, device, notes }));
}

function identity({ id, kind, path }: ResolvedModel): Pick<ModelDescription, 'id' | 'kind' | 'path'> {
  return { id, kind, path };
}

function storage({ elementType, groupSize, scheme }: WeightStorage): string {
  if (groupSize === undefined) return elementType;
  return `${elementType} ${scheme}, ${groupSize === -1 ? 'a scale a row' : `groups of ${groupSize}`}`;
}

function recipeInWords({ weightFormat, symmetric, groupSize }: ExportRecipe): string {
  if (symmetric === undefined || groupSize === undefined) return weightFormat;
  return `${weightFormat} ${symmetric ? 'symmetric' : 'asymmetric'}, ${groupSize === -1 ? 'a scale a row' : `groups of ${groupSize}`}`;
}
