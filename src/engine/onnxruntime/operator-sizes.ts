/**
 * For each operator that decoders use, how large its outputs are, by the sizes and the small numbers that go in, and how
 * much it multiplies. A tensor whose size cannot be told has none that is bounded. It refuses nothing.
 * Sources: onnx/docs/Operators.md, onnxruntime/docs/ContribOperators.md.
 */
import { broadcast, extentOf, pairs, scalar, vector, type Extent, type Sizes } from './extent.js';
import { attention, groupQueryAttention } from './attention-sizes.js';
import type { GraphNode } from './graph-nodes.js';
import {
  add,
  between,
  constantOf,
  divide,
  either,
  isAtMost,
  isEqual,
  largest,
  multiply,
  multiplyPolynomials,
  negate,
  number,
  productOf,
  smallest,
  subtract,
  truth,
  UNKNOWN,
  type Amount,
} from './symbolic-size.js';

/** `isBound`: whether a tensor is an output that the caller has made room for; another size than that room's is refused. */
export type Rule = (
  node: GraphNode,
  inputs: readonly (Extent | undefined)[],
  isBound: (name: string) => boolean,
) => Sizes;

const NOTHING: Extent = extentOf(undefined);

const one = (output: Extent): Sizes => ({ outputs: [output] });
const at = (inputs: readonly (Extent | undefined)[], index: number): Extent => inputs[index] ?? NOTHING;
const attribute = ({ integers }: GraphNode, name: string): number | undefined => integers.get(name)?.[0];

/** Axes from -rank to rank - 1, counted from 0. */
function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** Numbers that an attribute gives or, in later versions of the operator, an input. Undefined where they are not known. */
function numbers(node: GraphNode, name: string, input: Extent | undefined): readonly number[] | undefined {
  const given = node.integers.get(name);
  if (given !== undefined) return given;
  const values = input?.values?.map(constantOf);
  return values?.every((value) => value !== undefined) === true ? values : undefined;
}

const same: Rule = (_, inputs) => one(at(inputs, 0));

/** TensorProto.DataType. */
const INT64 = 7;
const BOOL = 9;
/** To narrower numbers and those with a fraction: what becomes of the values is not followed. */
const cast: Rule = (node, inputs) => {
  const { dims, size, values, range } = at(inputs, 0);
  const to = attribute(node, 'to');
  if (to === INT64) return one(at(inputs, 0));
  if (to !== BOOL) return one(extentOf(dims, { size }));
  const isTrue = (value: Amount): Amount =>
    truth(isEqual(value, number(0)) === undefined ? undefined : constantOf(value) !== 0);
  return one(
    extentOf(dims, { size, range: isTrue(range), ...(values === undefined ? {} : { values: values.map(isTrue) }) }),
  );
};
/** As the first input, without its values. */
const sameShape: Rule = (_, inputs) => one(extentOf(at(inputs, 0).dims, { size: at(inputs, 0).size }));
const sameShapeOutputs: Rule = (node, inputs) => {
  const output = extentOf(at(inputs, 0).dims, { size: at(inputs, 0).size });
  return { outputs: node.outputs.map(() => output) };
};

const map =
  (compute: (value: Amount) => Amount): Rule =>
  (_, inputs) => {
    const { dims, size, values, range } = at(inputs, 0);
    const mapped = values?.map(compute);
    return one(extentOf(dims, { size, range: compute(range), ...(mapped === undefined ? {} : { values: mapped }) }));
  };

const elementwise =
  (compute?: (a: Amount, b: Amount) => Amount): Rule =>
  (_, inputs) => {
    const present = inputs.filter((input) => input !== undefined);
    const { dims, size } = broadcast(present);
    if (compute === undefined || present.length === 0) return one(extentOf(dims, { size }));
    const values = present.map((input) => input.values).reduce((a, b) => pairs(a, b, compute));
    const range = present.map((input) => input.range).reduce(compute);
    return one(extentOf(dims, { size, range, ...(values === undefined ? {} : { values }) }));
  };

