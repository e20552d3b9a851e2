/**
 * An ONNX file as a tree of protocol buffer fields (onnx.proto), changed anywhere: numbers, names, operators, attributes,
 * shapes, where the weights lie; fields removed, doubled, moved and nested; lengths that lie.
 */
import { mutateBytes, type Mutated } from './bytes.js';
import { HOSTILE_NAMES } from './names.js';
import type { Random } from '../random.js';

/** A message's kind, and which of its fields are messages themselves. */
const MESSAGES: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  model: { 7: 'graph', 8: 'opset', 14: 'entry' },
  graph: { 1: 'node', 5: 'tensor', 11: 'value', 12: 'value', 13: 'value' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph' },
  tensor: { 13: 'entry' },
  value: { 2: 'type' },
  type: { 1: 'tensorType' },
  tensorType: { 2: 'shape' },
  shape: { 1: 'dimension' },
  ...{ dimension: {}, opset: {}, entry: {} },
};

export interface Message {
  readonly kind: string;
  readonly fields: Field[];
}
export interface Field {
  readonly number: number;
  value: bigint | Buffer | Message;
  /** Fixed 32 or 64 bits instead of a varint or length-delimited bytes. */
  readonly isFixed: boolean;
  /** Written instead of the real length. */
  liedLength?: bigint;
}
interface Place {
  readonly message: Message;
  readonly field: Field;
  readonly path: string;
}

/** Operators that make much of little, run long, or read their own program from the file. */
const OPERATORS = [
  ...[
    'ConstantOfShape',
    'Expand',
    'Tile',
    'Range',
    'Pad',
    'Resize',
    'OneHot',
    'EyeLike',
    'RandomNormal',
    'Loop',
    'Scan',
  ],
  ...['If', 'Optional', 'StringNormalizer', 'Gather', 'MatMul', 'Reshape', 'Slice', 'NoSuchOperator', 'MatMulNBits'],
  ...[
    'GroupQueryAttention',
    'RotaryEmbedding',
    'SkipSimplifiedLayerNormalization',
    'Cast',
    'Identity',
    'EPContext',
    '',
  ],
];

/** `bytes` with its tree changed by `edit`. */
export function editOnnx(bytes: Buffer, edit: (model: Message) => void): Buffer {
  const model = decode(bytes, 'model');
  edit(model);
  return encode(model);
}

export function readOnnx(bytes: Buffer): Message {
  return decode(bytes, 'model');
}

/** The first message in field `number` of `message`. */
export function messageIn(message: Message, number: number): Message {
  for (const { number: found, value } of message.fields) if (found === number && isMessage(value)) return value;
  throw new RangeError(`a ${message.kind} without a message in field ${number}`);
}

export function mutateOnnx(random: Random, bytes: Buffer, other: Buffer): Mutated {
  if (random.chance(0.2)) return mutateBytes(random, bytes, other);
  const model = decode(bytes, 'model');
  const done: string[] = [];
  const times = random.chance(0.75) ? 1 : 3;
  for (let i = 0; i < times; i += 1) done.push(mutateField(random, model));
  return { bytes: encode(model), what: done.join('; ') };
}

