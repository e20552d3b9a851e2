/**
 * The directed sweep over an ONNX graph: every input of every kind of node replaced by every kind of other tensor, absent
 * ones given and given ones left out, every whole number in attributes and small constants by extremes, every output that
 * an operator can have besides. Nothing is random: a number names the change.
 */
import { editOnnx, messageIn, readOnnx, type Field, type Message } from './onnx.js';
import { DirectedSweep } from './directed-sweep.js';

/** TensorProto.DataType. */
export const TYPE = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, bool: 9, f16: 10 } as const;
const WIDTHS: Readonly<Record<number, number>> = { 1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2 };

/** Numbers that break arithmetic of 32 and of 64 bits, sizes that are off by one, places before the first. */
const EXTREMES: readonly bigint[] = [
  ...[0n, 1n, -1n, 2n, 3n, -2n, 7n, 64n, 1000n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n],
  ...[2n ** 62n, 2n ** 63n - 1n, -(2n ** 31n), -(2n ** 63n)],
];
const FILLS: readonly bigint[] = [0n, -1n, 7n, 2n ** 20n, 2n ** 31n - 1n, -(2n ** 31n)];
const FLOATS: readonly number[] = [0, -1, 1e38, -1e38, NaN, Infinity, -Infinity, 1e-38];

/** How many inputs and outputs an operator can have, where a graph leaves some out (docs/ContribOperators.md, Operators.md). */
const MOST: Readonly<Record<string, readonly [inputs: number, outputs: number]>> = {
  GroupQueryAttention: [14, 4],
  MatMulNBits: [6, 1],
  SkipSimplifiedLayerNormalization: [4, 4],
  SkipLayerNormalization: [5, 4],
  SimplifiedLayerNormalization: [3, 2],
  LayerNormalization: [3, 3],
  RotaryEmbedding: [4, 1],
  GatherBlockQuantized: [4, 1],
  MultiHeadAttention: [10, 4],
  Attention: [7, 4],
  Slice: [5, 1],
  Clip: [3, 1],
  ReduceSum: [2, 1],
  ReduceMax: [2, 1],
  ReduceMin: [2, 1],
  ReduceMean: [2, 1],
  Squeeze: [2, 1],
  Gemm: [3, 1],
  Trilu: [2, 1],
  QuantizeLinear: [3, 1],
  DequantizeLinear: [3, 1],
  MatMulInteger: [4, 1],
  MatMulIntegerToFloat: [7, 1],
  DynamicQuantizeMatMul: [5, 1],
  FastGelu: [2, 1],
};

/** Whole-number attributes that an operator can have, where a graph leaves some out. */
const ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  GroupQueryAttention: [
    ...['do_rotary', 'rotary_interleaved', 'local_window_size', 'smooth_softmax', 'qk_output', 'sliding_window_cache'],
    ...['kv_cache_bit_width'],
  ],
  MatMulNBits: ['accuracy_level', 'block_size'],
  RotaryEmbedding: ['interleaved', 'num_heads', 'rotary_embedding_dim', 'is_packed_batching', 'scale'],
  GatherBlockQuantized: ['bits', 'block_size', 'gather_axis', 'quantize_axis'],
  MultiHeadAttention: ['num_heads', 'unidirectional'],
  Attention: ['is_causal', 'kv_num_heads', 'q_num_heads', 'qk_matmul_output_mode', 'softmax_precision'],
  Gather: ['axis'],
  GatherElements: ['axis'],
  GatherND: ['batch_dims'],
  Concat: ['axis'],
  Softmax: ['axis'],
  Flatten: ['axis'],
  Split: ['axis', 'num_outputs'],
  Shape: ['start', 'end'],
  Reshape: ['allowzero'],
  ReduceSum: ['keepdims', 'noop_with_empty_axes'],
  ReduceMax: ['keepdims', 'noop_with_empty_axes'],
  ReduceMean: ['keepdims', 'noop_with_empty_axes'],
  LayerNormalization: ['axis', 'stash_type'],
  SimplifiedLayerNormalization: ['axis', 'stash_type'],
  RMSNormalization: ['axis', 'stash_type'],
  CumSum: ['exclusive', 'reverse'],
  Trilu: ['upper'],
  Cast: ['to', 'saturate'],
  QuantizeLinear: ['axis', 'block_size', 'output_dtype', 'saturate', 'precision'],
  DequantizeLinear: ['axis', 'block_size', 'output_dtype'],
  Gemm: ['transA', 'transB'],
  FusedMatMul: ['transA', 'transB', 'transBatchA', 'transBatchB'],
};