const compare = (test: (a: Amount, b: Amount) => boolean | undefined): Rule => elementwise((a, b) => truth(test(a, b)));
const isLess = (a: Amount, b: Amount): boolean | undefined => isAtMost(add(a, number(1)), b);

function choose(condition: Amount, a: Amount, b: Amount): Amount {
  const known = constantOf(condition);
  return known === undefined ? either(a, b) : known === 0 ? b : a;
}

const where: Rule = (_, inputs) => {
  const [condition, a, b] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
  const { dims, size } = broadcast([condition, a, b]);
  const whole = pairs(a.values, b.values, either);
  const length = Math.max(condition.values?.length ?? 0, whole?.length ?? 0);
  const pick = (values: readonly Amount[] | undefined, i: number): Amount =>
    values?.[values.length === 1 ? 0 : i] ?? UNKNOWN;
  const values =
    condition.values === undefined || whole === undefined
      ? undefined
      : Array.from({ length }, (__, i) => choose(pick(condition.values, i), pick(a.values, i), pick(b.values, i)));
  const range = choose(condition.range, a.range, b.range);
  return one(extentOf(dims, { size, range, ...(values === undefined ? {} : { values }) }));
};

/** [..., m, k] by [..., k, n]. */
function matMul(a: Extent, b: Extent, transposeA = false, transposeB = false): Sizes {
  const [left, right] = [a.dims, b.dims];
  if (left === undefined || right === undefined || left.length === 0 || right.length === 0) return one(NOTHING);
  const m = left.length === 1 ? undefined : left.at(transposeA ? -1 : -2);
  const inner = left.at(transposeA ? -2 : -1) ?? UNKNOWN;
  const n = right.length === 1 ? undefined : right.at(transposeB ? -2 : -1);
  const other = right.at(right.length === 1 || transposeB ? -1 : -2) ?? UNKNOWN;
  const batch = broadcast([extentOf(left.slice(0, -2)), extentOf(right.slice(0, -2))]).dims ?? [UNKNOWN];
  const output = extentOf([...batch, ...(m === undefined ? [] : [m]), ...(n === undefined ? [] : [n])]);
  // The runtime sees that the two are one: the firmer bound serves.
  return { outputs: [output], products: multiplyPolynomials(output.size, smallest(inner, other).high) };
}

const gather: Rule = (node, inputs) => {
  const [data, indices] = [at(inputs, 0), at(inputs, 1)];
  if (data.dims === undefined || indices.dims === undefined) return one(NOTHING);
  const axis = axisOf(attribute(node, 'axis') ?? 0, data.dims.length);
  const dims = [...data.dims.slice(0, axis), ...indices.dims, ...data.dims.slice(axis + 1)];
  const { values } = data;
  if (values === undefined || data.dims.length !== 1) return one(extentOf(dims, { range: data.range }));
  const picked = indices.values?.map((value) => {
    const index = constantOf(value);
    return (index === undefined ? undefined : values[axisOf(index, values.length)]) ?? data.range;
  });
  return one(extentOf(dims, { range: data.range, ...(picked === undefined ? {} : { values: picked }) }));
};

/** GatherBlockQuantized keeps two numbers of four bits in a byte, with the attribute `bits`. */
const gatherQuantised: Rule = (node, inputs) => {
  const { dims } = at(inputs, 0);
  const bits = attribute(node, 'bits') ?? 4;
  const { dims: indices } = at(inputs, 1);
  if (dims === undefined || indices === undefined || bits < 1) return one(NOTHING);
  const axis = axisOf(attribute(node, 'gather_axis') ?? 0, dims.length);
  const all = [...dims.slice(0, axis), ...indices, ...dims.slice(axis + 1)];
  return one(extentOf([...all.slice(0, -1), multiply(all.at(-1) ?? UNKNOWN, number(Math.ceil(8 / bits)))]));
};

