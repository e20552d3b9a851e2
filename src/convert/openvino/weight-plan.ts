/**
 * Which matrix of a decoder is stored how: the choice that NNCF 3.4 makes without data, matrix by matrix
 * (nncf/quantization/algorithms/weight_compression/algorithm.py, get_weight_compression_parameters and
 * mixed_precision.py). It reads no weights: whoever calls it measures them where the recipe asks for it.
 */
import { OptionError } from '../../errors.js';
import type { Decoder, DecoderLayer, Linear } from '../decoder.js';
import type { GroupSizeFallback, Int4Recipe, OpenvinoRecipe } from './recipe.js';

/** A matrix as the graph multiplies by it. */
export interface WeightMatrix {
  /** transformers' name of the parameter, with Phi-3's fused projections. */
  readonly name: string;
  readonly role: 'embedding' | 'projection' | 'head';
  readonly linear: Linear;
  /** What it is stored as where it is not compressed: as its file has it, bf16 as fp16. */
  readonly floatFormat: 'fp16' | 'fp32';
}

export type StoredFormat = 'fp16' | 'fp32' | IntegerFormat;

export interface IntegerFormat {
  readonly bits: 4 | 8;
  readonly symmetric: boolean;
  /** Weights of a row that share a scale; -1: the whole row. */
  readonly groupSize: number;
}

/** By the name of the matrix. */
export type WeightPlan = ReadonlyMap<string, StoredFormat>;

/** The projections of a layer as the family's own code multiplies by them, in the order of computation. */
export interface LayerMatrices {
  /** One for all three, or q, k and v. */
  readonly qkv: readonly WeightMatrix[];
  readonly attentionOutput: WeightMatrix;
  /** One for both, or gate and up. */
  readonly gateUp: readonly WeightMatrix[];
  readonly down: WeightMatrix;
}

export interface DecoderMatrices {
  readonly embedding: WeightMatrix;
  readonly layers: readonly LayerMatrices[];
  /** The embedding itself where the two are tied. */
  readonly head: WeightMatrix;
}

/** `floatFormat` tells what a tensor of the source is stored as where it is not compressed. */
export function decoderMatrices(
  decoder: Decoder,
  floatFormat: (tensor: string) => WeightMatrix['floatFormat'],
): DecoderMatrices {
  const matrix = (name: string, role: WeightMatrix['role'], linear: Linear): WeightMatrix => ({
    name,
    role,
    linear,
    floatFormat: linear.parts.some((part) => floatFormat(part.tensor) === 'fp32') ? 'fp32' : 'fp16',
  });
  const layer = ({ qkv, attentionOutput, gate, up, down }: DecoderLayer, index: number): LayerMatrices => {
    const prefix = `model.layers.${index}`;
    const projection = (name: string, linear: Linear): WeightMatrix =>
      matrix(`${prefix}.${name}.weight`, 'projection', linear);
    return {
      qkv: decoder.fusedProjections
        ? [projection('self_attn.qkv_proj', qkv)]
        : separate(qkv).map((linear, i) => projection(`self_attn.${'qkv'.charAt(i)}_proj`, linear)),
      attentionOutput: projection('self_attn.o_proj', attentionOutput),
      gateUp: decoder.fusedProjections
        ? [projection('mlp.gate_up_proj', stacked(gate, up))]
        : [projection('mlp.gate_proj', gate), projection('mlp.up_proj', up)],
      down: projection('mlp.down_proj', down),
    };
  };
  const { rowCount } = decoder.embedding;
  const embedding = matrix('model.embed_tokens.weight', 'embedding', {
    inputSize: decoder.hiddenSize,
    outputSize: rowCount,
    parts: [decoder.embedding],
  });
  const tied = decoder.head.parts[0]?.tensor === decoder.embedding.tensor;
  return {
    embedding,
    layers: decoder.layers.map(layer),
    head: tied ? embedding : matrix('lm_head.weight', 'head', decoder.head),
  };
}

/** Every matrix once, in the order in which NNCF meets them. */
export function allMatrices({ embedding, layers, head }: DecoderMatrices): readonly WeightMatrix[] {
  return [
    embedding,
    ...layers.flatMap((layer) => [...layer.qkv, layer.attentionOutput, ...layer.gateUp, layer.down]),
    ...(head === embedding ? [] : [head]),
  ];
}

/** int8 with zero points and a scale a row: what NNCF stores whatever does not become int4. */
function int8(symmetric: boolean): IntegerFormat {
  return { bits: 8, symmetric, groupSize: -1 };
}

/** What may become int4 under a recipe; `groupSizes` has the size that each would get. */
export interface Int4Candidates {
  readonly candidates: readonly WeightMatrix[];
  readonly groupSizes: ReadonlyMap<string, number>;
  /** Left uncompressed, by the fallback 'ignore'. */
  readonly ignored: ReadonlySet<string>;
}

/**
 * All projections, and with `allLayers` the head and (last, so that it loses a draw) the embedding. A head that is tied
 * to the embedding goes with it. Those are the weights of which `ratio` is a share, and that have to be measured for it.
 */
