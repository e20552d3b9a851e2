/**
 * A TensorProto: its type and shape, how many bytes it takes and where they are, and its numbers where they are whole and
 * few. The runtime makes room for what a shape says before it sees how much is there, so the two must agree. It opens no
 * file.
 */
import { ModelFormatError, UnsupportedError } from '../../errors.js';
import { MAX_READ_VALUES, type GraphTensor } from '../graph-size/graph.js';
import type { Field, ProtoReader } from './proto-reader.js';

/** TensorProto.DataType. */
export const INT32 = 6;
export const INT64 = 7;
const BOOL = 9;

export interface OnnxTensor extends GraphTensor {
  /** TensorProto.DataType. */
  readonly elementType: number;
  readonly bytes: number;
  /** Where its bytes are if not in the model file, and how long that file must be. */
  readonly external: { readonly location: string; readonly offset: number; readonly endBytes: number } | undefined;
  /** As `integers`, of int32 too: those overflow sooner than what is computed of `integers`. */
  readonly values: readonly number[] | undefined;
}

export interface NamedTensor {
  readonly name: string;
  readonly tensor: OnnxTensor;
  /** For a tensor of few whole numbers outside of the model file: takes its bytes. */
  readonly fill: ((bytes: Buffer) => void) | undefined;
}

/** Bits of an element by TensorProto.DataType (onnx.proto); without STRING, which has no size. */
const ELEMENT_BITS: ReadonlyMap<number, number> = new Map([
  ...[2, 3, 9, 17, 18, 19, 20, 24].map((type) => [type, 8] as const),
  ...[4, 5, 10, 16].map((type) => [type, 16] as const),
  ...[1, 6, 12].map((type) => [type, 32] as const),
  ...[7, 11, 13, 14].map((type) => [type, 64] as const),
  ...[21, 22, 23].map((type) => [type, 4] as const),
  ...[25, 26].map((type) => [type, 2] as const),
  [15, 128],
]);

/** Weights have one to three dimensions. */
const MAX_DIMENSIONS = 8;
/** Fields that hold values as numbers: float, int32, int64, double, uint64. */
const TYPED_VALUES: readonly number[] = [4, 5, 7, 10, 11];
const STRING_VALUES = 6;

/** Bytes of the numbers that are read. */
const WHOLE_BYTES: ReadonlyMap<number, number> = new Map([
  [INT64, 8],
  [INT32, 4],
  [BOOL, 1],
]);
/** Fields of int32 and int64. */
const WHOLE_VALUES: readonly number[] = [5, 7];

