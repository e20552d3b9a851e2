/**
 * Small OpenVINO graphs that make much of little: layers put into a valid IR, whose result is added to its logits or goes
 * into its KV cache, so that nothing leaves them out. Each names what it would take; none is run here.
 */

export interface ProgramLayer {
  readonly name: string;
  readonly type: string;
  readonly data?: Readonly<Record<string, string | number>>;
  /** Names of layers in the program; `input_ids`, `attention_mask`, `hidden` (the logits), `present` (a key's next state). */
  readonly inputs: readonly string[];
  /** Outputs that the file states; the first is used. 1 unless it is given. */
  readonly outputs?: number;
  /** Ids of the input ports, where they are not 0, 1, 2... */
  readonly inputIds?: readonly number[];
}

export interface Program {
  /** The last one's output, f32 of any shape unless `isWhole`, is the result. Constants are among them. */
  readonly layers: readonly ProgramLayer[];
  /** The result is of whole numbers. */
  readonly isWhole?: boolean;
  /** The result becomes the next state instead. */
  readonly isState?: boolean;
}

/** A constant's numbers, by the layer that has `constant` in its data. */
const CONSTANTS = new Map<string, Buffer>();

function constant(name: string, elementType: string, shape: readonly number[], bytes: Buffer): ProgramLayer {
  const key = bytes.toString('base64');
  CONSTANTS.set(key, bytes);
  return { name, type: 'Const', data: { element_type: elementType, shape: shape.join(','), bytes: key }, inputs: [] };
}

/** i64, of one dimension or a scalar. */
export function whole(name: string, values: readonly (number | bigint)[] | number): ProgramLayer {
  const list = typeof values === 'number' ? [values] : values;
  const bytes = Buffer.alloc(8 * list.length);
  for (const [i, value] of list.entries()) bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(value)), i * 8);
  return constant(name, 'i64', typeof values === 'number' ? [] : [list.length], bytes);
}

/** f32 zeros. */
export function zeros(name: string, ...dims: readonly number[]): ProgramLayer {
  return constant(name, 'f32', dims, Buffer.alloc(4 * dims.reduce((product, size) => product * size, 1)));
}

export function layer(
  name: string,
  type: string,
  inputs: readonly string[],
  data: Readonly<Record<string, string | number>> = {},
): ProgramLayer {
  return { name, type, inputs, data };
}

export interface IrFiles {
  readonly xml: string;
  readonly bin: Buffer;
}