const gatherNd: Rule = (node, inputs) => {
  const [data, indices] = [at(inputs, 0).dims, at(inputs, 1).dims];
  const width = constantOf(indices?.at(-1) ?? UNKNOWN);
  if (data === undefined || indices === undefined || width === undefined) return one(NOTHING);
  return one(extentOf([...indices.slice(0, -1), ...data.slice((attribute(node, 'batch_dims') ?? 0) + width)]));
};

const concat: Rule = (node, inputs) => {
  const parts = inputs.map((input) => input ?? NOTHING);
  const [first] = parts;
  if (first?.dims === undefined || parts.some(({ dims }) => dims === undefined)) return one(NOTHING);
  const axis = axisOf(attribute(node, 'axis') ?? 0, first.dims.length);
  const joined = parts.map(({ dims }) => dims?.[axis] ?? UNKNOWN).reduce(add);
  const dims = first.dims.map((size, i) => (i === axis ? joined : size));
  const values = first.dims.length === 1 ? parts.map((part) => part.values) : [undefined];
  const isKnown = values.every((list) => list !== undefined);
  return one(
    extentOf(dims, {
      range: parts.map(({ range }) => range).reduce(either),
      ...(isKnown ? { values: values.flat() } : {}),
    }),
  );
};

/** As exporters write it, in 32 or 64 bits. */
const TO_THE_END = 2 ** 31 - 1;

/** The size of a slice of a dimension: exactly, where the ends are plain. */
function sliceSize(size: Amount, start: Amount, end: Amount, step: number | undefined): Amount {
  const whole = constantOf(size);
  const [first, last] = [constantOf(start), constantOf(end)];
  if (step === 1 && first !== undefined) {
    if (end.low >= TO_THE_END)
      return first < 0 ? smallest(number(-first), size) : atLeastZero(subtract(size, number(first)));
    if (whole !== undefined && last !== undefined) {
      const clamp = (value: number): number => Math.min(whole, Math.max(0, axisOf(value, whole)));
      return number(Math.max(0, clamp(last) - clamp(first)));
    }
    if (first === 0 && end.low >= 0) return smallest(end, size);
  }
  return between(0, size.high);
}

function atLeastZero(value: Amount): Amount {
  return value.low >= 0 ? value : between(0, value.high);
}

const slice: Rule = (node, inputs) => {
  const data = at(inputs, 0);
  const list = (name: string, index: number): readonly Amount[] | undefined =>
    node.integers.get(name)?.map(number) ?? at(inputs, index).values;
  const [starts, ends] = [list('starts', 1), list('ends', 2)];
  const axes = list('axes', 3) ?? (inputs[3] === undefined ? starts?.map((_, i) => number(i)) : undefined);
  const steps = list('steps', 4) ?? (inputs[4] === undefined ? starts?.map(() => number(1)) : undefined);
  if (data.dims === undefined || starts === undefined || ends === undefined || axes === undefined) {
    return one(
      extentOf(
        data.dims?.map(({ high }) => between(0, high)),
        { size: data.size, range: data.range },
      ),
    );
  }
  const dims = [...data.dims];
  for (const [i, start] of starts.entries()) {
    const axis = axisOf(constantOf(axes[i] ?? UNKNOWN) ?? NaN, dims.length);
    const whole = dims[axis];
    // Which axis it is cannot be told: any.
    if (whole === undefined)
      return one(
        extentOf(
          dims.map(({ high }) => between(0, high)),
          { size: data.size, range: data.range },
        ),
      );
    dims[axis] = sliceSize(whole, start, ends[i] ?? UNKNOWN, constantOf(steps?.[i] ?? UNKNOWN));
  }
  const [start, end] = [constantOf(starts[0] ?? UNKNOWN), ends[0] ?? UNKNOWN];
  const last = end.low >= TO_THE_END ? TO_THE_END : constantOf(end);
  const isPlain = dims.length === 1 && start !== undefined && constantOf(steps?.[0] ?? UNKNOWN) === 1;
  const values = isPlain && last !== undefined ? data.values?.slice(start, last) : undefined;
  return one(extentOf(dims, { range: data.range, ...(values === undefined ? {} : { values }) }));
};

