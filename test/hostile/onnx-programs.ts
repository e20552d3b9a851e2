/**
 * Small ONNX graphs that make much of little: nodes put into a valid graph, whose result is added to its logits, so that no
 * optimiser leaves them out. Each names what it would take; none is run here.
 */
import { editOnnx, messageIn, type Field, type Message } from './mutate/onnx.js';

type Value = Field['value'];

function message(kind: string, ...fields: readonly (readonly [number: number, value: Value])[]): Message {
  return { kind, fields: fields.map(([number, value]) => ({ number, value, isFixed: false })) };
}

const text = (value: string): Buffer => Buffer.from(value);

/** AttributeProto: name (1), i (3), t (5), g (6), ints (8), type (20: INT 2, TENSOR 4, GRAPH 5, INTS 7). */
export function integer(name: string, value: number): Message {
  return message('attribute', [1, text(name)], [3, BigInt.asUintN(64, BigInt(value))], [20, 2n]);
}
export function integers(name: string, values: readonly number[]): Message {
  const list = values.map((value) => [8, BigInt.asUintN(64, BigInt(value))] as const);
  return message('attribute', [1, text(name)], ...list, [20, 7n]);
}
export function graph(name: string, value: Message): Message {
  return message('attribute', [1, text(name)], [6, value], [20, 5n]);
}

export function node(operator: string, inputs: readonly string[], output: string, ...attributes: Message[]): Message {
  return message(
    'node',
    ...inputs.map((name) => [1, text(name)] as const),
    [2, text(output)],
    [4, text(operator)],
    ...attributes.map((attribute) => [5, attribute] as const),
  );
}

/** An initialiser: int64 numbers of one dimension, or a scalar. */
export function whole(name: string, values: readonly (number | bigint)[] | number): Message {
  const list = typeof values === 'number' ? [values] : values;
  const bytes = Buffer.alloc(8 * list.length);
  for (const [i, value] of list.entries()) bytes.writeBigInt64LE(BigInt(value), i * 8);
  const dims = typeof values === 'number' ? [] : [[1, BigInt(list.length)] as const];
  return message('tensor', ...dims, [2, 7n], [8, text(name)], [9, bytes]);
}

/** An initialiser of f32 zeros. */
export function zeros(name: string, ...dims: readonly number[]): Message {
  const count = dims.reduce((product, size) => product * size, 1);
  return message(
    'tensor',
    ...dims.map((size) => [1, BigInt(size)] as const),
    [2, 1n],
    [8, text(name)],
    [9, Buffer.alloc(4 * count)],
  );
}

export interface Program {
  readonly initialisers?: readonly Message[];
  /** The last one's output, f32 of any shape unless `isWhole`, is `made`. */
  readonly nodes: readonly Message[];
  /** `made` is of whole numbers. */
  readonly isWhole?: boolean;
}

/** `model` with the largest value of `made` added to its logits. */
export function withProgram(model: Buffer, { initialisers = [], nodes, isWhole = false }: Program): Buffer {
  return editOnnx(model, (tree) => {
    const { fields } = messageIn(tree, 7);
    for (const { value, number } of fields) {
      if (number !== 1 || typeof value !== 'object' || Buffer.isBuffer(value)) continue;
      for (const part of value.fields) {
        if (part.number === 2 && Buffer.isBuffer(part.value) && part.value.toString() === 'logits')
          part.value = text('logits_before');
      }
    }
    const added = [
      ...nodes,
      ...(isWhole ? [node('Cast', ['made'], 'made_f32', integer('to', 1))] : []),
      node('ReduceMax', [isWhole ? 'made_f32' : 'made'], 'largest', integer('keepdims', 0)),
      node('Add', ['logits_before', 'largest'], 'logits'),
    ];
    fields.push(...added.map((value) => ({ number: 1, isFixed: false, value })));
    fields.push(...initialisers.map((value) => ({ number: 5, isFixed: false, value })));
  });
}

const HUGE = 50_000;