/** Throws FILE_MALFORMED, FILE_TRUNCATED, TENSOR_SHAPE_MISMATCH, DTYPE_UNSUPPORTED. */
export async function readTensor(reader: ProtoReader, tensor: Field): Promise<NamedTensor> {
  let name = '';
  let raw: Field | undefined;
  const typed: Field[] = [];
  const dims: number[] = [];
  const external = new Map<string, string>();
  let elementType = 0;
  let typedBytes = 0;
  for await (const field of reader.fields(tensor.start, tensor.end)) {
    if (field.number === 1) dims.push(...(await reader.integers(field, MAX_DIMENSIONS)));
    else if (field.number === 2) elementType = field.value;
    else if (field.number === 8) name = await reader.text(field);
    else if (field.number === 9) raw = field;
    else if (TYPED_VALUES.includes(field.number)) {
      typedBytes += field.end - field.start;
      if (WHOLE_VALUES.includes(field.number) && typed.length <= MAX_READ_VALUES) typed.push(field);
    } else if (field.number === STRING_VALUES) elementType = -1;
    else if (field.number === 13) await readEntry(reader, field, external);
    if (dims.length > MAX_DIMENSIONS) throw reader.malformed(`a tensor of ${dims.length} dimensions`);
  }
  const bits = ELEMENT_BITS.get(elementType);
  if (bits === undefined) {
    throw new UnsupportedError(
      'DTYPE_UNSUPPORTED',
      `${reader.file}: a tensor at byte ${tensor.start} has element type ${elementType} (numbering of ONNX), which no ` +
        'decoder has. Export the model anew.',
      { details: { file: reader.file, found: elementType } },
    );
  }
  const elements = dims.reduce((product, size) => product * size, 1);
  const bytes = Math.ceil((elements * bits) / 8);
  const rawBytes = raw === undefined ? undefined : raw.end - raw.start;
  // A negative dimension is beyond 2^63 here. Beyond 2^53 the product is rounded, but then equals no size of a file.
  if (!dims.every((size) => Number.isSafeInteger(size))) throw mismatch(reader, tensor, dims, bytes, rawBytes ?? 0);
  const place = placeOf(reader, external, bytes);
  const found: Mutable<OnnxTensor> = {
    elementType,
    dims,
    bytes,
    external: place,
    integers: undefined,
    values: undefined,
  };
  const width = elements > MAX_READ_VALUES ? undefined : WHOLE_BYTES.get(elementType);
  const set = (values: readonly number[]): void => {
    if (values.length !== elements) return;
    found.values = values;
    if (elementType !== INT32) found.integers = values;
  };
  if (place !== undefined) {
    if (place.lengthBytes !== bytes) throw mismatch(reader, tensor, dims, bytes, place.lengthBytes);
    const fill = (data: Buffer): void => set(numbersIn(data, width ?? 1, elements));
    return { name, tensor: found, fill: width === undefined ? undefined : fill };
  }
  // A number takes a byte at least; numbers of four bits come in pairs, of two bits in fours.
  const fits = rawBytes === undefined ? elements <= typedBytes * 4 : rawBytes === bytes;
  if (!fits) throw mismatch(reader, tensor, dims, bytes, rawBytes ?? typedBytes);
  if (width !== undefined && raw !== undefined) set(numbersIn(await reader.bytes(raw), width, elements));
  else if (width !== undefined) {
    const values: number[] = [];
    for (const part of typed) values.push(...(await reader.signedIntegers(part, MAX_READ_VALUES)));
    set(values);
  }
  return { name, tensor: found, fill: undefined };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Place {
  readonly location: string;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly endBytes: number;
}

function placeOf(reader: ProtoReader, external: ReadonlyMap<string, string>, bytes: number): Place | undefined {
  const location = external.get('location');
  if (location === undefined) return undefined;
  const lengthBytes = count(reader, location, external.get('length')) ?? bytes;
  const offset = count(reader, location, external.get('offset')) ?? 0;
  const endBytes = offset + bytes;
  if (!Number.isSafeInteger(endBytes)) throw reader.malformed(`a tensor in '${location}' ends at byte ${endBytes}`);
  return { location, offset, lengthBytes, endBytes };
}

/** Little endian, of `width` bytes; none where there are fewer than `count`. A byte is a truth value. */
function numbersIn(bytes: Buffer, width: number, count: number): number[] {
  if (bytes.length < count * width) return [];
  return Array.from({ length: count }, (_, i) => {
    if (width === 8) return Number(bytes.readBigInt64LE(i * 8));
    return width === 4 ? bytes.readInt32LE(i * 4) : Math.min(1, bytes[i] ?? 0);
  });
}

/** A StringStringEntryProto of external_data. */
async function readEntry(reader: ProtoReader, entry: Field, into: Map<string, string>): Promise<void> {
  let key = '';
  let value = '';
  for await (const part of reader.fields(entry.start, entry.end)) {
    if (part.number === 1) key = await reader.text(part);
    else if (part.number === 2) value = await reader.text(part);
  }
  if (into.has(key)) throw reader.malformed(`a tensor at byte ${entry.start} says twice what its '${key}' is`);
  into.set(key, value);
}

function count(reader: ProtoReader, location: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw reader.malformed(`a tensor in '${location}' has '${text.slice(0, 80)}' for its place`);
}

function mismatch(
  reader: ProtoReader,
  tensor: Field,
  dims: readonly number[],
  expected: number,
  found: number,
): ModelFormatError {
  return new ModelFormatError(
    'TENSOR_SHAPE_MISMATCH',
    `${reader.file}: the tensor at byte ${tensor.start} of shape [${dims.join(', ')}] takes ${expected} bytes, the file ` +
      `has ${found} for it. Download or export it anew.`,
    { details: { file: reader.file, shape: dims, expected, found } },
  );
}
