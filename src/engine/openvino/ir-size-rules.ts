/**
 * For each type of layer that an IR may have, the rule of its sizes. Attributes of ONNX's operators are inputs of many of
 * these. It refuses nothing, and knows neither inputs of the graph nor its states.
 * Source: OpenVINO's operation specifications, docs.openvino.ai, "Available Operation Sets".
 */
import { scaledDotProductAttention } from '../graph-size/attention.js';
import { cast, compare, elementwise, isLess, map, sameShape, where } from '../graph-size/elementwise.js';
import { broadcast, extentOf, vector, type Extent } from '../graph-size/extent.js';
import type { GraphNode } from '../graph-size/graph.js';
import { matMul } from '../graph-size/matrices.js';
import { at, attribute, axisOf, constants, NOTHING, one, type Rule } from '../graph-size/rule.js';
import { concat, gather, gatherNd, slice, split, stridedSlice } from '../graph-size/selection.js';
import { constant, range, reduce, reshape, shapeOf, squeeze, tile, transpose, unsqueeze } from '../graph-size/shape.js';
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
  negate,
  number,
  smallest,
  subtract,
  truth,
  UNKNOWN,
  type Amount,
} from '../graph-size/symbolic-size.js';

/**
 * Attributes that ir-sizes.ts adds: 1 where broadcasting is another than NumPy's, where a Broadcast goes in both
 * directions, where the outputs are true or false, where they are no fractions.
 */
export const OTHER_BROADCAST = 'other_broadcast';
export const BIDIRECTIONAL = 'bidirectional';
export const TO_TRUTH = 'to_truth';
export const IN_WHOLE_NUMBERS = 'in_whole_numbers';

const has = (node: GraphNode, name: string): boolean => attribute(node, name) === 1;

/** The node with more attributes. */
function giving(node: GraphNode, attributes: Readonly<Record<string, readonly number[]>>): GraphNode {
  return { ...node, integers: new Map([...node.integers, ...Object.entries(attributes)]) };
}

/** Of a shape that cannot be told, as many elements as there were. */
const reshaped = ({ size, range: values }: Extent) => one(extentOf(undefined, { size, range: values }));
const unbounded: Rule = (node) => ({ outputs: node.outputs.map(() => NOTHING) });

const numpy =
  (rule: Rule): Rule =>
  (node, inputs, isBound) =>
    has(node, OTHER_BROADCAST) ? one(NOTHING) : rule(node, inputs, isBound);

/** In whole numbers; the rest has the sign that `compute` gives it. */
const remainder = (compute: (a: number, b: number) => number) =>
  elementwise((a, b) => {
    const [left, right] = [constantOf(a), constantOf(b)];
    if (left !== undefined && right !== undefined && right !== 0) return number(compute(left, right));
    return a.low >= 0 && b.low >= 1 ? between(0, b.high) : UNKNOWN;
  });

/**
 * The runtime (2026.4) works constants out with the processor's own division, which ends the process for a divisor of 0, and
 * for the least number by -1.
 */
const dividing =
  (rule: Rule): Rule =>
  (node, inputs, isBound) => {
    const { values, range: any } = at(inputs, 1);
    const isSafe = (divisor: Amount): boolean => divisor.low >= 1 || (constantOf(divisor) ?? 0) < -1;
    const areSafe = !has(node, IN_WHOLE_NUMBERS) || (values?.every(isSafe) ?? isSafe(any));
    const problem = areSafe ? undefined : 'divides whole numbers by what may be 0 or -1';
    return { ...rule(node, inputs, isBound), problem };
  };

const not = map((value) => (constantOf(value) === undefined ? truth(undefined) : truth(constantOf(value) === 0)));

const gatherAlong: Rule = (node, inputs, isBound) => {
  const [axis] = constants(inputs[2]) ?? [];
  const [data, indices] = [at(inputs, 0), at(inputs, 1)];
  if (axis === undefined) return one(NOTHING);
  const along = giving(node, { axis: [axis] });
  const batchDims = attribute(node, 'batch_dims') ?? 0;
  if (batchDims === 0) return gather(along, [data, indices], isBound);
  const { dims } = indices;
  const others = extentOf(dims?.slice(axisOf(batchDims, dims.length)));
  return gather(along, [extentOf(data.dims, { size: data.size, range: data.range, values: [] }), others], isBound);
};

