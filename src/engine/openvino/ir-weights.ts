/**
 * How the weights of an IR's matrices are stored: as what, in groups of how many channels, with a zero point or
 * without. It looks at the graph around each matrix, not at the numbers.
 * The patterns are NNCF's.
 */
import type { IrLayer, IrXml } from './ir-xml.js';

/**
 * Layers that make weights of what is stored: Const [-> Convert] [-> Subtract(zero point)] -> Multiply(scale) [-> Reshape]
 * [-> Convert].
 */
export const DECOMPRESSION: ReadonlySet<string> = new Set(['Convert', 'Subtract', 'Multiply', 'Reshape']);

/** One way of storing weights. */
export interface WeightStorage {
  /** Of the stored numbers: `i4`, `u4`, `i8`, `u8`, `f16`, `f32`, `nf4`... */
  readonly elementType: string;
  /** Channels that share a scale; -1: all of a row; undefined: no scale, not compressed. */
  readonly groupSize: number | undefined;
  /** asymmetric: with a zero point of its own for each scale. */
  readonly scheme: 'symmetric' | 'asymmetric';
}

export interface StoredMatrices extends WeightStorage {
  readonly matrices: number;
  readonly parameters: number;
}

export interface IrWeights {
  /** The matrices of the decoder's layers, by storage, most parameters first. */
  readonly layers: readonly StoredMatrices[];
  /** Undefined where the embedding is not a matrix in the graph. */
  readonly embedding: WeightStorage | undefined;
  readonly lmHead: WeightStorage | undefined;
  /** Rows of lm_head; undefined where the result comes from none. */
  readonly vocabularySize: number | undefined;
}

interface Matrix extends WeightStorage {
  readonly layer: IrLayer;
  readonly parameters: number;
  /** Of the stored tensor, groups apart. */
  readonly shape: readonly number[];
}

/** A path through a graph that feeds back into itself ends here. */
const MAX_CHAIN_LAYERS = 12;

export function describeWeights(xml: IrXml): IrWeights {
  const lmHeadLayer = findLmHead(xml);
  const byStorage = new Map<string, StoredMatrices>();
  let embedding: WeightStorage | undefined;
  let lmHead: Matrix | undefined;
  for (const layer of xml.layers.values()) {
    const port = layer.type === 'MatMul' ? '1' : '0';
    if (layer.type !== 'MatMul' && layer.type !== 'Gather') continue;
    const matrix = findMatrix(xml, layer.id, port);
    if (matrix === undefined) continue;
    if (layer.type === 'Gather') embedding ??= storageOf(matrix);
    else if (layer === lmHeadLayer) lmHead = matrix;
    else {
      const storage = storageOf(matrix);
      const key = JSON.stringify(storage);
      const seen = byStorage.get(key);
      byStorage.set(key, {
        ...storage,
        matrices: (seen?.matrices ?? 0) + 1,
        parameters: (seen?.parameters ?? 0) + matrix.parameters,
      });
    }
  }
  return {
    layers: [...byStorage.values()].sort((a, b) => b.parameters - a.parameters),
    embedding,
    lmHead: lmHead === undefined ? undefined : storageOf(lmHead),
    vocabularySize: lmHead === undefined ? undefined : rowsOf(lmHead, lmHeadLayer),
  };
}

function storageOf({ elementType, groupSize, scheme }: WeightStorage): WeightStorage {
  return { elementType, groupSize, scheme };
}

/** Output channels of a matrix: the first dimension where the product transposes it, as all exporters have it. */
function rowsOf({ shape }: Matrix, matMul: IrLayer | undefined): number | undefined {
  return matMul?.data['transpose_b'] === 'true' ? shape[0] : shape.at(-1);
}

/** The product that the result comes from, through what only changes its scale or type. */
export function findLmHead(xml: IrXml): IrLayer | undefined {
  for (const result of xml.layers.values()) {
    if (result.type !== 'Result') continue;
    let at: IrLayer | undefined = result;
    for (let i = 0; i < MAX_CHAIN_LAYERS && at !== undefined; i += 1) {
      if (at.type === 'MatMul') return at;
      at = source(xml, at.id, '0');
    }
  }
  return undefined;
}

function source(xml: IrXml, layerId: string, port: string): IrLayer | undefined {
  const id = xml.sources.get(`${layerId}:${port}`);
  return id === undefined ? undefined : xml.layers.get(id);
}

/** The constant matrix that feeds an input, through its decompression; undefined where activations do. */
function findMatrix(xml: IrXml, layerId: string, port: string): Matrix | undefined {
  let layer = source(xml, layerId, port);
  let scaleShape: readonly number[] | undefined;
  let hasZeroPoints = false;
  for (let i = 0; i < MAX_CHAIN_LAYERS && layer !== undefined; i += 1) {
    if (layer.type === 'Const') return matrixOf(layer, scaleShape, hasZeroPoints);
    if (layer.type === 'Multiply') scaleShape = constantShape(xml, layer.id, '1');
    // One zero point for the whole matrix (u4 around 8) is i4 in another guise.
    else if (layer.type === 'Subtract') hasZeroPoints = count(constantShape(xml, layer.id, '1')) > 1;
    else if (layer.type !== 'Convert' && layer.type !== 'Reshape') return undefined;
    layer = source(xml, layer.id, '0');
  }
  return undefined;
}

function matrixOf(
  layer: IrLayer,
  scaleShape: readonly number[] | undefined,
  hasZeroPoints: boolean,
): Matrix | undefined {
  const shape = shapeOf(layer);
  if (shape.length < 2 || shape.every((size) => size === 1)) return undefined;
  const isGrouped = scaleShape !== undefined && shape.length > 2;
  return {
    layer,
    shape,
    parameters: count(shape),
    elementType: layer.data['element_type'] ?? '',
    groupSize: scaleShape === undefined ? undefined : isGrouped ? (shape.at(-1) ?? -1) : -1,
    scheme: hasZeroPoints ? 'asymmetric' : 'symmetric',
  };
}

/** The shape of the constant behind an input, through a change of type. */
function constantShape(xml: IrXml, layerId: string, port: string): readonly number[] {
  let layer = source(xml, layerId, port);
  for (let i = 0; i < 4 && layer !== undefined && layer.type !== 'Const'; i += 1) layer = source(xml, layer.id, '0');
  return layer === undefined ? [] : shapeOf(layer);
}

function shapeOf({ data }: IrLayer): readonly number[] {
  const text = data['shape'] ?? '';
  return text === '' ? [] : text.split(',').map(Number);
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
