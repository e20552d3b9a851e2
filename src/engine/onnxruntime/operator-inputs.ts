/**
 * Whether the inputs of a node have the shapes that its operator asks for, as far as ONNX Runtime's kernels do not look
 * themselves: they read a size of a dimension that a tensor does not have, or a row beyond its end, and the process ends
 * or reads other memory (ONNX Runtime 1.30). An operator that is not in the table checks its own inputs.
 * Sources: onnx/docs/Operators.md, onnxruntime/docs/ContribOperators.md. It follows no sizes.
 */
import { ModelFormatError } from '../../errors.js';
import type { Extent } from '../graph-size/extent.js';
import type { GraphNode } from '../graph-size/graph.js';
import {
  add,
  constantOf,
  isEqual,
  multiply,
  number,
  PAST,
  TOKENS,
  variable,
  type Amount,
} from '../graph-size/symbolic-size.js';

/** 'any': a size that the kernel compares with others itself. */
type Shape = readonly (Amount | 'any')[];

/** Shapes that an input may have; 'absent': it may not be given; 'any': of any shape. */
type Allowed = readonly Shape[] | 'absent' | 'any';

interface InputRule {
  /** As the operator's documentation calls it. */
  readonly name: string;
  readonly allowed: Allowed;
  readonly isRequired?: boolean;
}

type Dims = readonly Amount[];

class NodeInputs {
  readonly #node: GraphNode;
  readonly #inputs: readonly (Extent | undefined)[];

  constructor(node: GraphNode, inputs: readonly (Extent | undefined)[]) {
    this.#node = node;
    this.#inputs = inputs;
  }

  has(index: number): boolean {
    return this.#inputs[index] !== undefined;
  }

  dims(index: number): Dims {
    return this.#inputs[index]?.dims ?? [];
  }

  /** A dimension; a tensor without it is refused where its own shape is asked for. */
  dim(index: number, axis: number): Amount {
    return this.dims(index).at(axis) ?? NONE;
  }

  /** A whole-number attribute. */
  attribute(name: string, otherwise: number): number {
    return this.#node.integers.get(name)?.[0] ?? otherwise;
  }
}

/** Equals no size. */
const NONE = number(-1);
const ONE = number(1);

const required = (name: string, ...allowed: readonly Shape[]): InputRule => ({ name, allowed, isRequired: true });
const optional = (name: string, ...allowed: readonly Shape[]): InputRule => ({ name, allowed });
const absent = (name: string): InputRule => ({ name, allowed: 'absent' });
const anyShape = (name: string): InputRule => ({ name, allowed: 'any', isRequired: true });

const half = (size: Amount): Amount => {
  const known = constantOf(size);
  return known === undefined ? NONE : number(known / 2);
};

/** Past and present are the same memory, as long as the past and the run together. */
function groupQueryAttention(inputs: NodeInputs): readonly InputRule[] {
  const [heads, kvHeads] = [number(inputs.attribute('num_heads', 0)), number(inputs.attribute('kv_num_heads', 0))];
  const [batch, tokens, headSize] = [inputs.dim(0, 0), inputs.dim(0, 1), inputs.dim(3, 3)];
  const isPacked = !inputs.has(1) && !inputs.has(2);
  const width = isPacked ? add(heads, multiply(number(2), kvHeads)) : heads;
  const all = add(variable(PAST), variable(TOKENS));
  const keys: Shape = [batch, tokens, multiply(kvHeads, headSize)];
  const cache: Shape = [batch, kvHeads, all, headSize];
  const rotates = inputs.attribute('do_rotary', 0) !== 0;
  const rotary = rotates ? required : optional;
  const turned = inputs.dim(7, 1);
  return [
    required('query', [batch, tokens, multiply(width, headSize)]),
    ...['key', 'value'].map((name): InputRule => (isPacked ? absent(name) : required(name, keys))),
    required('past_key', cache),
    required('past_value', cache),
    required('seqlens_k', [batch], [batch, ONE]),
    required('total_sequence_length', [], [ONE]),
    rotary('cos_cache', ['any', atMost(turned, half(headSize))]),
    rotary('sin_cache', ['any', turned]),
    { name: 'position_ids', allowed: 'any' },
    optional('attention_bias', ...[batch, ONE].flatMap((b) => [heads, ONE].map((h): Shape => [b, h, tokens, all]))),
    optional('head_sink', [heads]),
    absent('k_scale'),
    absent('v_scale'),
  ];
}

