/**
 * describeModel(): what a name, folder or file is, how its weights are stored, and which devices it suits, without
 * loading it. It judges weights, not machines: whether a device is there is asked when a model is loaded.
 */
import { stat } from 'node:fs/promises';
import { readGenaiConfig } from '../engine/onnxruntime/genai-config.js';
import { readModelOutline } from '../engine/onnxruntime/model-outline.js';
import { exportRecipeFor, type ExportRecipe } from '../engine/openvino/device-profiles.js';
import { readIrOutline } from '../engine/openvino/ir-outline.js';
import type { WeightStorage } from '../engine/openvino/ir-weights.js';
import { readOpenvinoModelConfig } from '../engine/openvino/model-config.js';
import { judgeSuitability, type WeightFacts } from '../engine/openvino/suitability.js';
import { refuseUnknownKeys } from '../options.js';
import { resolveModel, type ModelKind, type ResolvedModel } from '../models/resolve.js';
import { openWeights } from '../weights/open-weights.js';
import { weightSizes } from './weight-sizes.js';

export interface DeviceSuits {
  readonly device: 'cpu' | 'gpu' | 'npu';
  readonly suits: boolean;
  /** Why not, a phrase each. */
  readonly reasons: readonly string[];
  /** The flags of `aipc export openvino` that would have to change. */
  readonly needs: readonly string[];
  /** What to know although it suits, a sentence each. */
  readonly notes: readonly string[];
}

export interface ModelDescription {
  readonly id: string;
  readonly kind: ModelKind;
  readonly path: string;
  readonly sizeBytes: number;
  readonly layers: number;
  readonly vocabularySize: number;
  readonly contextTokens: number;
  /** How the weights are stored, in words, most of them first. */
  readonly weights: readonly string[];
  readonly devices: readonly DeviceSuits[];
}

const DEVICES = ['cpu', 'gpu', 'npu'] as const;

/** `reference` as for loadModel(); nothing is fetched. Throws MODEL_NOT_FOUND and what is wrong with the files. */
export async function describeModel(
  reference: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<ModelDescription> {
  refuseUnknownKeys('describeModel', options, ['signal']);
  const model = await resolveModel(reference, { download: 'never', signal: options.signal });
  switch (model.kind) {
    case 'openvino':
      return describeOpenvino(model);
    case 'onnx':
      return describeOnnx(model);
    case 'weights':
      return describeWeights(model, options.signal);
  }
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
  const config = await readGenaiConfig(model.path);
  const { fileBytes } = await readModelOutline(config.modelFile);
  const absent = {
    suits: false,
    reasons: ['an ONNX folder runs on the CPU alone in this version'],
    needs: ['the weights, or an OpenVINO folder made of them'],
    notes: [],
  };
  return {
    ...identity(model),
    sizeBytes: fileBytes,
    layers: config.layers,
    vocabularySize: config.vocabularySize,
    contextTokens: config.contextTokens,
    weights: [],
    devices: [
      { device: 'cpu', suits: true, reasons: [], needs: [], notes: [] },
      { device: 'gpu', ...absent },
      { device: 'npu', ...absent },
    ],
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
    devices: DEVICES.map((device) => ({
      device,
      suits: true,
      reasons: [],
      needs: [],
      notes: [
        `OpenVINO: converted to ${recipeInWords(exportRecipeFor(device, weightSizes(config)))} when first loaded.`,
      ],
    })),
  };
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
