/**
 * One sound node of each operator that aipc's graphs of decoders may have, on small constants: a graph that has one of
 * them is what the directed sweep (mutate/onnx-nodes.ts) changes where no model of the repository has such a node.
 */
import { editOnnx, messageIn, type Field, type Message } from './mutate/onnx.js';
import { constantTensor, TYPE } from './mutate/onnx-nodes.js';
import { integer, integers } from './onnx-programs.js';

type Tensor = readonly [type: number, ...dims: number[]];

export interface OperatorSample {
  readonly operator: string;
  readonly isMicrosoft?: true;
  /** Undefined: left out. Numbers: an int64 constant of one dimension; one number: a scalar. */
  readonly inputs: readonly (
    Tensor | { readonly wholes: readonly number[] } | { readonly scalar: number } | undefined
  )[];
  readonly attributes?: readonly Message[];
  readonly outputs?: number;
}

const { f32, u8, i32, i64, bool } = TYPE;
const wholes = (...values: number[]) => ({ wholes: values });
const scalar = (value: number) => ({ scalar: value });
const X: Tensor = [f32, 1, 3, 8];

export const OPERATOR_SAMPLES: readonly OperatorSample[] = [
  ...['Erf', 'Gelu', 'Relu', 'Sigmoid', 'Sqrt', 'Tanh', 'Sin', 'Log', 'Softmax', 'Neg', 'IsNaN', 'Identity'].map(
    (operator) => ({ operator, inputs: [X] }),
  ),
  { operator: 'QuickGelu', isMicrosoft: true, inputs: [X] },
  ...['Add', 'Div', 'Pow', 'Max', 'Greater', 'Equal'].map((operator) => ({
    operator,
    inputs: [X, [f32, 8] as Tensor],
  })),
  { operator: 'Div', inputs: [wholes(6, 4), wholes(2, 2)] },
  {
    operator: 'And',
    inputs: [
      [bool, 1, 3],
      [bool, 3],
    ],
  },
  { operator: 'Clip', inputs: [X, [f32], [f32]] },
  { operator: 'Where', inputs: [[bool, 1, 3, 8], X, [f32, 8]] },
  { operator: 'Cast', inputs: [X], attributes: [integer('to', 7)] },
  { operator: 'Concat', inputs: [X, X, X], attributes: [integer('axis', 1)] },
  { operator: 'ConstantOfShape', inputs: [wholes(2, 3)] },
  { operator: 'CumSum', inputs: [X, scalar(1)] },
  { operator: 'Expand', inputs: [[f32, 3, 1], wholes(2, 3, 4)] },
  { operator: 'Flatten', inputs: [X], attributes: [integer('axis', 1)] },
  { operator: 'Gather', inputs: [X, wholes(0, 1)], attributes: [integer('axis', 1)] },
  { operator: 'GatherElements', inputs: [X, [i64, 1, 2, 8]], attributes: [integer('axis', 1)] },
  { operator: 'GatherND', inputs: [X, [i64, 1, 2]] },
  { operator: 'ScatterND', inputs: [X, [i64, 1, 2], [f32, 1, 8]] },
  { operator: 'Trilu', inputs: [[f32, 3, 4], scalar(1)], attributes: [integer('upper', 1)] },
  { operator: 'Tile', inputs: [X, wholes(1, 2, 1)] },
  { operator: 'Range', inputs: [scalar(0), scalar(5), scalar(1)] },
  ...['ReduceMax', 'ReduceMean', 'ReduceSum', 'ReduceMin'].map((operator) => ({ operator, inputs: [X, wholes(1)] })),
  { operator: 'Reshape', inputs: [X, wholes(3, -1)] },
  { operator: 'Shape', inputs: [X] },
  { operator: 'Slice', inputs: [X, wholes(0), wholes(2), wholes(1), wholes(1)] },
  { operator: 'Split', inputs: [X, wholes(3, 5)], attributes: [integer('axis', 2)], outputs: 2 },
  { operator: 'Squeeze', inputs: [X, wholes(0)] },
  { operator: 'Unsqueeze', inputs: [X, wholes(0)] },
  { operator: 'Transpose', inputs: [X], attributes: [integers('perm', [2, 0, 1])] },
  { operator: 'MatMul', inputs: [X, [f32, 8, 4]] },
  {
    operator: 'Gemm',
    inputs: [
      [f32, 3, 8],
      [f32, 8, 4],
      [f32, 4],
    ],
  },
  {
    operator: 'FusedMatMul',
    isMicrosoft: true,
    inputs: [
      [f32, 2, 3, 8],
      [f32, 2, 8, 4],
    ],
    attributes: ['transA', 'transB', 'transBatchA', 'transBatchB'].map((name) => integer(name, 0)),
  },
  { operator: 'MatMulInteger', inputs: [[u8, 3, 8], [u8, 8, 4], [u8], [u8, 4]] },
  {
    operator: 'MatMulIntegerToFloat',
    isMicrosoft: true,
    inputs: [[u8, 3, 8], [u8, 8, 4], [f32], [f32, 4], [u8], [u8, 4], [f32, 4]],
  },
  {
    operator: 'DynamicQuantizeMatMul',
    isMicrosoft: true,
    inputs: [
      [f32, 3, 8],
      [u8, 8, 4],
      [f32, 4],
      [u8, 4],
      [f32, 4],
    ],
  },
  { operator: 'DynamicQuantizeLinear', inputs: [X], outputs: 3 },
  {
    operator: 'QuantizeLinear',
    inputs: [
      [f32, 3, 8],
      [f32, 8],
      [u8, 8],
    ],
    attributes: [integer('axis', 1)],
  },
  {
    operator: 'DequantizeLinear',
    inputs: [
      [u8, 3, 8],
      [f32, 8],
      [u8, 8],
    ],
    attributes: [integer('axis', 1)],
  },
  {
    operator: 'DequantizeLinear',
    inputs: [
      [u8, 32, 8],
      [f32, 2, 8],
      [u8, 2, 8],
    ],
    attributes: [integer('axis', 0), integer('block_size', 16)],
  },
  {
    operator: 'GatherBlockQuantized',
    isMicrosoft: true,
    inputs: [[u8, 16, 16], wholes(0, 3), [f32, 16, 1], [u8, 16, 1]],
    attributes: [
      ...[integer('bits', 4), integer('block_size', 32), integer('gather_axis', 0), integer('quantize_axis', 1)],
    ],
  },
  {
    operator: 'MatMulNBits',
    isMicrosoft: true,
    inputs: [[f32, 1, 3, 64], [u8, 8, 2, 16], [f32, 8, 2], [u8, 8, 1], undefined, [f32, 8]],
    attributes: [integer('K', 64), integer('N', 8), integer('bits', 4), integer('block_size', 32)],
  },
  {
    operator: 'MatMulNBits',
    isMicrosoft: true,
    inputs: [[f32, 1, 3, 64], [u8, 8, 2, 16], [f32, 8, 2], [u8, 8, 1], [i32, 64], undefined],
    attributes: [integer('K', 64), integer('N', 8), integer('bits', 4), integer('block_size', 32)],
  },
  {
    operator: 'MatMulNBits',
    isMicrosoft: true,
    inputs: [[f32, 1, 3, 64], [u8, 8, 2, 32], [f32, 8, 2], [u8, 8, 2], undefined, [f32, 8]],
    attributes: [
      ...[integer('K', 64), integer('N', 8), integer('bits', 8), integer('block_size', 32)],
      integer('accuracy_level', 4),
    ],
  },
  { operator: 'LayerNormalization', inputs: [X, [f32, 8], [f32, 8]] },
  { operator: 'SimplifiedLayerNormalization', inputs: [X, [f32, 8]] },
  { operator: 'RMSNormalization', inputs: [X, [f32, 8]] },
  { operator: 'SkipLayerNormalization', isMicrosoft: true, inputs: [X, X, [f32, 8], [f32, 8], [f32, 8]] },
  { operator: 'SkipSimplifiedLayerNormalization', isMicrosoft: true, inputs: [X, X, [f32, 8], [f32, 8]] },
  { operator: 'BiasGelu', isMicrosoft: true, inputs: [X, [f32, 8]] },
  { operator: 'FastGelu', isMicrosoft: true, inputs: [X, [f32, 8]] },
  {
    operator: 'RotaryEmbedding',
    isMicrosoft: true,
    inputs: [
      [f32, 1, 3, 16],
      [i64, 1, 3],
      [f32, 9, 4],
      [f32, 9, 4],
    ],
    attributes: [integer('num_heads', 2)],
  },
  {
    operator: 'RotaryEmbedding',
    isMicrosoft: true,
    inputs: [[f32, 1, 2, 3, 8], wholes(0), [f32, 9, 2], [f32, 9, 2]],
    attributes: [integer('num_heads', 2), integer('rotary_embedding_dim', 4), integer('interleaved', 1)],
  },
  {
    operator: 'RotaryEmbedding',
    inputs: [
      [f32, 1, 2, 3, 8],
      [f32, 9, 4],
      [f32, 9, 4],
      [i64, 1, 3],
    ],
  },
  {
    operator: 'RotaryEmbedding',
    inputs: [
      [f32, 1, 3, 16],
      [f32, 1, 3, 4],
      [f32, 1, 3, 4],
    ],
    attributes: [integer('num_heads', 2)],
  },
  {
    operator: 'MultiHeadAttention',
    isMicrosoft: true,
    inputs: [
      ...([[f32, 1, 3, 16], [f32, 1, 3, 16], [f32, 1, 3, 16], [f32, 48], undefined, [f32, 1, 2, 3, 6]] as const),
      ...([
        [f32, 1, 2, 3, 8],
        [f32, 1, 2, 3, 8],
      ] as const),
    ],
    attributes: [integer('num_heads', 2)],
    outputs: 3,
  },
  {
    operator: 'MultiHeadAttention',
    isMicrosoft: true,
    inputs: [[f32, 1, 3, 16], [f32, 1, 3, 16], [f32, 1, 3, 16], undefined, [i32, 1, 3]],
    attributes: [integer('num_heads', 2)],
  },
  {
    operator: 'Attention',
    inputs: [
      ...([
        [f32, 1, 2, 3, 8],
        [f32, 1, 2, 3, 8],
        [f32, 1, 2, 3, 8],
        [f32, 3, 6],
      ] as const),
      ...([
        [f32, 1, 2, 3, 8],
        [f32, 1, 2, 3, 8],
      ] as const),
    ],
    outputs: 3,
  },
  {
    operator: 'Attention',
    inputs: [
      [f32, 1, 3, 16],
      [f32, 1, 5, 8],
      [f32, 1, 5, 8],
      [bool, 3, 5],
    ],
    attributes: [integer('q_num_heads', 2), integer('kv_num_heads', 1)],
  },
];