function mutateField(random: Random, model: Message): string {
  const all = places(model);
  // Kinds of places first: hundreds of nodes would hide the few inputs.
  const kind = random.pick([...new Set(all.map(({ path }) => path.replaceAll(/\[\d+\]/g, '')))]);
  const { message, field, path } = random.pick(all.filter((place) => place.path.replaceAll(/\[\d+\]/g, '') === kind));
  const { value } = field;
  const index = message.fields.indexOf(field);
  switch (random.below(7)) {
    case 0:
      message.fields.splice(index, 1);
      return `${path}: removed`;
    case 1:
      message.fields.splice(index, 0, field);
      return `${path}: doubled`;
    case 2: {
      const { field: from, path: fromPath } = random.pick(all);
      field.value = from.value;
      return `${path}: as ${fromPath}`;
    }
    case 3:
      if (field.isFixed || typeof value === 'bigint') break;
      field.liedLength = random.extreme();
      return `${path}: length ${field.liedLength}`;
    case 4: {
      if (!('fields' in Object(value))) break;
      const depth = random.pick([20, 200, 20_000]);
      message.fields[index] = { number: field.number, isFixed: false, value: nestedGraphs(depth) };
      return `${path}: graphs nested ${depth} deep`;
    }
  }
  if (typeof value === 'bigint') {
    field.value = random.extreme();
    return `${path}: ${value} became ${field.value}`;
  }
  if (!Buffer.isBuffer(value)) {
    const replacement = random.pick(all).field.value;
    field.value = replacement;
    return `${path}: another message`;
  }
  if (path.includes('entry') && random.chance(0.7)) {
    const text = random.chance(0.5) ? random.pick(HOSTILE_NAMES) : numberText(random);
    field.value = Buffer.from(text);
    return `${path}: ${JSON.stringify(text.slice(0, 60))}`;
  }
  if (path.endsWith('node.4') && random.chance(0.8)) {
    const operator = random.pick(OPERATORS);
    field.value = Buffer.from(operator);
    return `${path}: operator '${value.toString()}' became '${operator}'`;
  }
  if (random.chance(0.5)) {
    const { field: from } = random.pick(all.filter(({ field: { value: found } }) => Buffer.isBuffer(found)));
    field.value = from.value;
    return `${path}: bytes of another`;
  }
  const mutated = mutateBytes(random, value.length === 0 ? Buffer.from([0]) : value);
  field.value = mutated.bytes;
  return `${path}: ${mutated.what}`;
}

function numberText(random: Random): string {
  const sign = random.pick(['', '', '-', '+', ' ', '0x', '1e']);
  return `${sign}${random.extreme()}`;
}

/** node.attribute.graph.node... */
export function nestedGraphs(depth: number): Buffer {
  let inner = Buffer.alloc(0);
  for (let i = 0; i < depth; i += 1) {
    // Field 6 of an attribute, 5 of a node, 1 of a graph.
    for (const number of [1, 5, 6])
      inner = Buffer.concat([varint(BigInt(number * 8 + 2)), varint(BigInt(inner.length)), inner]);
    if (inner.length > 300_000) break;
  }
  return inner;
}

function places(model: Message): Place[] {
  const found: Place[] = [];
  const visit = (message: Message, path: string, depth: number): void => {
    for (const [index, field] of message.fields.entries()) {
      const here = `${path}.${field.number}[${index}]`;
      found.push({ message, field, path: here.replaceAll(/\[\d+\](?=\.)/g, (at) => at) });
      if (isMessage(field.value) && depth < 12) visit(field.value, `${here}/${field.value.kind}`, depth + 1);
    }
  };
  visit(model, 'model', 0);
  return found;
}

function isMessage(value: Field['value']): value is Message {
  return typeof value === 'object' && 'fields' in value;
}

function decode(bytes: Buffer, kind: string): Message {
  const fields: Field[] = [];
  let at = 0;
  const readVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError('the seed is not a sound ONNX file');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(readVarint());
    const number = key >> 3;
    const wire = key & 7;
    if (wire === 0) {
      fields.push({ number, isFixed: false, value: readVarint() });
      continue;
    }
    const length = wire === 2 ? Number(readVarint()) : wire === 1 ? 8 : 4;
    const value = bytes.subarray(at, at + length);
    at += length;
    const inner = wire === 2 ? MESSAGES[kind]?.[number] : undefined;
    fields.push({ number, isFixed: wire !== 2, value: inner === undefined ? value : decode(value, inner) });
  }
  return { kind, fields };
}

/** A message that a mutation has put into itself is empty there. */
function encode(message: Message, around: ReadonlySet<Message> = new Set()): Buffer {
  if (around.has(message)) return Buffer.alloc(0);
  const inside = new Set([...around, message]);
  const parts = message.fields.flatMap(({ number, value, isFixed, liedLength }) => {
    if (typeof value === 'bigint') return [varint(BigInt(number * 8)), varint(value)];
    const bytes = isMessage(value) ? encode(value, inside) : value;
    if (isFixed && (bytes.length === 4 || bytes.length === 8)) {
      return [varint(BigInt(number * 8 + (bytes.length === 8 ? 1 : 5))), bytes];
    }
    return [varint(BigInt(number * 8 + 2)), varint(liedLength ?? BigInt(bytes.length)), bytes];
  });
  return Buffer.concat(parts);
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}
