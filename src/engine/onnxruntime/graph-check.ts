/**
 * Whether a graph is a text decoder that aipc runs, judged by its operators before the runtime sees it. A graph is a
 * program from a stranger: what no decoder needs is refused. It reads no file.
 */
import { UnsupportedError } from '../../errors.js';
import type { OnnxGraph } from './onnx-graph.js';

/**
 * The operators of decoders as aipc, onnxruntime-genai's model builder and Olive write them (builders/base.py,
 * make_*). Those that make much out of nothing (Expand, ConstantOfShape, Range), run others (Loop) or bring their own
 * code are not among them. An If chooses between two rotary tables (rope-switch.ts).
 */
export const DECODER_OPERATORS: readonly string[] = [
  ...['Add', 'BiasGelu', 'Cast', 'Clip', 'Concat', 'Constant', 'DequantizeLinear', 'Div', 'DynamicQuantizeLinear'],
  ...['DynamicQuantizeMatMul', 'Equal', 'Erf', 'FastGelu', 'FusedMatMul', 'Gather', 'GatherBlockQuantized', 'Gelu'],
  ...['Gemm', 'Greater', 'GreaterOrEqual', 'GroupQueryAttention', 'Identity', 'If', 'LayerNormalization', 'Less'],
  ...['MatMul', 'MatMulInteger', 'MatMulIntegerToFloat', 'MatMulNBits', 'Max', 'Min', 'Mul', 'Neg', 'Pow'],
  ...['QuantizeLinear', 'QuickGelu', 'Reciprocal', 'ReduceMax', 'ReduceMean', 'ReduceSum', 'Relu', 'Reshape'],
  ...['RotaryEmbedding', 'Shape', 'Sigmoid', 'SimplifiedLayerNormalization', 'SkipLayerNormalization'],
  ...['SkipSimplifiedLayerNormalization', 'Slice', 'Softmax', 'Split', 'Sqrt', 'Squeeze', 'Sub', 'Tanh', 'Transpose'],
  ...['Unsqueeze', 'Where'],
];

/**
 * What graphs with plain attention have besides: they compute masks and rotary angles from shapes, as torch.onnx and
 * optimum export them.
 */
export const PLAIN_ATTENTION_OPERATORS: readonly string[] = [
  ...['Abs', 'And', 'Attention', 'ConstantOfShape', 'Cos', 'CumSum', 'Expand', 'Flatten', 'GatherElements', 'GatherND'],
  ...['IsNaN', 'LessOrEqual', 'Log', 'MultiHeadAttention', 'Not', 'Or', 'RMSNormalization', 'Range', 'ReduceMin'],
  ...['ScatterND', 'Sin', 'Tile', 'Trilu'],
];

const WITH_SHARED_KV = new Set(DECODER_OPERATORS);
const WITH_PLAIN_ATTENTION = new Set([...DECODER_OPERATORS, ...PLAIN_ATTENTION_OPERATORS]);

/** Whether past and present can be the same memory: GroupQueryAttention then appends in place. */
export function sharesKv({ operators }: Pick<OnnxGraph, 'operators'>): boolean {
  return operators.has('GroupQueryAttention');
}

/** Throws MODEL_FEATURE_UNSUPPORTED for what aipc does not run. */
export function refuseUnsupported(file: string, graph: OnnxGraph): void {
  const { operators, hasNestedGraphs } = graph;
  const known = sharesKv(graph) ? WITH_SHARED_KV : WITH_PLAIN_ATTENTION;
  const others = [...operators].filter((operator) => !known.has(operator));
  if (others.length > 0 || hasNestedGraphs) {
    const found = others.length > 0 ? others.slice(0, 8).join(', ') : 'graphs in attributes';
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${file} uses what decoders that aipc knows do not: ${found}. ` +
        "Export the model with `aipc export onnx` or onnxruntime-genai's model builder for CPU.",
      { details: { file, operators: others.slice(0, 8) } },
    );
  }
}
