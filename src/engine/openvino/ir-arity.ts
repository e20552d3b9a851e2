/**
 * How many inputs the layers of a decoder take: OpenVINO (2026.4) reads the first input of some of them (Broadcast)
 * without asking whether there is one. What they compute with these inputs it checks itself.
 * Source: OpenVINO's operation specifications, docs.openvino.ai, "Available Operation Sets".
 */
import { ModelFormatError } from '../../errors.js';
import type { IrXml } from './ir-xml.js';

const UNARY = [1, 1] as const;
const BINARY = [2, 2] as const;
const TERNARY = [3, 3] as const;

/** Least and most inputs by type, over all versions of the operation. */
const INPUTS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  ...each(['Parameter', 'Const'], [0, 0]),
  ReadValue: [0, 1],
  ...each(['Result', 'Assign', 'Convert', 'ConvertLike', 'ShapeOf', 'NonZero'], [1, 2]),
  ...each(['Abs', 'Ceiling', 'Clamp', 'Cos', 'Erf', 'Exp', 'Floor', 'Gelu', 'IsNaN', 'Log', 'LogicalNot'], UNARY),
  ...each(['Negative', 'ReLU', 'Round', 'Sigmoid', 'Sign', 'Sin', 'SoftMax', 'Softmax', 'Sqrt', 'Tanh'], UNARY),
  ...each(['HSwish', 'SoftPlus'], UNARY),
  Swish: [1, 2],
  ...each(['Add', 'Subtract', 'Multiply', 'Divide', 'Power', 'Mod', 'FloorMod', 'Maximum', 'Minimum'], BINARY),
  ...each(['Equal', 'NotEqual', 'Less', 'LessEqual', 'Greater', 'GreaterEqual', 'SquaredDifference'], BINARY),
  ...each(['LogicalAnd', 'LogicalOr', 'LogicalXor', 'MatMul', 'Reshape', 'Transpose', 'Tile'], BINARY),
  ...each(['ReduceMax', 'ReduceMean', 'ReduceMin', 'ReduceProd', 'ReduceSum', 'ReduceL2'], BINARY),
  ...each(['CumSum', 'GatherElements', 'GatherND', 'Split', 'TopK'], BINARY),
  ...each(['Squeeze', 'Unsqueeze'], [1, 2]),
  Broadcast: [2, 3],
  ...each(['Gather', 'Range', 'Select', 'VariadicSplit', 'ScatterNDUpdate'], TERNARY),
  ...each(['ScatterUpdate', 'ScatterElementsUpdate'], [3, 4]),
  Slice: [4, 5],
  StridedSlice: [3, 4],
  ScaledDotProductAttention: [3, 6],
};
/** Of a type that is not listed: those without inputs are. */
const OTHER = [1, 4096] as const;

function each(types: readonly string[], inputs: readonly [number, number]): Record<string, readonly [number, number]> {
  return Object.fromEntries(types.map((type) => [type, inputs]));
}

/** Throws FILE_MALFORMED for a layer of the main graph with more or fewer inputs than its type takes. */
export function checkInputs({ file, layers, sources }: IrXml): void {
  const counts = new Map<string, number>();
  for (const input of sources.keys()) {
    const id = input.slice(0, input.indexOf(':'));
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  for (const { id, name, type } of layers.values()) {
    const found = counts.get(id) ?? 0;
    const [least, most] = INPUTS[type] ?? OTHER;
    if (found >= least && found <= most) continue;
    throw new ModelFormatError(
      'FILE_MALFORMED',
      `${file}: the layer ${name} (${type}) has ${found} inputs; it takes ${least === most ? least : `${least} to ${most}`}. ` +
        'This is not a sound OpenVINO IR: download or export it anew.',
      { details: { file, layer: name, type, found, least, most } },
    );
  }
}