const split: Rule = (node, inputs) => {
  const data = at(inputs, 0);
  const parts = node.outputs.length;
  if (data.dims === undefined) return { outputs: node.outputs.map(() => data) };
  const axis = axisOf(attribute(node, 'axis') ?? 0, data.dims.length);
  const given = node.integers.get('split')?.map(number) ?? at(inputs, 1).values;
  return {
    outputs: node.outputs.map((_, i) => {
      const whole = data.dims?.[axis] ?? UNKNOWN;
      const equal = divide(whole, number(parts));
      const size = given?.[i] ?? (equal.exact === undefined ? between(0, whole.high) : equal);
      return extentOf(
        data.dims?.map((other, j) => (j === axis ? size : other)),
        { range: data.range },
      );
    }),
  };
};

/** 0 takes the input's dimension, one -1 takes what is left. Elements are never more than there were. */
const reshape: Rule = (node, inputs) => {
  const [data, shape] = [at(inputs, 0), at(inputs, 1)];
  const wanted = shape.values;
  if (wanted === undefined) return one(extentOf(undefined, { size: data.size, range: data.range }));
  const copiesZero = (attribute(node, 'allowzero') ?? 0) === 0;
  const dims = wanted.map((size, axis) =>
    copiesZero && constantOf(size) === 0 ? (data.dims?.[axis] ?? UNKNOWN) : size,
  );
  const left = dims.findIndex((size) => constantOf(size) === -1);
  if (left >= 0) {
    const others = productOf(dims.filter((_, axis) => axis !== left));
    const whole = data.dims === undefined ? between(0, data.size) : productOf(data.dims);
    dims[left] = divide(whole, others);
  }
  // A number that is not known may be the -1.
  const bounded = dims.map((size) => (size.low >= 0 ? size : between(0, data.size)));
  return one(extentOf(bounded, { size: data.size, range: data.range, ...keep(data) }));
};

function keep({ values }: Extent): { values?: readonly Amount[] } {
  return values === undefined ? {} : { values };
}

const transpose: Rule = (node, inputs) => {
  const { dims, size, range } = at(inputs, 0);
  const order = node.integers.get('perm') ?? dims?.map((_, axis) => dims.length - 1 - axis);
  return one(extentOf(dims === undefined ? undefined : order?.map((axis) => dims[axis] ?? UNKNOWN), { size, range }));
};

const unsqueeze: Rule = (node, inputs) => {
  const { dims, size, range, values } = at(inputs, 0);
  const axes = numbers(node, 'axes', inputs[1]);
  if (dims === undefined || axes === undefined) return one(extentOf(undefined, { size, range }));
  const rank = dims.length + axes.length;
  const added = new Set(axes.map((axis) => axisOf(axis, rank)));
  const rest = [...dims];
  const all = Array.from({ length: rank }, (_, axis) => (added.has(axis) ? number(1) : (rest.shift() ?? UNKNOWN)));
  return one(extentOf(all, { size, range, ...(values === undefined ? {} : { values }) }));
};

const squeeze: Rule = (node, inputs) => {
  const { dims, size, range, values } = at(inputs, 0);
  const axes = numbers(node, 'axes', inputs[1]);
  if (dims === undefined || (axes === undefined && inputs[1] !== undefined))
    return one(extentOf(undefined, { size, range }));
  const dropped = axes?.map((axis) => axisOf(axis, dims.length));
  // Without axes: every 1, and what may be one cannot be told.
  if (dropped === undefined && dims.some((other) => constantOf(other) === undefined))
    return one(extentOf(undefined, { size, range }));
  const left = dims.filter((other, axis) =>
    dropped === undefined ? constantOf(other) !== 1 : !dropped.includes(axis),
  );
  return one(extentOf(left, { size, range, ...(values === undefined ? {} : { values }) }));
};