interface Change {
  readonly what: string;
  readonly apply: (graph: Message) => void;
}

/** `only`: of the nodes, those, with the constants that they take. */
export function sweepNodes(model: Buffer, only?: (node: Message) => boolean): DirectedSweep {
  return new DirectedSweep(() =>
    [...changesOf(messageIn(readOnnx(model), 7), only)].map(({ what, apply }) => ({
      what,
      make: () => editOnnx(model, (edited) => apply(messageIn(edited, 7))),
    })),
  );
}

const field = (number: number, value: Field['value']): Field => ({ number, value, isFixed: false });
const fieldsOf = ({ fields }: Message, number: number): readonly Field[] =>
  fields.filter((part) => part.number === number);
const texts = (message: Message, number: number): string[] =>
  fieldsOf(message, number).map(({ value }) => (Buffer.isBuffer(value) ? value.toString() : ''));
const messages = (message: Message, number: number): Message[] =>
  fieldsOf(message, number).flatMap(({ value }) =>
    typeof value === 'object' && !Buffer.isBuffer(value) ? [value] : [],
  );

/** An initialiser of `type` and `dims` whose elements all are `fill`; numbers with a fraction are small. */
export function constantTensor(name: string, type: number, dims: readonly number[], fill = 1n): Message {
  const width = WIDTHS[type] ?? 4;
  const element = Buffer.alloc(width);
  if (type === TYPE.f32) element.writeFloatLE(0.25);
  else if (type === TYPE.f16) element.writeUInt16LE(0x3400);
  else if (width === 8) element.writeBigInt64LE(BigInt.asIntN(64, fill));
  else if (width === 4) element.writeInt32LE(Number(BigInt.asIntN(32, fill)));
  else element.writeUInt8(Number(BigInt.asUintN(8, fill)));
  const count = dims.reduce((product, size) => product * size, 1);
  const bytes = Buffer.concat(Array.from({ length: count }, () => element));
  return {
    kind: 'tensor',
    fields: [
      ...dims.map((size) => field(1, BigInt(size))),
      field(2, BigInt(type)),
      field(8, Buffer.from(name)),
      field(9, bytes),
    ],
  };
}

interface Constant {
  readonly name: string;
  readonly type: number;
  readonly dims: readonly number[];
}

function constantOf(tensor: Message): Constant {
  const numbers = (number: number): number[] =>
    fieldsOf(tensor, number).flatMap(({ value }) =>
      typeof value === 'bigint' ? [Number(value)] : [...(value as Buffer)],
    );
  return { name: texts(tensor, 8)[0] ?? '', type: numbers(2)[0] ?? 0, dims: numbers(1) };
}

const MADE = 'made_by_the_sweep';
const MAX_MADE_BYTES = 2 ** 20;

const TYPES = [TYPE.f32, TYPE.f16, TYPE.i64, TYPE.i32, TYPE.u8, TYPE.bool];
const SHAPES = [[], [0], [1], [3], [1, 1], [64], [1, 4, 3, 16]];

function* changesOf(graph: Message, only?: (node: Message) => boolean): Generator<Change> {
  const constants = new Map(messages(graph, 5).map((tensor) => [texts(tensor, 8)[0] ?? '', constantOf(tensor)]));
  const nodes = messages(graph, 1);
  const operatorOf = (node: Message): string => texts(node, 4)[0] ?? '';
  /** What a name stands for, without the number of its layer. */
  const kinds = new Map<string, string>();
  for (const name of messages(graph, 11).map((value) => texts(value, 1)[0] ?? ''))
    kinds.set(name, `input ${name.replaceAll(/\d+/g, 'N')}`);
  for (const { name, type, dims } of constants.values()) kinds.set(name, `constant ${type} [${dims.join(', ')}]`);
  const seen = new Set<string>();
  const taken = new Set<string>();
  for (const [index, node] of nodes.entries()) {
    const [operator, inputs] = [operatorOf(node), texts(node, 1)];
    const signature = `${operator}(${inputs.map((name) => kinds.get(name) ?? name).join('; ')})`;
    // Earlier tensors alone: others would make a cycle, which is refused for itself.
    const others = new Map([...kinds].map(([name, kind]) => [kind, name] as const));
    for (const [at, name] of texts(node, 2).entries()) kinds.set(name, `${operator}'s output ${at}`);
    if (seen.has(signature) || only?.(node) === false) continue;
    seen.add(signature);
    for (const name of inputs) taken.add(name);
    const label = `node ${index} ${operator}`;
    yield* inputChanges(label, index, operator, inputs, others, constants);
    yield* attributeChanges(label, index, operator, node);
    yield* outputChanges(label, index, operator, node);
  }
  yield* constantChanges(graph, (name) => only === undefined || taken.has(name));
}

