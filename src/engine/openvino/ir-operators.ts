/**
 * Which operators an IR may have: those of decoders. A graph is a program from a stranger: what makes much out of nothing
 * (Pad, OneHot, RandomUniform, Interpolate), runs other graphs (Loop, If) or brings code of its own is refused before the
 * runtime sees it. It does not look at what the operators are given.
 */
import { UnsupportedError } from '../../errors.js';
import type { IrXml } from './ir-xml.js';

/** As aipc, optimum-intel and OpenVINO's converters write decoders, with normal and quantised weights. */
export const DECODER_OPERATORS: ReadonlySet<string> = new Set([
  ...[
    'Abs',
    'Add',
    'Assign',
    'BitwiseAnd',
    'BitwiseNot',
    'BitwiseOr',
    'Broadcast',
    'Ceiling',
    'Clamp',
    'Concat',
    'Const',
  ],
  ...['Convert', 'ConvertLike', 'Cos', 'CumSum', 'Divide', 'Equal', 'Erf', 'Exp', 'FakeQuantize', 'Floor', 'FloorMod'],
  ...[
    'Gather',
    'GatherElements',
    'GatherND',
    'Gelu',
    'Greater',
    'GreaterEqual',
    'HSwish',
    'IsNaN',
    'Less',
    'LessEqual',
  ],
  ...['Log', 'LogicalAnd', 'LogicalNot', 'LogicalOr', 'LogicalXor', 'MVN', 'MatMul', 'Maximum', 'Minimum', 'Mod'],
  ...['Multiply', 'Negative', 'NonZero', 'NotEqual', 'Parameter', 'Power', 'RMS', 'Range', 'ReLU', 'ReadValue'],
  ...['ReduceL2', 'ReduceMax', 'ReduceMean', 'ReduceMin', 'ReduceProd', 'ReduceSum', 'Reshape', 'Result', 'Round'],
  ...['ScaledDotProductAttention', 'ScatterElementsUpdate', 'ScatterNDUpdate', 'ScatterUpdate', 'Select', 'ShapeOf'],
  ...['Sigmoid', 'Sign', 'Sin', 'Slice', 'SoftMax', 'SoftPlus', 'Softmax', 'Split', 'Sqrt', 'SquaredDifference'],
  ...[
    'Squeeze',
    'StridedSlice',
    'Subtract',
    'Swish',
    'Tanh',
    'Tile',
    'TopK',
    'Transpose',
    'Unsqueeze',
    'VariadicSplit',
  ],
]);

/** Throws MODEL_FEATURE_UNSUPPORTED. */
export function checkOperators({ file, layers }: IrXml): void {
  for (const { name, type } of layers.values()) {
    if (DECODER_OPERATORS.has(type)) continue;
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${file}: the layer ${name.slice(0, 80)} is of the type ${type.slice(0, 80)}, which no decoder needs and aipc does ` +
        'not run. Export the model with `aipc export openvino` or optimum-cli.',
      { details: { file, layer: name, type } },
    );
  }
}