/**
 * The versions of the operation differ in the shape where there are batches, not in the elements. The runtime (2026.4)
 * reads where the indices say, in the tensor or beyond it.
 */
const gatherNdWithin: Rule = (node, inputs, isBound) => {
  const [data, indices] = [at(inputs, 0), at(inputs, 1)];
  const batchDims = attribute(node, 'batch_dims') ?? 0;
  const width = constantOf(indices.dims?.at(-1) ?? UNKNOWN) ?? 0;
  const along = data.dims?.slice(batchDims, batchDims + width) ?? [];
  const isInside = (index: Amount, size: Amount): boolean => index.low >= 0 && isLess(index, size) === true;
  const areInside =
    along.length === width &&
    width > 0 &&
    (indices.values?.every((index, i) => isInside(index, along[i % width] ?? UNKNOWN)) ??
      along.every((size) => isInside(indices.range, size)));
  const problem = areInside ? undefined : 'has places that may lie outside of the tensor that it takes them from';
  const { outputs } = gatherNd(node, inputs, isBound);
  return { ...(batchDims === 0 ? { outputs } : reshaped(outputs[0] ?? NOTHING)), problem };
};

/** data, indices, updates, axis. The runtime (2026.4) looks at places beyond the end, and writes before the beginning. */
const scatterElements: Rule = (node, inputs, isBound) => {
  const { dims } = at(inputs, 0);
  const { values, range: places } = at(inputs, 1);
  const [axis = NaN] = constants(inputs[3]) ?? [];
  const size = dims?.[axisOf(axis, dims.length)] ?? UNKNOWN;
  // From the end, as far as it goes.
  const isInside = (place: Amount): boolean => isAtMost(number(0), add(place, size)) === true;
  const areInside = values?.every(isInside) ?? isInside(places);
  return {
    ...sameShape(node, inputs, isBound),
    problem: areInside ? undefined : 'has places that may lie before the tensor that it puts values into',
  };
};

/** The runtime (2026.4) does not ask whether there is such an axis. */
const cumSum: Rule = (_, inputs) => {
  const { dims, size, range: values } = at(inputs, 0);
  const [axis = NaN] = constants(inputs[1]) ?? [];
  const rank = dims?.length ?? 0;
  return {
    ...one(extentOf(dims, { size, range: multiply(values, either(number(0), between(0, size))) })),
    problem: axis >= -rank && axis < rank ? undefined : `sums along an axis that its tensor of ${rank} does not have`,
  };
};

const broadcastTo: Rule = (node, inputs) => {
  const [data, shape] = [at(inputs, 0), at(inputs, 1)];
  if (shape.values === undefined) return one(NOTHING);
  const target = extentOf(shape.values);
  const { dims, size } = has(node, BIDIRECTIONAL) ? broadcast([data, target]) : target;
  return one(extentOf(dims, { size, range: data.range }));
};

const splitEvenly: Rule = (node, inputs, isBound) => {
  const [axis] = constants(inputs[1]) ?? [];
  // The runtime makes as many outputs as the attribute says.
  if (axis === undefined || attribute(node, 'num_splits') !== node.outputs.length)
    return unbounded(node, inputs, isBound);
  return split(giving(node, { axis: [axis] }), inputs.slice(0, 1), isBound);
};

/** One of the lengths may be -1: what is left. */
const splitByLengths: Rule = (node, inputs, isBound) => {
  const [data, lengths] = [at(inputs, 0), at(inputs, 2)];
  const [axis] = constants(inputs[1]) ?? [];
  const parts = constantOf(lengths.dims?.[0] ?? UNKNOWN);
  // The runtime makes as many outputs as there are lengths.
  if (axis === undefined || parts !== node.outputs.length) return unbounded(node, inputs, isBound);
  const { dims } = data;
  if (dims === undefined) return { outputs: node.outputs.map(() => extentOf(undefined, { size: data.size })) };
  const at0 = axisOf(axis, dims.length);
  const whole = dims[at0] ?? UNKNOWN;
  const given = lengths.values?.filter((length) => constantOf(length) !== -1).reduce(add, number(0));
  const sizeOf = (length: Amount | undefined): Amount => {
    const size = length !== undefined && constantOf(length) === -1 ? subtract(whole, given ?? UNKNOWN) : length;
    return size?.exact === undefined || size.low < 0 ? between(0, whole.high) : size;
  };
  return {
    outputs: node.outputs.map((_, i) => {
      const size = sizeOf(lengths.values?.[i]);
      return extentOf(
        dims.map((other, j) => (j === at0 ? size : other)),
        { range: data.range },
      );
    }),
  };
};