const nodeAt = (graph: Message, index: number): Message => {
  const node = messages(graph, 1)[index];
  if (node === undefined) throw new RangeError(`no node ${index}`);
  return node;
};

function* inputChanges(
  label: string,
  index: number,
  operator: string,
  inputs: readonly string[],
  others: ReadonlyMap<string, string>,
  constants: ReadonlyMap<string, Constant>,
): Generator<Change> {
  const slots = Math.max(inputs.length, MOST[operator]?.[0] ?? 0);
  for (let slot = 0; slot < slots; slot += 1) {
    const own = inputs[slot] ?? '';
    const set = (name: string, made?: Message) => (graph: Message) => {
      setName(nodeAt(graph, index), 1, slot, name);
      if (made !== undefined) graph.fields.push(field(5, made));
    };
    const place = `${label}, input ${slot}`;
    if (own !== '') yield { what: `${place}: left out`, apply: set('') };
    for (const [kind, name] of others) {
      if (name !== own) yield { what: `${place}: ${kind} ('${name}')`, apply: set(name) };
    }
    const make = (type: number, dims: readonly number[], fill?: bigint): Change => ({
      what: `${place}: a constant of type ${type} [${dims.join(', ')}]${fill === undefined ? '' : ` of ${fill}`}`,
      apply: set(MADE, constantTensor(MADE, type, dims, fill)),
    });
    for (const type of TYPES) for (const dims of SHAPES) yield make(type, dims);
    for (const type of [TYPE.i32, TYPE.i64]) {
      for (const fill of FILLS) for (const dims of [[], [1]]) yield make(type, dims, fill);
    }
    const constant = constants.get(own);
    if (constant === undefined) continue;
    for (const dims of nearShapes(constant.dims)) yield make(constant.type, dims);
    if (constant.type === TYPE.i32 || constant.type === TYPE.i64) {
      for (const fill of FILLS) yield make(constant.type, constant.dims, fill);
    }
  }
}

/** Shapes like `dims`: one size changed, one dimension more or less. */
function nearShapes(dims: readonly number[]): readonly (readonly number[])[] {
  const changed = dims.flatMap((size, axis) =>
    [0, 1, size - 1, size + 1, size * 2, Math.ceil(size / 2)]
      .filter((other) => other !== size && other >= 0)
      .map((other) => dims.with(axis, other)),
  );
  const count = dims.reduce((product, size) => product * size, 1);
  const shapes = [...changed, [count], [1, ...dims], [...dims, 1], dims.slice(1), dims.slice(0, -1), dims.toReversed()];
  return shapes.filter((shape) => shape.reduce((product, size) => product * size, 8) <= MAX_MADE_BYTES);
}

function setName(node: Message, number: number, slot: number, name: string): void {
  const found = fieldsOf(node, number);
  const old = found[slot];
  if (old !== undefined) {
    old.value = Buffer.from(name);
    return;
  }
  for (let at = found.length; at < slot; at += 1) node.fields.push(field(number, Buffer.alloc(0)));
  node.fields.push(field(number, Buffer.from(name)));
}