/** `size` itself where it is known to be at most `limit`, else what equals nothing. */
function atMost(size: Amount, limit: Amount): Amount {
  const [known, most] = [constantOf(size), constantOf(limit)];
  return known !== undefined && most !== undefined && known >= 1 && known <= most ? size : NONE;
}

function matMulNBits(inputs: NodeInputs): readonly InputRule[] {
  const [k, n, bits] = [inputs.attribute('K', 0), inputs.attribute('N', 0), inputs.attribute('bits', 4)];
  const blockSize = inputs.attribute('block_size', 0);
  const blocks = Math.ceil(k / blockSize);
  const flat = (rows: number, columns: number): readonly Shape[] => [
    [number(rows), number(columns)],
    [number(rows * columns)],
  ];
  const packedZeros = Math.ceil((blocks * bits) / 8);
  return [
    required('A', [...inputs.dims(0).slice(0, -1), number(k)]),
    required('B', [number(n), number(blocks), number((blockSize * bits) / 8)]),
    required('scales', ...flat(n, blocks)),
    optional('zero_points', ...flat(n, packedZeros), ...flat(n, blocks)),
    optional('g_idx', [number(k)], [number(blocks * blockSize)]),
    optional('bias', [number(n)]),
  ];
}

/** ONNX Runtime's own: input, position_ids, cos_cache, sin_cache. */
function rotaryEmbedding(inputs: NodeInputs): readonly InputRule[] {
  const dims = inputs.dims(0);
  const [batch, tokens] = [inputs.dim(0, 0), inputs.dim(0, -2)];
  return [
    required('input', dims.length === 4 ? dims : dims.slice(0, 3)),
    required('position_ids', [ONE], [batch, dims.length === 4 ? tokens : inputs.dim(0, 1)]),
    ...caches(inputs, 2, inputs.attribute('rotary_embedding_dim', 0)),
  ];
}

/** ONNX's: X, cos_cache, sin_cache, position_ids; without positions the caches have a row for each token. */
function onnxRotaryEmbedding(inputs: NodeInputs): readonly InputRule[] {
  const dims = inputs.dims(0);
  const [batch, tokens] = [inputs.dim(0, 0), dims.length === 4 ? inputs.dim(0, 2) : inputs.dim(0, 1)];
  const turned = inputs.dim(1, -1);
  const cache = (name: string): InputRule => required(name, [batch, tokens, turned]);
  return [
    required('X', dims.length === 4 ? dims : dims.slice(0, 3)),
    ...(inputs.has(3)
      ? caches(inputs, 1, inputs.attribute('rotary_embedding_dim', 0))
      : [cache('cos_cache'), cache('sin_cache')]),
    optional('position_ids', [batch, tokens]),
  ];
}

/** `turned`: of each head; 0: all of it. That the two are of one length is compared by the kernel. */
function caches(inputs: NodeInputs, cos: number, turned: number): readonly InputRule[] {
  const shape: Shape = ['any', turned > 0 ? number(turned / 2) : inputs.dim(cos, 1)];
  return [required('cos_cache', shape), required('sin_cache', shape)];
}

/** Normalises the last dimension: input, skip, gamma, and of the kind with a mean beta, then bias. */
const skipNormalisation =
  (...rest: readonly string[]) =>
  (inputs: NodeInputs): readonly InputRule[] => {
    const dims = inputs.dims(0);
    const width: Shape = [inputs.dim(0, -1)];
    return [
      required('input', dims.length === 2 ? dims : dims.slice(0, 3)),
      required('skip', dims, [ONE, ...dims.slice(1)], dims.slice(1)),
      required('gamma', width),
      ...rest.map((name) => optional(name, width)),
    ];
  };

/** Normalises from `axis` on. */
function normalisation(inputs: NodeInputs): readonly InputRule[] {
  const dims = inputs.dims(0);
  const axis = inputs.attribute('axis', -1);
  const normalised = axis === 0 ? dims : dims.slice(axis);
  return [required('X', dims), required('scale', normalised), optional('B', normalised)];
}

const withBias =
  (isRequired: boolean) =>
  (inputs: NodeInputs): readonly InputRule[] => [
    anyShape('A'),
    { name: 'bias', allowed: [[inputs.dim(0, -1)]], isRequired },
  ];