/** The smaller of the two ranks is filled up with ones. The runtime (2026.4) copies negative numbers of times, too. */
const tileAligned: Rule = (node, inputs, isBound) => {
  const { dims, range: values } = at(inputs, 0);
  const repeats = at(inputs, 1).values;
  if (dims === undefined || repeats === undefined) return one(NOTHING);
  const rank = Math.max(dims.length, repeats.length);
  const filled = (list: readonly Amount[]): readonly Amount[] => [
    ...Array.from({ length: rank - list.length }, () => number(1)),
    ...list,
  ];
  const tiled = tile(node, [extentOf(filled(dims), { range: values }), vector(filled(repeats))], isBound);
  return repeats.every(({ low }) => low >= 0)
    ? tiled
    : { ...tiled, problem: 'repeats a tensor a number of times that may be negative' };
};

const transposeBy: Rule = (node, inputs, isBound) => {
  const perm = constants(inputs[1]);
  if (perm === undefined) return reshaped(at(inputs, 0));
  return transpose(perm.length === 0 ? node : giving(node, { perm }), inputs.slice(0, 1), isBound);
};

/** Without axes nothing is reduced. `combine`: two values into one, where there are few. */
const reduceAlong =
  (compute: (range: Amount, count: Amount) => Amount, combine?: (a: Amount, b: Amount) => Amount): Rule =>
  (node, inputs, isBound) => {
    const data = at(inputs, 0);
    const axes = constants(inputs[1]);
    if (axes === undefined) {
      return one(extentOf(undefined, { size: data.size, range: compute(data.range, between(0, data.size)) }));
    }
    if (axes.length === 0) return one(data);
    const along = giving(node, { axes, keepdims: [attribute(node, 'keep_dims') ?? 0] });
    const { outputs } = reduce(compute)(along, inputs.slice(0, 1), isBound);
    const [reduced = NOTHING] = outputs;
    const isOne = data.dims?.length === 1 && (data.values?.length ?? 0) > 0;
    if (combine === undefined || !isOne || data.values === undefined) return { outputs };
    return one(extentOf(reduced.dims, { values: [data.values.reduce(combine)] }));
  };

const squeezeAxes: Rule = (node, inputs, isBound) =>
  // With this flag an axis stays where it is not 1.
  has(node, 'allow_axis_skip') ? reshaped(at(inputs, 0)) : squeeze(node, inputs, isBound);

/** The runtime (2026.4) takes as many as it is told, whether they are there or not. */
const topK: Rule = (node, inputs) => {
  const { dims, size, range: values } = at(inputs, 0);
  const [k = UNKNOWN] = at(inputs, 1).values ?? [];
  const axis = axisOf(attribute(node, 'axis') ?? NaN, dims?.length ?? 0);
  const kept = dims?.map((whole, i) => (i !== axis ? whole : k.low < 0 ? between(0, whole.high) : smallest(k, whole)));
  const whole = dims?.[axis];
  const areThere = whole !== undefined && k.low >= 0 && isAtMost(k, whole) === true;
  return {
    outputs: [extentOf(kept, { range: values }), extentOf(kept, { range: between(0, size) })],
    problem: areThere ? undefined : 'takes the largest of more values than there may be',
  };
};

/** [rank, elements that are not zero]. */
const nonZero: Rule = (_, inputs) => {
  const { dims, size } = at(inputs, 0);
  if (dims === undefined) return one(NOTHING);
  const most = between(0, size);
  return one(extentOf([number(dims.length), most], { range: most }));
};

const every = (names: readonly string[], rule: Rule): Record<string, Rule> =>
  Object.fromEntries(names.map((name) => [name, rule]));