/** AttributeProto: name (1), f (2), i (3), t (5), floats (7), ints (8), type (20: FLOAT 1, INT 2, INTS 7). */
function* attributeChanges(label: string, index: number, operator: string, node: Message): Generator<Change> {
  const own = messages(node, 5);
  for (const [at, attribute] of own.entries()) {
    const name = texts(attribute, 1)[0] ?? '';
    for (const [place, part] of attribute.fields.entries()) {
      const replace = (value: Field['value']) => (graph: Message) => {
        const target = messages(nodeAt(graph, index), 5)[at]?.fields[place];
        if (target !== undefined) target.value = value;
      };
      if ((part.number === 3 || part.number === 8) && typeof part.value === 'bigint') {
        for (const value of EXTREMES)
          yield { what: `${label}, ${name}: ${value}`, apply: replace(BigInt.asUintN(64, value)) };
      } else if (part.number === 2) {
        for (const value of FLOATS) {
          const bytes = Buffer.alloc(4);
          bytes.writeFloatLE(value);
          yield { what: `${label}, ${name}: ${value}`, apply: replace(bytes) };
        }
      }
    }
    yield {
      what: `${label}, ${name}: left out`,
      apply: (graph) => {
        const { fields } = nodeAt(graph, index);
        const found = fields.filter(({ number }) => number === 5)[at];
        if (found !== undefined) fields.splice(fields.indexOf(found), 1);
      },
    };
  }
  const given = new Set(own.map((attribute) => texts(attribute, 1)[0]));
  for (const name of ATTRIBUTES[operator] ?? []) {
    if (given.has(name)) continue;
    for (const value of EXTREMES) {
      const fields = [field(1, Buffer.from(name)), field(3, BigInt.asUintN(64, value)), field(20, 2n)];
      yield {
        what: `${label}, ${name} added: ${value}`,
        apply: (graph) => void nodeAt(graph, index).fields.push(field(5, { kind: 'attribute', fields })),
      };
    }
  }
}

function* outputChanges(label: string, index: number, operator: string, node: Message): Generator<Change> {
  const outputs = texts(node, 2);
  for (let slot = outputs.length; slot < (MOST[operator]?.[1] ?? 1); slot += 1) {
    yield {
      what: `${label}, output ${slot}: added`,
      apply: (graph) => setName(nodeAt(graph, index), 2, slot, `${MADE}_${slot}`),
    };
  }
  for (let slot = 1; slot < outputs.length; slot += 1) {
    if (outputs[slot] === '')
      yield {
        what: `${label}, output ${slot}: given`,
        apply: (graph) => setName(nodeAt(graph, index), 2, slot, `${MADE}_${slot}`),
      };
  }
}

/** Whole numbers of at most so many elements are shapes, places and axes. */
const MAX_SMALL = 8;

function* constantChanges(graph: Message, isWanted: (name: string) => boolean): Generator<Change> {
  const places: { readonly label: string; readonly find: (graph: Message) => Message | undefined }[] = [
    ...messages(graph, 5).flatMap((tensor, at) => {
      const name = texts(tensor, 8)[0] ?? '';
      return isWanted(name) ? [{ label: `constant ${name}`, find: (root: Message) => messages(root, 5)[at] }] : [];
    }),
    ...messages(graph, 1).flatMap((node, index) =>
      (isWanted(texts(node, 2)[0] ?? '') ? messages(node, 5) : []).flatMap((attribute, at) =>
        messages(attribute, 5).map(() => ({
          label: `node ${index} ${texts(node, 4)[0] ?? ''}, its tensor`,
          find: (root: Message) => {
            const [tensor] = messages(messages(nodeAt(root, index), 5)[at] ?? root, 5);
            return tensor;
          },
        })),
      ),
    ),
  ];
  for (const { label, find } of places) {
    const tensor = find(graph);
    const raw = tensor === undefined ? undefined : fieldsOf(tensor, 9)[0]?.value;
    if (tensor === undefined || !Buffer.isBuffer(raw)) continue;
    const { type } = constantOf(tensor);
    const width = WIDTHS[type] ?? 0;
    if ((type !== TYPE.i64 && type !== TYPE.i32) || raw.length > MAX_SMALL * width) continue;
    for (let at = 0; at < raw.length; at += width) {
      for (const value of EXTREMES) {
        yield {
          what: `${label}: its number ${at / width} became ${value}`,
          apply: (root) => {
            const part = fieldsOf(find(root) ?? root, 9)[0];
            if (part === undefined || !Buffer.isBuffer(part.value)) return;
            const copy = Buffer.from(part.value);
            if (width === 8) copy.writeBigInt64LE(BigInt.asIntN(64, value), at);
            else copy.writeInt32LE(Number(BigInt.asIntN(32, value)), at);
            part.value = copy;
          },
        };
      }
    }
  }
}