const flatten: Rule = (node, inputs) => {
  const { dims, size, range } = at(inputs, 0);
  if (dims === undefined) return one(extentOf(undefined, { size, range }));
  const axis = axisOf(attribute(node, 'axis') ?? 1, dims.length);
  return one(extentOf([productOf(dims.slice(0, axis)), productOf(dims.slice(axis))], { size, range }));
};

const shapeOf: Rule = (node, inputs) => {
  const { dims } = at(inputs, 0);
  return one(dims === undefined ? NOTHING : vector(dims.slice(attribute(node, 'start') ?? 0, attribute(node, 'end'))));
};

const constantOfShape: Rule = (node, inputs) => {
  const value = node.tensors.get('value');
  const fill =
    value === undefined ? number(0) : value.integers?.[0] === undefined ? UNKNOWN : number(value.integers[0]);
  return one(extentOf(at(inputs, 0).values, { range: fill }));
};

const expand: Rule = (_, inputs) => {
  const [data, shape] = [at(inputs, 0), at(inputs, 1)];
  if (shape.values === undefined) return one(NOTHING);
  const { dims, size } = broadcast([data, extentOf(shape.values)]);
  return one(extentOf(dims, { size, range: data.range }));
};

const tile: Rule = (_, inputs) => {
  const { dims, range } = at(inputs, 0);
  const repeats = at(inputs, 1).values;
  if (dims === undefined || repeats === undefined) return one(NOTHING);
  return one(
    extentOf(
      dims.map((size, axis) => multiply(size, repeats[axis] ?? UNKNOWN)),
      { range },
    ),
  );
};

const range: Rule = (_, inputs) => {
  const [start, limit, delta] = [0, 1, 2].map((index) => at(inputs, index).values?.[0] ?? UNKNOWN) as [
    Amount,
    Amount,
    Amount,
  ];
  const span = subtract(limit, start);
  const count = constantOf(delta) === 1 ? span : delta.low >= 1 ? between(0, span.high) : UNKNOWN;
  return one(extentOf([count.exact === undefined ? between(0, count.high) : count], { range: either(start, limit) }));
};

const reduce =
  (compute: (range: Amount, count: Amount) => Amount): Rule =>
  (node, inputs) => {
    const { dims, size, range: values } = at(inputs, 0);
    const axes = numbers(node, 'axes', inputs[1]);
    const isAll = axes === undefined || axes.length === 0;
    if (isAll && attribute(node, 'noop_with_empty_axes') === 1) return one(at(inputs, 0));
    const known = isAll && inputs[1] !== undefined && axes === undefined ? undefined : dims;
    if (known === undefined) return one(extentOf(undefined, { size, range: compute(values, between(0, size)) }));
    const reduced = new Set(isAll ? known.keys() : axes.map((axis) => axisOf(axis, known.length)));
    const count = productOf(known.filter((_, axis) => reduced.has(axis)));
    const keepsDims = (attribute(node, 'keepdims') ?? 1) !== 0;
    const left = known.flatMap((other, axis) => (reduced.has(axis) ? (keepsDims ? [number(1)] : []) : [other]));
    return one(extentOf(left, { range: compute(values, count) }));
  };

const constant: Rule = ({ integers, tensors, floats }) => {
  const tensor = tensors.get('value');
  if (tensor !== undefined) return one(ofTensor(tensor));
  const single = integers.get('value_int')?.[0];
  if (single !== undefined) return one(scalar(number(single)));
  const list = integers.get('value_ints');
  if (list !== undefined) return one(vector(list.map(number)));
  return one(floats.has('value_floats') ? extentOf([number(floats.get('value_floats') ?? 0)]) : extentOf([]));
};

/** Of an initialiser. */
export function ofTensor({
  dims,
  integers,
}: {
  dims: readonly number[];
  integers: readonly number[] | undefined;
}): Extent {
  const values = integers?.map(number);
  return extentOf(dims.map(number), values === undefined ? {} : { values });
}

const unary = (names: readonly string[], rule: Rule): Record<string, Rule> =>
  Object.fromEntries(names.map((name) => [name, rule]));