const RULES: ReadonlyMap<string, (inputs: NodeInputs) => readonly InputRule[]> = new Map(
  Object.entries({
    'com.microsoft.GroupQueryAttention': groupQueryAttention,
    'com.microsoft.MatMulNBits': matMulNBits,
    'com.microsoft.RotaryEmbedding': rotaryEmbedding,
    RotaryEmbedding: onnxRotaryEmbedding,
    'com.microsoft.SkipSimplifiedLayerNormalization': skipNormalisation('bias'),
    'com.microsoft.SkipLayerNormalization': skipNormalisation('beta', 'bias'),
    SimplifiedLayerNormalization: normalisation,
    LayerNormalization: normalisation,
    RMSNormalization: normalisation,
    'com.microsoft.BiasGelu': withBias(true),
    'com.microsoft.FastGelu': withBias(false),
  }),
);

/**
 * From which input on an operator can do without; of others none can be left out, in lists of any length neither, which
 * the kernels of ONNX Runtime do not ask.
 */
const OPTIONAL_FROM: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ...{ Attention: 3, Clip: 1, DequantizeLinear: 2, DynamicQuantizeMatMul: 3, FastGelu: 1, GatherBlockQuantized: 3 },
    ...{ Gemm: 2, GroupQueryAttention: 1, LayerNormalization: 2, MatMulInteger: 2, MatMulIntegerToFloat: 4 },
    ...{ MatMulNBits: 3, MultiHeadAttention: 1, QuantizeLinear: 2, ReduceMax: 1, ReduceMean: 1, ReduceMin: 1 },
    ...{ ReduceSum: 1, RotaryEmbedding: 3, SimplifiedLayerNormalization: 2, SkipLayerNormalization: 3 },
    ...{ SkipSimplifiedLayerNormalization: 3, Slice: 3, Split: 1, Squeeze: 1, Trilu: 1 },
  }),
);

/** Throws TENSOR_SHAPE_MISMATCH for a node of `file` whose inputs have not the shapes that its operator asks for. */
export function checkOperatorInputs(file: string, node: GraphNode, extents: readonly (Extent | undefined)[]): void {
  const { operator, domain } = node;
  const left = extents.findIndex(
    (extent, index) => extent === undefined && index < (OPTIONAL_FROM.get(operator) ?? Infinity),
  );
  if (left >= 0) throw refusal(file, node, `input ${left}`, 'nothing', 'any');
  const key = domain === 'com.microsoft' ? `${domain}.${operator}` : operator;
  const rules = RULES.get(key)?.(new NodeInputs(node, extents));
  if (rules === undefined) return;
  for (let index = 0; index < Math.max(rules.length, extents.length); index += 1) {
    const [rule, extent] = [rules[index], extents[index]];
    const name = rule?.name ?? `input ${index}`;
    if (extent === undefined) {
      if (rule?.isRequired === true) throw refusal(file, node, name, 'nothing', rule.allowed);
    } else if (rule === undefined || !fits(extent.dims, rule.allowed)) {
      throw refusal(file, node, name, describeShape(extent.dims), rule?.allowed ?? 'absent');
    }
  }
}

function fits(dims: Dims | undefined, allowed: Allowed): boolean {
  if (allowed === 'any') return true;
  if (allowed === 'absent' || dims === undefined) return false;
  return allowed.some(
    (shape) =>
      shape.length === dims.length && shape.every((size, axis) => size === 'any' || isSame(size, dims[axis] ?? NONE)),
  );
}

/** The very same amount is the same even where it is not known. */
function isSame(a: Amount, b: Amount): boolean {
  return a !== NONE && (a === b || isEqual(a, b) === true);
}

function describeShape(dims: Dims | Shape | undefined): string {
  const describe = (size: Amount | 'any'): string =>
    size === NONE ? 'none' : String((size === 'any' ? undefined : constantOf(size)) ?? '?');
  return dims === undefined ? 'an unknown shape' : `[${dims.map(describe).join(', ')}]`;
}

function refusal(file: string, node: GraphNode, name: string, found: string, allowed: Allowed): ModelFormatError {
  const shapes = typeof allowed === 'string' ? [] : [...new Set(allowed.map(describeShape))];
  const wanted = allowed === 'absent' ? 'it cannot be given' : shapes.join(' or ') || 'it is required';
  return new ModelFormatError(
    'TENSOR_SHAPE_MISMATCH',
    `${file}: a node ${node.operator} ('${(node.outputs[0] ?? '').slice(0, 80)}') has ${found} for its ${name}; asked for: ` +
      `${wanted}. It is no sound ONNX file, or the configuration beside it is another's: download or export both anew.`,
    { details: { file, operator: node.operator, input: name, found, allowed: shapes } },
  );
}