export function int4Candidates(matrices: readonly WeightMatrix[], recipe: Int4Recipe): Int4Candidates {
  const eligible = [
    ...matrices.filter(({ role }) => role === 'projection' || (role === 'head' && recipe.allLayers)),
    ...matrices.filter(({ role }) => role === 'embedding' && recipe.allLayers),
  ];
  const candidates: WeightMatrix[] = [];
  const groupSizes = new Map<string, number>();
  const ignored = new Set<string>();
  for (const matrix of eligible) {
    const groupSize = groupSizeFor(matrix.linear.inputSize, recipe.groupSize, recipe.groupSizeFallback);
    if (groupSize === 'leave') ignored.add(matrix.name);
    if (typeof groupSize !== 'number') continue;
    candidates.push(matrix);
    groupSizes.set(matrix.name, groupSize);
  }
  return { candidates, groupSizes, ignored };
}

/** Smallest group size that the fallback 'adjust' settles for. */
const SMALLEST_ADJUSTED_GROUP_SIZE = 32;

/** 'backup': int8; 'leave': uncompressed. A size that does not fit stands under 'error': only chosen layers are refused. */
function groupSizeFor(inputSize: number, groupSize: number, fallback: GroupSizeFallback): number | 'backup' | 'leave' {
  if (groupSize === -1 || inputSize % groupSize === 0 || fallback === 'error') return groupSize;
  if (fallback === 'ignore') return 'leave';
  const powerOfTwo = inputSize & -inputSize;
  return powerOfTwo >= SMALLEST_ADJUSTED_GROUP_SIZE ? powerOfTwo : 'backup';
}

/**
 * `errors`: for each candidate the largest error that int8 makes in one of its rows (largestInt8Error); needed where
 * the recipe's ratio is under 1. `where` is for messages. Throws OPTION_INVALID where the group size does not divide
 * the rows of a matrix that is to become int4, and the fallback is 'error'.
 */
export function planWeights(
  where: string,
  matrices: readonly WeightMatrix[],
  recipe: OpenvinoRecipe,
  errors: ReadonlyMap<string, number> = new Map(),
): WeightPlan {
  if (!('symmetric' in recipe)) {
    return new Map(matrices.map(({ name }) => [name, recipe.weightFormat]));
  }
  if (recipe.weightFormat === 'int8') return new Map(matrices.map(({ name }) => [name, int8(recipe.symmetric)]));
  const { candidates, groupSizes, ignored } = int4Candidates(matrices, recipe);
  const chosen = recipe.ratio < 1 ? chooseByError(candidates, recipe.ratio, errors) : candidates;
  const plan = new Map<string, StoredFormat>(
    matrices.map((matrix) => [matrix.name, ignored.has(matrix.name) ? matrix.floatFormat : int8(false)]),
  );
  const unfit: WeightMatrix[] = [];
  for (const matrix of chosen) {
    const groupSize = groupSizes.get(matrix.name) ?? -1;
    if (groupSize !== -1 && matrix.linear.inputSize % groupSize !== 0) unfit.push(matrix);
    plan.set(matrix.name, { bits: 4, symmetric: recipe.symmetric, groupSize });
  }
  if (unfit.length > 0) throw groupSizeUnfit(where, unfit, recipe.groupSize);
  return plan;
}

/**
 * Those whose int8 error is largest first, as long as the share of their weights stays under `ratio` (NNCF scores a
 * matrix 1 / (error + epsilon) and takes the lowest scores; the sort is stable).
 */
function chooseByError(
  candidates: readonly WeightMatrix[],
  ratio: number,
  errors: ReadonlyMap<string, number>,
): WeightMatrix[] {
  const size = ({ linear }: WeightMatrix): number => linear.inputSize * linear.outputSize;
  const error = ({ name }: WeightMatrix): number => {
    const found = errors.get(name);
    if (found === undefined) throw new RangeError(`The error of ${name} was not measured.`);
    return found;
  };
  const total = candidates.reduce((sum, matrix) => sum + size(matrix), 0);
  const chosen: WeightMatrix[] = [];
  let taken = 0;
  for (const matrix of [...candidates].sort((a, b) => error(b) - error(a))) {
    if ((taken + size(matrix)) / total >= ratio) break;
    taken += size(matrix);
    chosen.push(matrix);
  }
  return chosen;
}

function groupSizeUnfit(where: string, unfit: readonly WeightMatrix[], groupSize: number): OptionError {
  const shown = unfit.slice(0, 4).map(({ name, linear }) => `${name} (channel size ${linear.inputSize})`);
  const more = unfit.length > shown.length ? ` and ${unfit.length - shown.length} more` : '';
  return new OptionError(
    'OPTION_INVALID',
    `${where}: groupSize ${groupSize} does not divide the rows of ${shown.join(', ')}${more}. Choose a group size that ` +
      "divides them, -1 for whole rows, or groupSizeFallback 'adjust' (a smaller group size or int8 there) or 'ignore' " +
      '(not compressed there).',
    {
      details: {
        option: 'groupSize',
        found: groupSize,
        layers: unfit.map(({ name, linear }) => ({ name, channelSize: linear.inputSize })),
      },
    },
  );
}

function separate(linear: Linear): Linear[] {
  return linear.parts.map((part) => ({ inputSize: linear.inputSize, outputSize: part.rowCount, parts: [part] }));
}

function stacked(upper: Linear, lower: Linear): Linear {
  return {
    inputSize: upper.inputSize,
    outputSize: upper.outputSize + lower.outputSize,
    parts: [...upper.parts, ...lower.parts],
  };
}