/** By operator, for the domains of ONNX and of ONNX Runtime (com.microsoft), in which no name means two things here. */
export const SIZE_RULES: ReadonlyMap<string, Rule> = new Map(
  Object.entries({
    Identity: same,
    Cast: cast,
    ...unary(
      [
        'Clip',
        'Cos',
        'Erf',
        'Gelu',
        'Log',
        'QuickGelu',
        'Reciprocal',
        'Relu',
        'Sigmoid',
        'Sin',
        'Softmax',
        'Sqrt',
        'Tanh',
      ],
      sameShape,
    ),
    ...unary(['DequantizeLinear', 'QuantizeLinear', 'RotaryEmbedding', 'ScatterND', 'Trilu', 'IsNaN'], sameShape),
    ...unary(['LayerNormalization', 'RMSNormalization', 'SimplifiedLayerNormalization'], sameShapeOutputs),
    ...unary(['SkipLayerNormalization', 'SkipSimplifiedLayerNormalization', 'DynamicQuantizeLinear'], sameShapeOutputs),
    ...unary(['BiasGelu', 'FastGelu', 'Pow'], elementwise()),
    Abs: map((value) => (value.low >= 0 ? value : either(value, negate(value)))),
    Neg: map(negate),
    Not: map((value) => (constantOf(value) === undefined ? truth(undefined) : truth(constantOf(value) === 0))),
    Add: elementwise(add),
    Sub: elementwise(subtract),
    Mul: elementwise(multiply),
    Div: elementwise(divide),
    Max: elementwise(largest),
    Min: elementwise(smallest),
    And: elementwise(smallest),
    Or: elementwise(largest),
    Equal: compare(isEqual),
    Less: compare(isLess),
    LessOrEqual: compare(isAtMost),
    Greater: compare((a, b) => isLess(b, a)),
    GreaterOrEqual: compare((a, b) => isAtMost(b, a)),
    Where: where,
    ...unary(['MatMul', 'MatMulInteger', 'MatMulIntegerToFloat', 'DynamicQuantizeMatMul'], (_, inputs) =>
      matMul(at(inputs, 0), at(inputs, 1)),
    ),
    ...unary(['FusedMatMul', 'Gemm'], (node, inputs) =>
      matMul(at(inputs, 0), at(inputs, 1), attribute(node, 'transA') === 1, attribute(node, 'transB') === 1),
    ),
    MatMulNBits: (node, inputs) => {
      const { dims, size } = at(inputs, 0);
      const columns = number(attribute(node, 'N') ?? Infinity);
      if (dims === undefined) return one(NOTHING);
      return {
        outputs: [extentOf([...dims.slice(0, -1), columns])],
        products: multiplyPolynomials(size, columns.high),
      };
    },
    Concat: concat,
    Constant: constant,
    ConstantOfShape: constantOfShape,
    CumSum: (_, inputs) => {
      const { dims, size, range: values } = at(inputs, 0);
      return one(extentOf(dims, { size, range: multiply(values, either(number(0), between(0, size))) }));
    },
    Expand: expand,
    Flatten: flatten,
    Gather: gather,
    GatherBlockQuantized: gatherQuantised,
    GatherElements: (_, inputs) =>
      one(extentOf(at(inputs, 1).dims, { size: at(inputs, 1).size, range: at(inputs, 0).range })),
    GatherND: gatherNd,
    ...unary(['Attention', 'MultiHeadAttention'], attention),
    GroupQueryAttention: groupQueryAttention,
    Range: range,
    ...unary(
      ['ReduceMax', 'ReduceMin', 'ReduceMean'],
      reduce((values) => values),
    ),
    ReduceSum: reduce((values, count) => multiply(values, count)),
    Reshape: reshape,
    Shape: shapeOf,
    Slice: slice,
    Split: split,
    Squeeze: squeeze,
    Tile: tile,
    Transpose: transpose,
    Unsqueeze: unsqueeze,
  }),
);