/** By type. Parameter, ReadValue and Assign are left to ir-sizes.ts. */
export const IR_SIZE_RULES: ReadonlyMap<string, Rule> = new Map(
  Object.entries<Rule>({
    ...every(['Ceiling', 'Clamp', 'Cos', 'Erf', 'Exp', 'Floor', 'Gelu', 'HSwish', 'IsNaN', 'Log', 'MVN'], sameShape),
    ...every(['RMS', 'ReLU', 'Round', 'Sigmoid', 'Sign', 'Sin', 'SoftMax', 'SoftPlus', 'Softmax', 'Sqrt'], sameShape),
    ...every(['Swish', 'Tanh'], sameShape),
    ScatterElementsUpdate: scatterElements,
    ...every(['ScatterNDUpdate', 'ScatterUpdate'], sameShape),
    Abs: map((value) => (value.low >= 0 ? value : either(value, negate(value)))),
    Negative: map(negate),
    ...every(['LogicalNot', 'BitwiseNot'], (node, inputs, isBound) =>
      (has(node, TO_TRUTH) ? not : sameShape)(node, inputs, isBound),
    ),
    Add: numpy(elementwise(add)),
    Subtract: numpy(elementwise(subtract)),
    Multiply: numpy(elementwise(multiply)),
    Divide: dividing(numpy(elementwise(divide))),
    Maximum: numpy(elementwise(largest)),
    Minimum: numpy(elementwise(smallest)),
    Mod: dividing(numpy(remainder((a, b) => a % b))),
    FloorMod: numpy(remainder((a, b) => ((a % b) + b) % b)),
    ...every(['FakeQuantize', 'LogicalXor', 'Power', 'SquaredDifference'], numpy(elementwise())),
    ...every(
      ['BitwiseAnd', 'LogicalAnd'],
      numpy((node, inputs, isBound) => elementwise(has(node, TO_TRUTH) ? smallest : undefined)(node, inputs, isBound)),
    ),
    ...every(
      ['BitwiseOr', 'LogicalOr'],
      numpy((node, inputs, isBound) => elementwise(has(node, TO_TRUTH) ? largest : undefined)(node, inputs, isBound)),
    ),
    Equal: numpy(compare(isEqual)),
    NotEqual: numpy(
      compare((a, b) => {
        const equal = isEqual(a, b);
        return equal === undefined ? undefined : !equal;
      }),
    ),
    Less: numpy(compare(isLess)),
    LessEqual: numpy(compare(isAtMost)),
    Greater: numpy(compare((a, b) => isLess(b, a))),
    GreaterEqual: numpy(compare((a, b) => isAtMost(b, a))),
    Select: numpy(where),
    ...every(['Convert', 'ConvertLike'], (node, inputs) =>
      cast(at(inputs, 0), has(node, TO_TRUTH) ? 'truth' : 'whole'),
    ),
    Broadcast: broadcastTo,
    Concat: concat,
    Const: constant,
    CumSum: cumSum,
    Gather: gatherAlong,
    GatherElements: (_, inputs) =>
      one(extentOf(at(inputs, 1).dims, { size: at(inputs, 1).size, range: at(inputs, 0).range })),
    GatherND: gatherNdWithin,
    MatMul: (node, inputs) => matMul(at(inputs, 0), at(inputs, 1), has(node, 'transpose_a'), has(node, 'transpose_b')),
    NonZero: nonZero,
    Range: range,
    ReduceMax: reduceAlong((values) => values, largest),
    ReduceMin: reduceAlong((values) => values, smallest),
    ReduceMean: reduceAlong((values) => values),
    ReduceL2: reduceAlong(() => UNKNOWN),
    ReduceProd: reduceAlong(() => UNKNOWN, multiply),
    ReduceSum: reduceAlong(multiply, add),
    Reshape: (node, inputs, isBound) =>
      reshape(giving(node, { allowzero: [has(node, 'special_zero') ? 0 : 1] }), inputs, isBound),
    Result: () => ({ outputs: [] }),
    ScaledDotProductAttention: scaledDotProductAttention,
    ShapeOf: shapeOf,
    /** data, start, stop, step, axes: ONNX has the last two the other way round. */
    Slice: (node, [data, start, stop, step, axes], isBound) => slice(node, [data, start, stop, axes, step], isBound),
    Split: splitEvenly,
    Squeeze: squeezeAxes,
    StridedSlice: stridedSlice,
    Tile: tileAligned,
    TopK: topK,
    Transpose: transposeBy,
    Unsqueeze: unsqueeze,
    VariadicSplit: splitByLengths,
  }),
);