const NAME = 'sample';
const field = (number: number, value: Field['value']): Field => ({ number, value, isFixed: false });

/** Whether a node of `withSample`'s graph is the sample's own. */
export function isSample(node: Message): boolean {
  return node.fields.some(({ number, value }) => number === 3 && Buffer.isBuffer(value) && value.toString() === NAME);
}

/** `model`, a graph with an output `logits` of f16, with the sample in it: its result is added to the logits. */
export function withSample(
  model: Buffer,
  { operator, isMicrosoft, inputs, attributes = [], outputs = 1 }: OperatorSample,
): Buffer {
  return editOnnx(model, (tree) => {
    for (const { number, value } of tree.fields) {
      // Of operators of ONNX, the newest that the runtime has.
      if (number !== 8 || typeof value !== 'object' || Buffer.isBuffer(value)) continue;
      for (const part of value.fields) if (part.number === 2) part.value = OPSET;
    }
    tree.fields.push(field(8, { kind: 'opset', fields: [field(1, Buffer.from('com.microsoft')), field(2, 1n)] }));
    const { fields } = messageIn(tree, 7);
    for (const { value, number } of fields) {
      if (number !== 1 || typeof value !== 'object' || Buffer.isBuffer(value)) continue;
      for (const part of value.fields) {
        if (part.number === 2 && Buffer.isBuffer(part.value) && part.value.toString() === 'logits')
          part.value = Buffer.from('logits_before');
      }
    }
    const names = inputs.map((input, at) => (input === undefined ? '' : `sample_input_${at}`));
    for (const [at, input] of inputs.entries()) {
      if (input !== undefined) fields.push(field(5, tensorOf(names[at] ?? '', input)));
    }
    const node = (op: string, from: readonly string[], to: readonly string[], more: readonly Field[] = []): Field =>
      field(1, {
        kind: 'node',
        fields: [
          ...from.map((name) => field(1, Buffer.from(name))),
          ...to.map((name) => field(2, Buffer.from(name))),
          field(4, Buffer.from(op)),
          ...more,
        ],
      });
    fields.push(
      node(
        operator,
        names,
        ['made', ...Array.from({ length: outputs - 1 }, (_, i) => `made_${i}`)],
        [
          field(3, Buffer.from(NAME)),
          ...(isMicrosoft === true ? [field(7, Buffer.from('com.microsoft'))] : []),
          ...attributes.map((attribute) => field(5, attribute)),
        ],
      ),
      node('Cast', ['made'], ['made_f32'], [field(5, integer('to', TYPE.f32))]),
      node('ReduceMax', ['made_f32'], ['largest'], [field(5, integer('keepdims', 0))]),
      node('Cast', ['largest'], ['largest_f16'], [field(5, integer('to', TYPE.f16))]),
      node('Add', ['logits_before', 'largest_f16'], ['logits']),
    );
  });
}

const OPSET = 23n;

function tensorOf(name: string, input: Exclude<OperatorSample['inputs'][number], undefined>): Message {
  if ('wholes' in input || 'scalar' in input) {
    const values = 'wholes' in input ? input.wholes : [input.scalar];
    const bytes = Buffer.alloc(8 * values.length);
    for (const [at, value] of values.entries()) bytes.writeBigInt64LE(BigInt(value), 8 * at);
    const dims = 'wholes' in input ? [field(1, BigInt(values.length))] : [];
    return {
      kind: 'tensor',
      fields: [...dims, field(2, BigInt(i64)), field(8, Buffer.from(name)), field(9, bytes)],
    };
  }
  const [type, ...dims] = input;
  return constantTensor(name, type, dims, type === i64 || type === i32 ? 0n : 1n);
}
