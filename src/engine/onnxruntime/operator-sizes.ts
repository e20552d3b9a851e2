/**
 * For each operator that decoders use in ONNX files, the rule of its sizes. It refuses nothing.
 * Sources: onnx/docs/Operators.md, onnxruntime/docs/ContribOperators.md.
 */
import { attention, groupQueryAttention } from '../graph-size/attention.js';
import {
  cast,
  compare,
  elementwise,
  isLess,
  map,
  same,
  sameShape,
  sameShapeOutputs,
  where,
} from '../graph-size/elementwise.js';
import { extentOf } from '../graph-size/extent.js';
import { matMul } from '../graph-size/matrices.js';
import { at, attribute, NOTHING, one, type Rule } from '../graph-size/rule.js';
import { concat, gather, gatherNd, gatherQuantised, slice, split } from '../graph-size/selection.js';
import {
  constant,
  constantOfShape,
  expand,
  flatten,
  range,
  reduce,
  reshape,
  shapeOf,
  squeeze,
  tile,
  transpose,
  unsqueeze,
} from '../graph-size/shape.js';
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
  smallest,
  subtract,
  truth,
} from '../graph-size/symbolic-size.js';

/** TensorProto.DataType. */
const INT64 = 7;
const BOOL = 9;
const castByType: Rule = (node, inputs) => {
  const to = attribute(node, 'to');
  return cast(at(inputs, 0), to === INT64 ? 'whole' : to === BOOL ? 'truth' : 'other');
};

const unary = (names: readonly string[], rule: Rule): Record<string, Rule> =>
  Object.fromEntries(names.map((name) => [name, rule]));

/** By operator, for the domains of ONNX and of ONNX Runtime (com.microsoft), in which no name means two things here. */
export const SIZE_RULES: ReadonlyMap<string, Rule> = new Map(
  Object.entries({
    Identity: same,
    Cast: castByType,
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