/** The IR with the largest value of the program's result added to its logits. */
export function withProgram({ xml, bin }: IrFiles, { layers, isWhole = false, isState = false }: Program): IrFiles {
  const edges = [...xml.matchAll(/<edge from-layer="(\d+)" from-port="(\d+)" to-layer="(\d+)" to-port="(\d+)"\s*\/>/g)];
  const idOf = (pattern: RegExp): string => pattern.exec(xml)?.[1] ?? '';
  const into = (id: string): RegExpMatchArray => {
    const found = edges.find(([, , , to]) => to === id);
    if (found === undefined) throw new RangeError(`no edge leads to layer ${id}`);
    return found;
  };
  const result = into(idOf(/<layer id="(\d+)" name="[^"]*" type="Result"/));
  const assign = into(idOf(/<layer id="(\d+)" name="[^"]*" type="Assign"/));
  const [target, [, from = '', fromPort = '']] = isState ? [assign, assign] : [result, result];
  const ends = new Map<string, readonly [id: string, port: string]>([
    ['input_ids', [idOf(/<layer id="(\d+)" name="input_ids"/), '0']],
    ['attention_mask', [idOf(/<layer id="(\d+)" name="attention_mask"/), '0']],
    ['hidden', [result[1] ?? '', result[2] ?? '']],
    ['present', [assign[1] ?? '', assign[2] ?? '']],
  ]);
  const last = layers.at(-1)?.name ?? '';
  const all: readonly ProgramLayer[] = isState
    ? layers
    : [
        ...layers,
        whole('flat', [-1]),
        whole('first', [0]),
        layer('made_f32', 'Convert', [last], { destination_type: 'f32' }),
        layer('made_flat', 'Reshape', [isWhole ? 'made_f32' : last, 'flat'], { special_zero: 'false' }),
        layer('largest', 'ReduceMax', ['made_flat', 'first'], { keep_dims: 'true' }),
        layer('logits_and_made', 'Add', ['before', 'largest'], { auto_broadcast: 'numpy' }),
      ];
  ends.set('before', [from, fromPort]);
  const free = Math.max(...[...xml.matchAll(/<layer id="(\d+)"/g)].map(([, id]) => Number(id))) + 1;
  const parts: Buffer[] = [bin, Buffer.alloc((64 - (bin.length % 64)) % 64)];
  let length = bin.length + (parts[1]?.length ?? 0);
  let addedLayers = '';
  let addedEdges = '';
  for (const [i, { name, type, data = {}, inputs, outputs = 1, inputIds }] of all.entries()) {
    const id = String(free + i);
    const attributes = { ...data };
    const bytes = CONSTANTS.get(String(attributes['bytes']));
    if (bytes !== undefined) {
      delete attributes['bytes'];
      Object.assign(attributes, { offset: length, size: bytes.length });
      parts.push(bytes);
      length += bytes.length;
    }
    const text = Object.entries(attributes).map(([key, value]) => ` ${key}="${value}"`);
    const port = (n: number): string => `<port id="${n}" precision="FP32"></port>`;
    const ports = inputs.map((_, n) => port(inputIds?.[n] ?? n)).join('');
    addedLayers +=
      `<layer id="${id}" name="program_${name}" type="${type}" version="${versionOf(type)}">` +
      `<data${text.join('')}/>${ports === '' ? '' : `<input>${ports}</input>`}` +
      `<output>${Array.from({ length: outputs }, (_, n) => port(inputs.length + n)).join('')}</output></layer>`;
    for (const [n, input] of inputs.entries()) {
      const [source, sourcePort] = ends.get(input) ?? ['', ''];
      addedEdges += `<edge from-layer="${source}" from-port="${sourcePort}" to-layer="${id}" to-port="${inputIds?.[n] ?? n}"/>`;
    }
    ends.set(name, [id, String(inputs.length)]);
  }
  const [end, endPort] = ends.get(all.at(-1)?.name ?? '') ?? ['', ''];
  const edge = `<edge from-layer="${end}" from-port="${endPort}" to-layer="${target[3] ?? ''}" to-port="0"/>`;
  return {
    xml: xml.replace(target[0], edge + addedEdges).replace('</layers>', () => `${addedLayers}</layers>`),
    bin: Buffer.concat(parts),
  };
}

/** The newest operation set that has changed a type; opset1 has the others. */
const VERSIONS: Readonly<Record<string, string>> = {
  ...{ Broadcast: 'opset3', NonZero: 'opset3', ShapeOf: 'opset3', ScatterUpdate: 'opset3', Range: 'opset4' },
  ...{ Gather: 'opset8', GatherND: 'opset8', Slice: 'opset8', ScaledDotProductAttention: 'opset13', TopK: 'opset11' },
  ...{
    ScatterElementsUpdate: 'opset3',
    ScatterNDUpdate: 'opset4',
    ReadValue: 'opset6',
    Assign: 'opset6',
    CumSum: 'opset3',
    GatherElements: 'opset6',
    Mod: 'opset1',
  },
};
const versionOf = (type: string): string => VERSIONS[type] ?? 'opset1';

const HUGE = 50_000;
const NUMPY = { auto_broadcast: 'numpy' };
const TO_SHAPE = { mode: 'numpy' };
const I64 = { output_type: 'i64' };

/** What is attacked with, by name. */
export const PROGRAMS: readonly (readonly [attack: string, program: Program])[] = [
  [
    'an outer product of two constants',
    {
      layers: [
        zeros('column', 15_000, 1),
        zeros('row', 1, 15_000),
        layer('made', 'MatMul', ['column', 'row'], { transpose_a: 'false', transpose_b: 'false' }),
      ],
    },
  ],
  [
    'a sum of a column and a row',
    { layers: [zeros('column', HUGE, 1), zeros('row', 1, HUGE), layer('made', 'Add', ['column', 'row'], NUMPY)] },
  ],
  [
    'a choice between a column and a row',
    {
      layers: [
        zeros('column', HUGE, 1),
        zeros('row', 1, HUGE),
        layer('more', 'Greater', ['column', 'row'], NUMPY),
        layer('made', 'Select', ['more', 'column', 'row'], NUMPY),
      ],
    },
  ],
  [
    'Broadcast by a constant',
    { layers: [zeros('one', 1), whole('shape', [HUGE, HUGE]), layer('made', 'Broadcast', ['one', 'shape'], TO_SHAPE)] },
  ],
  [
    'Broadcast by what a run says',
    {
      layers: [
        zeros('one', 1),
        whole('many', [100_000]),
        layer('run', 'ShapeOf', ['input_ids'], I64),
        layer('shape', 'Multiply', ['run', 'many'], NUMPY),
        layer('made', 'Broadcast', ['one', 'shape'], TO_SHAPE),
      ],
    },
  ],
  [
    'Broadcast by the tokens themselves',
    {
      layers: [
        zeros('one', 1),
        whole('many', [100_000]),
        whole('line', [-1]),
        whole('axis', [0]),
        layer('ids', 'Reshape', ['input_ids', 'line'], { special_zero: 'false' }),
        layer('id', 'ReduceMax', ['ids', 'axis'], { keep_dims: 'true' }),
        layer('size', 'Multiply', ['id', 'many'], NUMPY),
        layer('shape', 'Concat', ['size', 'size'], { axis: 0 }),
        layer('made', 'Broadcast', ['one', 'shape'], TO_SHAPE),
      ],
    },
  ],
  [
    'Broadcast at one length of the text alone',
    {
      layers: [
        ...[zeros('one', 1), whole('three', [3]), whole('huge', [HUGE, HUGE]), whole('small', [1, 1])],
        ...[whole('at', [1]), whole('axis', 0)],
        layer('run', 'ShapeOf', ['input_ids'], I64),
        layer('tokens', 'Gather', ['run', 'at', 'axis'], { batch_dims: 0 }),
        layer('is_three', 'Equal', ['tokens', 'three'], NUMPY),
        layer('shape', 'Select', ['is_three', 'huge', 'small'], NUMPY),
        layer('made', 'Broadcast', ['one', 'shape'], TO_SHAPE),
      ],
    },
  ],
  [
    'Tile by a negative number',
    { layers: [whole('times', [5, -2]), layer('made', 'Tile', ['attention_mask', 'times'])], isWhole: true },
  ],
  [
    'a remainder by 0',
    { layers: [whole('a', [5, 7]), whole('b', [0, 2]), layer('made', 'Mod', ['a', 'b'], NUMPY)], isWhole: true },
  ],
  [
    'the least number divided by -1',
    {
      layers: [whole('a', [-(2n ** 63n)]), whole('b', [-1]), layer('made', 'Divide', ['a', 'b'], NUMPY)],
      isWhole: true,
    },
  ],
  [
    'values put before the beginning',
    {
      layers: [
        ...[whole('line', [-1]), whole('before', [-(2 ** 31)]), zeros('value', 1), whole('axis', [0])],
        layer('values', 'Reshape', ['hidden', 'line'], { special_zero: 'false' }),
        layer('made', 'ScatterElementsUpdate', ['values', 'before', 'value', 'axis']),
      ],
    },
  ],
  [
    'Broadcast in both directions',
    {
      layers: [
        zeros('row', 1, HUGE),
        whole('shape', [HUGE, 1]),
        layer('made', 'Broadcast', ['row', 'shape'], { mode: 'bidirectional' }),
      ],
    },
  ],
  ['Tile', { layers: [zeros('one', 1, 1), whole('times', [HUGE, HUGE]), layer('made', 'Tile', ['one', 'times'])] }],
  [
    'Tile of more dimensions than there are',
    { layers: [zeros('one', 1), whole('times', [HUGE, HUGE]), layer('made', 'Tile', ['one', 'times'])] },
  ],
  [
    'Range',
    {
      layers: [
        ...[whole('start', 0), whole('stop', 4e9), whole('step', 1)],
        layer('made', 'Range', ['start', 'stop', 'step'], I64),
      ],
      isWhole: true,
    },
  ],
  [
    'Range in fractions',
    {
      layers: [
        ...[zeros('start'), whole('stop', 4e9), whole('one', 1)],
        layer('last', 'Convert', ['stop'], { destination_type: 'f32' }),
        layer('step', 'Convert', ['one'], { destination_type: 'f32' }),
        layer('made', 'Range', ['start', 'last', 'step'], { output_type: 'f32' }),
      ],
    },
  ],
  [
    'Range in 32 bits from a number that overflows',
    {
      layers: [
        ...[whole('half', 65_536), whole('other', 32_768), whole('ten', 10), whole('one', 1)],
        layer('a', 'Convert', ['half'], { destination_type: 'i32' }),
        layer('b', 'Convert', ['other'], { destination_type: 'i32' }),
        layer('least', 'Multiply', ['a', 'b'], NUMPY),
        layer('start', 'Convert', ['least'], { destination_type: 'i64' }),
        layer('made', 'Range', ['start', 'ten', 'one'], I64),
      ],
      isWhole: true,
    },
  ],
  [
    'Range in 64 bits from a number that overflows',
    {
      layers: [
        ...[whole('half', 2 ** 32), whole('other', 2 ** 31 - 1), whole('more', 2 ** 32), whole('one', 1)],
        layer('large', 'Multiply', ['half', 'other'], NUMPY),
        layer('large2', 'Add', ['large', 'more'], NUMPY),
        layer('made', 'Range', ['large2', 'one', 'one'], I64),
      ],
      isWhole: true,
    },
  ],
  [
    'a size that is hidden behind a cast',
    {
      layers: [
        ...[zeros('one', 1), whole('five', [5]), whole('huge', [HUGE])],
        layer('yes', 'Convert', ['five'], { destination_type: 'boolean' }),
        layer('is_one', 'Convert', ['yes'], { destination_type: 'i64' }),
        layer('four', 'Subtract', ['five', 'is_one'], NUMPY),
        layer('size', 'Multiply', ['four', 'huge'], NUMPY),
        layer('shape', 'Concat', ['size', 'size'], { axis: 0 }),
        layer('made', 'Broadcast', ['one', 'shape'], TO_SHAPE),
      ],
    },
  ],
  [
    'a table of a row that is looked up everywhere',
    {
      layers: [
        ...[zeros('table', 1, 250_000), whole('no', [0]), whole('shape', [1024]), whole('axis', 0)],
        layer('indices', 'Broadcast', ['no', 'shape'], TO_SHAPE),
        layer('made', 'Gather', ['table', 'indices', 'axis'], { batch_dims: 0 }),
      ],
    },
  ],
  [
    'a text joined with itself, forty times',
    {
      layers: [
        zeros('v0', 1),
        ...Array.from({ length: 40 }, (_, i) => layer(`v${i + 1}`, 'Concat', [`v${i}`, `v${i}`], { axis: 0 })),
      ],
    },
  ],
  [
    'thousands of tensors of a megabyte',
    {
      layers: [
        ...[zeros('one', 1), whole('shape', [2 ** 18])],
        ...Array.from({ length: 4000 }, (_, i) => layer(`v${i}`, 'Broadcast', ['one', 'shape'], TO_SHAPE)),
        layer(
          'made',
          'Concat',
          Array.from({ length: 4000 }, (_, i) => `v${i}`),
          { axis: 0 },
        ),
      ],
    },
  ],
  [
    'attention over positions that are made up',
    {
      layers: [
        ...[zeros('one', 1), whole('shape', [1, 1, 100_000, 1])],
        layer('query', 'Broadcast', ['one', 'shape'], TO_SHAPE),
        layer('made', 'ScaledDotProductAttention', ['query', 'query', 'query'], { causal: 'false' }),
      ],
    },
  ],
  [
    'the positions of the text to the third power',
    {
      layers: [
        ...[whole('axes_a', [1, 2]), whole('axes_b', [1, 3]), whole('axes_c', [2, 3])],
        layer('mask', 'Convert', ['attention_mask'], { destination_type: 'f32' }),
        layer('a', 'Unsqueeze', ['mask', 'axes_a']),
        layer('b', 'Unsqueeze', ['mask', 'axes_b']),
        layer('c', 'Unsqueeze', ['mask', 'axes_c']),
        layer('ab', 'Multiply', ['a', 'b'], NUMPY),
        layer('made', 'Multiply', ['ab', 'c'], NUMPY),
      ],
    },
  ],
  [
    'as many places as there are values that are not zero',
    {
      layers: [
        ...[whole('shape', [1000, 1000]), zeros('one', 1), whole('line', [1, -1]), whole('column', [-1, 1])],
        layer('many', 'Broadcast', ['one', 'shape'], TO_SHAPE),
        layer('cos', 'Cos', ['many']),
        layer('places', 'NonZero', ['cos'], I64),
        layer('r', 'Reshape', ['places', 'line'], { special_zero: 'false' }),
        layer('c', 'Reshape', ['places', 'column'], { special_zero: 'false' }),
        layer('made', 'Add', ['r', 'c'], NUMPY),
      ],
      isWhole: true,
    },
  ],
  [
    'a billion parts',
    {
      layers: [
        whole('axis', 0),
        layer('ids', 'Convert', ['input_ids'], { destination_type: 'f32' }),
        layer('made', 'Split', ['ids', 'axis'], { num_splits: 1_000_000_000 }),
      ],
    },
  ],
  [
    'an input of terabytes',
    { layers: [layer('made', 'Parameter', [], { shape: '1000000,1000000', element_type: 'f32' })] },
  ],
  [
    'a cache that doubles with each token',
    { layers: [layer('made', 'Concat', ['present', 'present'], { axis: 2 })], isState: true },
  ],
  [
    'a cache of a million positions',
    {
      layers: [
        ...[whole('shape', [1, 1, 1_000_000, 1]), zeros('one', 1)],
        layer('made', 'Broadcast', ['one', 'shape'], TO_SHAPE),
      ],
      isState: true,
    },
  ],
  [
    'places outside of the tensor',
    {
      layers: [
        ...[zeros('table', 4, 4), whole('places', [1_000_000])],
        layer('made', 'GatherND', ['table', 'places'], { batch_dims: 0 }),
      ],
    },
  ],
  [
    'sums along an axis of a single number',
    { layers: [zeros('one'), whole('axis', 0), layer('made', 'CumSum', ['one', 'axis'], { exclusive: 'false' })] },
  ],
  [
    'the two largest of one value',
    {
      layers: [
        ...[zeros('row', 1, 64), whole('two', 2)],
        layer('made', 'TopK', ['row', 'two'], { axis: 0, mode: 'max', sort: 'value', index_element_type: 'i64' }),
      ].map((made) => (made.type === 'TopK' ? { ...made, outputs: 2 } : made)),
    },
  ],
  [
    'inputs in another order than they are numbered',
    {
      layers: [
        whole('shape', [HUGE, HUGE]),
        zeros('one', 1, 1),
        { ...layer('made', 'Broadcast', ['shape', 'one'], TO_SHAPE), inputIds: [1, 0] },
      ],
    },
  ],
];