/** What is attacked with, by name. */
export const PROGRAMS: readonly (readonly [attack: string, program: Program])[] = [
  // microsoft/onnxruntime pull request 28055: an Expand of a few bytes, folded while the model loads.
  [
    'Expand by a constant',
    {
      initialisers: [zeros('one', 1), whole('shape', [HUGE, HUGE])],
      nodes: [node('Expand', ['one', 'shape'], 'made')],
    },
  ],
  // What that left open: a shape that only a run tells.
  [
    'Expand by what a run says',
    {
      initialisers: [zeros('one', 1), whole('many', [100_000])],
      nodes: [
        node('Shape', ['input_ids'], 'shape'),
        node('Mul', ['shape', 'many'], 'shape_many'),
        node('Expand', ['one', 'shape_many'], 'made'),
      ],
    },
  ],
  [
    'Expand by the tokens themselves',
    {
      initialisers: [zeros('one', 1), whole('flat', [-1]), whole('many', [100_000])],
      nodes: [
        node('Reshape', ['input_ids', 'flat'], 'ids'),
        node('ReduceMax', ['ids'], 'id', integer('keepdims', 1)),
        node('Mul', ['id', 'many'], 'id_many'),
        node('Concat', ['id_many', 'id_many'], 'shape', integer('axis', 0)),
        node('Expand', ['one', 'shape'], 'made'),
      ],
    },
  ],
  [
    'Expand at one length of the text alone',
    {
      initialisers: [
        zeros('one', 1),
        whole('three', [3]),
        whole('huge', [HUGE, HUGE]),
        whole('small', [1, 1]),
        whole('at', [1]),
      ],
      nodes: [
        node('Shape', ['input_ids'], 'run'),
        node('Gather', ['run', 'at'], 'tokens'),
        node('Equal', ['tokens', 'three'], 'is_three'),
        node('Where', ['is_three', 'huge', 'small'], 'shape'),
        node('Expand', ['one', 'shape'], 'made'),
      ],
    },
  ],
  [
    'ConstantOfShape',
    { initialisers: [whole('shape', [HUGE, HUGE])], nodes: [node('ConstantOfShape', ['shape'], 'made')] },
  ],
  [
    'Range',
    {
      initialisers: [whole('start', 0), whole('limit', 4e9), whole('step', 1)],
      nodes: [node('Range', ['start', 'limit', 'step'], 'made')],
      isWhole: true,
    },
  ],
  [
    'Range by steps that are not known',
    {
      initialisers: [whole('start', 0), whole('limit', 4e9), whole('flat', [-1])],
      nodes: [
        node('Reshape', ['attention_mask', 'flat'], 'mask'),
        node('ReduceMax', ['mask'], 'step', integer('keepdims', 0)),
        node('Range', ['start', 'limit', 'step'], 'made'),
      ],
      isWhole: true,
    },
  ],
  [
    'Tile',
    {
      initialisers: [zeros('row', 1, 1), whole('times', [HUGE, HUGE])],
      nodes: [node('Tile', ['row', 'times'], 'made')],
    },
  ],
  [
    'a table of a row that is looked up everywhere',
    {
      initialisers: [zeros('table', 1, 250_000), whole('no', [0]), whole('shape', [1024])],
      nodes: [node('Expand', ['no', 'shape'], 'indices'), node('Gather', ['table', 'indices'], 'made')],
    },
  ],
  [
    'an outer product of two vectors',
    {
      initialisers: [zeros('column', HUGE, 1), zeros('row', 1, HUGE)],
      nodes: [node('MatMul', ['column', 'row'], 'made')],
    },
  ],
  [
    'a sum of a column and a row',
    {
      initialisers: [zeros('column', HUGE, 1), zeros('row', 1, HUGE)],
      nodes: [node('Add', ['column', 'row'], 'made')],
    },
  ],
  [
    'a column and a row of what a run computes',
    {
      initialisers: [whole('column', [-1, 1]), whole('row', [1, -1])],
      nodes: [
        node('Reshape', ['logits_before', 'column'], 'c'),
        node('Reshape', ['logits_before', 'row'], 'r'),
        node('Mul', ['c', 'r'], 'made'),
      ],
    },
  ],
  [
    'a text joined with itself, forty times',
    {
      initialisers: [zeros('v0', 1)],
      nodes: Array.from({ length: 40 }, (_, i) =>
        node('Concat', [`v${i}`, `v${i}`], i === 39 ? 'made' : `v${i + 1}`, integer('axis', 0)),
      ),
    },
  ],
  [
    'ten thousand tensors of a megabyte',
    {
      initialisers: [zeros('v0', 1), whole('shape', [2 ** 18])],
      nodes: [
        ...Array.from({ length: 10_000 }, (_, i) => node('Expand', ['v0', 'shape'], `v${i + 1}`)),
        node(
          'Concat',
          Array.from({ length: 10_000 }, (_, i) => `v${i + 1}`),
          'made',
          integer('axis', 0),
        ),
      ],
    },
  ],
  [
    'products of large matrices, one after another',
    {
      initialisers: [zeros('v0', 512, 512)],
      nodes: Array.from({ length: 2000 }, (_, i) => node('MatMul', [`v${i}`, `v0`], i === 1999 ? 'made' : `v${i + 1}`)),
    },
  ],
  [
    'the positions of the text to the third power',
    {
      initialisers: [whole('axes_a', [0, 1, 2]), whole('axes_b', [0, 1, 4]), whole('axes_c', [0, 3, 4])],
      nodes: [
        node('Cast', ['attention_mask'], 'mask', integer('to', 1)),
        node('Unsqueeze', ['mask', 'axes_a'], 'a'),
        node('Unsqueeze', ['mask', 'axes_b'], 'b'),
        node('Unsqueeze', ['mask', 'axes_c'], 'c'),
        node('Add', ['a', 'b'], 'ab'),
        node('Add', ['ab', 'c'], 'made'),
      ],
    },
  ],
  // Numbers that are not what they seem: this one is 0 to whoever takes a logical value for the number it was made of.
  [
    'a size that is hidden behind a cast',
    {
      initialisers: [zeros('one', 1), whole('five', [5]), whole('huge', [HUGE])],
      nodes: [
        node('Cast', ['five'], 'yes', integer('to', 9)),
        node('Cast', ['yes'], 'is_one', integer('to', 7)),
        node('Sub', ['five', 'is_one'], 'four'),
        node('Mul', ['four', 'huge'], 'size'),
        node('Concat', ['size', 'size'], 'shape', integer('axis', 0)),
        node('Expand', ['one', 'shape'], 'made'),
      ],
    },
  ],
  [
    'a size of 32 bits that overflows',
    {
      initialisers: [zeros('one', 1), whole('half', [65_536]), whole('whole', [2 ** 32])],
      nodes: [
        node('Cast', ['half'], 'narrow', integer('to', 6)),
        node('Mul', ['narrow', 'narrow'], 'zero'),
        node('Cast', ['zero'], 'wide', integer('to', 7)),
        node('Sub', ['whole', 'wide'], 'size'),
        node('Expand', ['one', 'size'], 'made'),
      ],
    },
  ],
  [
    'a size beyond 2^53',
    {
      initialisers: [
        zeros('one', 1),
        whole('more', [2n ** 53n + 1n]),
        whole('less', [2n ** 53n]),
        whole('huge', [4e9]),
      ],
      nodes: [
        node('Sub', ['more', 'less'], 'is_one'),
        node('Mul', ['is_one', 'huge'], 'size'),
        node('Expand', ['one', 'size'], 'made'),
      ],
    },
  ],
  [
    'sizes that take long to tell',
    {
      initialisers: [zeros('one', 1)],
      nodes: [
        node('Shape', ['past_key_values.0.key'], 'shape'),
        node('Concat', ['shape', 'shape', 'shape', 'shape'], 'v0', integer('axis', 0)),
        ...Array.from({ length: 12_000 }, (_, i) =>
          node(i % 2 === 0 ? 'Add' : 'Mul', [`v${i}`, i % 3 === 0 ? 'v0' : `v${i}`], `v${i + 1}`),
        ),
        node('Expand', ['one', 'v12000'], 'made'),
      ],
    },
  ],
  [
    'thousands of branches',
    {
      initialisers: [zeros('one', 1), whole('zero', [0]), whole('flat', [-1]), whole('shape', [2 ** 20])],
      nodes: [
        node('Reshape', ['attention_mask', 'flat'], 'mask'),
        node('ReduceMax', ['mask'], 'most', integer('keepdims', 1)),
        node('Greater', ['most', 'zero'], 'condition'),
        ...Array.from({ length: 4000 }, (_, i) =>
          node(
            'If',
            ['condition'],
            i === 3999 ? 'made' : `o${i}`,
            ...['then', 'else'].map((kind) =>
              graph(
                `${kind}_branch`,
                message(
                  'graph',
                  [1, node('Expand', ['one', 'shape'], 'out')],
                  [2, text(kind)],
                  [12, message('value', [1, text('out')])],
                ),
              ),
            ),
          ),
        ),
      ],
    },
  ],
  ['Pad', { initialisers: [zeros('one', 1), whole('pads', [0, 4e9])], nodes: [node('Pad', ['one', 'pads'], 'made')] }],
  [
    'Resize',
    {
      initialisers: [zeros('one', 1, 1, 1, 1), whole('sizes', [1, 1, HUGE, HUGE])],
      nodes: [node('Resize', ['one', '', '', 'sizes'], 'made')],
    },
  ],
  [
    'OneHot',
    {
      initialisers: [whole('indices', [0, 1]), whole('depth', 4e9), zeros('values', 2)],
      nodes: [node('OneHot', ['indices', 'depth', 'values'], 'made')],
    },
  ],
  ['EyeLike', { initialisers: [zeros('row', 1, 1)], nodes: [node('EyeLike', ['row'], 'made')] }],
  ['RandomUniform', { nodes: [node('RandomUniform', [], 'made', integers('shape', [HUGE, HUGE]))] }],
  [
    'RandomUniformLike of an Expand (as sent to Microsoft)',
    {
      initialisers: [zeros('one', 1), whole('many', [100_000])],
      nodes: [
        node('Shape', ['input_ids'], 'shape'),
        node('Mul', ['shape', 'many'], 'shape_many'),
        node('Expand', ['one', 'shape_many'], 'expanded'),
        node('RandomUniformLike', ['expanded'], 'made'),
      ],
    },
  ],
  ['NonZero', { initialisers: [zeros('one', 1)], nodes: [node('NonZero', ['one'], 'made')], isWhole: true }],
  [
    'Upsample, an operator of old versions',
    {
      initialisers: [zeros('one', 1, 1, 1, 1), zeros('scales', 4)],
      nodes: [node('Upsample', ['one', 'scales'], 'made')],
    },
  ],
  [
    'a Loop of 2^62 rounds',
    {
      initialisers: [whole('rounds', [2n ** 62n]), zeros('one', 1)],
      nodes: [
        node(
          'Loop',
          ['rounds', '', 'one'],
          'made',
          graph(
            'body',
            message(
              'graph',
              [1, node('Identity', ['go'], 'going')],
              [1, node('Add', ['x', 'x'], 'y')],
              [2, text('body')],
            ),
          ),
        ),
      ],
    },
  ],
  [
    'Scan over what a run computes',
    {
      nodes: [
        node(
          'Scan',
          ['logits_before'],
          'made',
          integer('num_scan_inputs', 1),
          graph('body', message('graph', [1, node('Identity', ['x'], 'y')])),
        ),
      ],
    },
  ],
  [
    'If with an Expand in a branch',
    {
      initialisers: [zeros('one', 1), whole('shape', [HUGE, HUGE]), whole('zero', [0]), whole('flat', [-1])],
      nodes: [
        node('Reshape', ['attention_mask', 'flat'], 'mask'),
        node('ReduceMax', ['mask'], 'most', integer('keepdims', 1)),
        node('Greater', ['most', 'zero'], 'condition'),
        node(
          'If',
          ['condition'],
          'made',
          graph(
            'then_branch',
            message(
              'graph',
              [1, node('Expand', ['one', 'shape'], 'then_out')],
              [2, text('then')],
              [12, message('value', [1, text('then_out')])],
            ),
          ),
          graph(
            'else_branch',
            message(
              'graph',
              [1, node('Identity', ['one'], 'else_out')],
              [2, text('else')],
              [12, message('value', [1, text('else_out')])],
            ),
          ),
        ),
      ],
    },
  ],
];
