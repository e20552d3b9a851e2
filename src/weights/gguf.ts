/**
 * The head of a GGUF file (versions 2 and 3, little endian) -> metadata and the place of every tensor.
 * It reads no tensor data, does not know what the keys mean, and treats every number as hostile: counts and lengths have
 * limits, ranges must lie in the file, be aligned and not overlap.
 *
 * Layout (ggml, docs/gguf.md): magic "GGUF", u32 version, u64 tensor count, u64 metadata count; metadata as key (string),
 * u32 value type, value; tensors as name (string), u32 dimension count, u64 dimensions (innermost first), u32 ggml type,
 * u64 offset from the data section, which starts at the next multiple of general.alignment. A string is a u64 length
 * and UTF-8 bytes; an array is a u32 element type, a u64 count and the elements.
 */
import { UnsupportedError } from '../errors.js';
import { malformed, overLimit, quoted, truncated } from './format-error.js';
import { ggmlType } from './ggml-types.js';
import { GgufCursor } from './gguf-cursor.js';
import { type ModelFile } from './model-file.js';
import { MAX_TENSOR_NAME_BYTES, MAX_TENSORS, type StoredTensor } from './stored-tensor.js';

/** All metadata and tensor entries together. The largest vocabularies in use (262,144 tokens, merges) take 20 MB. */
export const MAX_GGUF_HEADER_BYTES = 48 * 1024 * 1024;
/** Real files have 20 to 60 keys. */
export const MAX_GGUF_METADATA_COUNT = 65_536;
/** The format's own limit for a key (docs/gguf.md: 2^16 - 1 bytes). */
export const MAX_GGUF_KEY_BYTES = 65_535;
/** A chat template or an embedded tokenizer.json is the longest string in use: under 20 MB. */
export const MAX_GGUF_STRING_BYTES = 32 * 1024 * 1024;
/** Merges of the largest vocabularies number about 500,000. */
export const MAX_GGUF_ARRAY_ELEMENTS = 1024 * 1024;
/** The format allows arrays of arrays, but no known file has any and ggml's own reader refuses them. */
export const MAX_GGUF_ARRAY_DEPTH = 1;
/** ggml's own limit (GGML_MAX_DIMS). */
const MAX_GGML_DIMENSIONS = 4;

const DEFAULT_ALIGNMENT_BYTES = 32;
const MAX_ALIGNMENT_BYTES = 1024 * 1024;

/** Integers beyond 2^53 are bigint. Arrays of numbers are typed arrays, of booleans Uint8Array. */
export type GgufValue = number | bigint | boolean | string | GgufArray;
export type GgufArray = GgufNumbers | readonly string[];
export type GgufNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

export interface GgufHead {
  readonly version: 2 | 3;
  /** Only the keys that were asked for. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly StoredTensor[];
}

interface NumberType {
  readonly bytes: number;
  readonly view: (data: ArrayBuffer) => GgufNumbers;
}

/** A tensor entry as the file writes it; the shape is already turned outermost first. */
interface TensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly offset: number;
}

/** Value types of a fixed size, by id. 8 is a string, 9 an array. */
const NUMBER_TYPES: ReadonlyMap<number, NumberType> = new Map<number, NumberType>([
  [0, { bytes: 1, view: (data) => new Uint8Array(data) }],
  [1, { bytes: 1, view: (data) => new Int8Array(data) }],
  [2, { bytes: 2, view: (data) => new Uint16Array(data) }],
  [3, { bytes: 2, view: (data) => new Int16Array(data) }],
  [4, { bytes: 4, view: (data) => new Uint32Array(data) }],
  [5, { bytes: 4, view: (data) => new Int32Array(data) }],
  [6, { bytes: 4, view: (data) => new Float32Array(data) }],
  [7, { bytes: 1, view: (data) => new Uint8Array(data) }],
  [10, { bytes: 8, view: (data) => new BigUint64Array(data) }],
  [11, { bytes: 8, view: (data) => new BigInt64Array(data) }],
  [12, { bytes: 8, view: (data) => new Float64Array(data) }],
]);
const BOOLEAN_TYPE = 7;
const STRING_TYPE = 8;
const ARRAY_TYPE = 9;

/**
 * Reads metadata (of the keys for which `wants` says so; the others are walked over) and tensor entries.
 * Throws FILE_TRUNCATED, FILE_MALFORMED, FILE_LIMIT_EXCEEDED, MODEL_FEATURE_UNSUPPORTED (GGUF version, byte order),
 * DTYPE_UNSUPPORTED (a ggml type of unknown size) or the signal's reason.
 */
export async function readGgufHead(
  file: ModelFile,
  wants: (key: string) => boolean,
  signal?: AbortSignal,
): Promise<GgufHead> {
  return new GgufParser(file, wants, signal).parse();
}

class GgufParser {
  readonly #file: ModelFile;
  readonly #wants: (key: string) => boolean;
  readonly #cursor: GgufCursor;

  constructor(file: ModelFile, wants: (key: string) => boolean, signal: AbortSignal | undefined) {
    this.#file = file;
    this.#wants = wants;
    this.#cursor = new GgufCursor(file, MAX_GGUF_HEADER_BYTES, signal);
  }

  async parse(): Promise<GgufHead> {
    const cursor = this.#cursor;
    await cursor.prefetch(8, 'the GGUF magic and version');
    if (cursor.u32() !== 0x46554747) throw malformed(this.#file.path, 'it does not start with the magic "GGUF".');
    const version = this.#version(cursor.u32());
    await cursor.prefetch(16, 'the GGUF header');
    const tensorCount = cursor.count(MAX_TENSORS, 'the number of tensors');
    const metadataCount = cursor.count(MAX_GGUF_METADATA_COUNT, 'the number of metadata keys');

    const metadata = new Map<string, GgufValue>();
    const keys = new Set<string>();
    let alignment = DEFAULT_ALIGNMENT_BYTES;
    for (let i = 0; i < metadataCount; i++) {
      const key = await this.#string(MAX_GGUF_KEY_BYTES, 'a metadata key');
      if (keys.has(key)) throw malformed(this.#file.path, `the metadata key ${quoted(key)} is given twice.`, { key });
      keys.add(key);
      await cursor.prefetch(4, 'a metadata value type');
      const type = cursor.u32();
      const isAlignment = key === 'general.alignment';
      const wanted = this.#wants(key);
      const value = await this.#value(type, key, wanted || isAlignment);
      if (isAlignment) alignment = this.#alignment(value);
      if (wanted && value !== undefined) metadata.set(key, value);
    }

    const entries = await this.#tensorEntries(tensorCount);
    const dataStart = Math.ceil(cursor.position / alignment) * alignment;
    return { version, metadata, tensors: this.#placeTensors(entries, dataStart, alignment) };
  }

  #version(version: number): 2 | 3 {
    if (version === 2 || version === 3) return version;
    const file = this.#file.path;
    if (version !== 0 && (version & 0xffff) === 0) {
      throw new UnsupportedError(
        'MODEL_FEATURE_UNSUPPORTED',
        `${file} is a big-endian GGUF file; aipc reads little-endian ones. Get the little-endian file, or convert this one with gguf-py's gguf_convert_endian.py.`,
        { details: { file, byteOrder: 'big-endian' } },
      );
    }
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${file} is GGUF version ${version}; aipc reads versions 2 and 3. Convert the model again with a current llama.cpp.`,
      { details: { file, version, supported: [2, 3] } },
    );
  }

  #alignment(value: GgufValue | undefined): number {
    // docs/gguf.md: a multiple of 8; ggml's reader: a power of two.
    const ok =
      typeof value === 'number' && value >= 8 && value <= MAX_ALIGNMENT_BYTES && Number.isInteger(Math.log2(value));
    if (!ok) {
      throw malformed(
        this.#file.path,
        `general.alignment must be a power of two from 8 to ${MAX_ALIGNMENT_BYTES}, found ${String(value)}.`,
      );
    }
    return value;
  }

  async #string(limit: number, what: string): Promise<string> {
    const [text = ''] = await this.#strings(1, limit, what, true);
    return text;
  }

  /** Awaits only where the buffer must be refilled: a vocabulary has 100,000 strings and more. */
  async #strings(count: number, limit: number, what: string, keep: boolean): Promise<string[]> {
    const cursor = this.#cursor;
    const strings: string[] = [];
    for (let i = 0; i < count; i++) {
      if (cursor.available < 8) await cursor.prefetch(8, what);
      const bytes = cursor.count(limit, `the length of ${what} in bytes`);
      if (!keep) {
        cursor.skip(bytes, what);
        continue;
      }
      if (cursor.available < bytes) await cursor.prefetch(bytes, what);
      strings.push(cursor.text(bytes, what));
    }
    return strings;
  }

  /** undefined where the value was walked over. */
  async #value(type: number, key: string, keep: boolean): Promise<GgufValue | undefined> {
    const what = `the value of ${quoted(key)}`;
    if (type === ARRAY_TYPE) return this.#array(key, what, keep);
    if (type === STRING_TYPE) return (await this.#strings(1, MAX_GGUF_STRING_BYTES, what, keep))[0];
    const { bytes, view } = this.#numberType(type, key);
    await this.#cursor.prefetch(bytes, what);
    const [value = 0] = view(this.#cursor.copy(bytes));
    if (type !== BOOLEAN_TYPE) {
      return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
    }
    if (value !== 0 && value !== 1) {
      throw malformed(this.#file.path, `the boolean ${quoted(key)} must be 0 or 1, found ${value}.`, { key });
    }
    return value === 1;
  }

  async #array(key: string, what: string, keep: boolean): Promise<GgufArray> {
    const cursor = this.#cursor;
    await cursor.prefetch(12, what);
    const type = cursor.u32();
    if (type === ARRAY_TYPE) {
      throw overLimit(this.#file.path, `the depth of the array ${quoted(key)}`, 2, MAX_GGUF_ARRAY_DEPTH);
    }
    const count = cursor.count(MAX_GGUF_ARRAY_ELEMENTS, `the element count of ${quoted(key)}`);
    if (type === STRING_TYPE) return this.#strings(count, MAX_GGUF_STRING_BYTES, what, keep);
    const { bytes, view } = this.#numberType(type, key);
    if (!keep) {
      cursor.skip(count * bytes, what);
      return [];
    }
    await cursor.prefetch(count * bytes, what);
    return view(cursor.copy(count * bytes));
  }

  #numberType(type: number, key: string): NumberType {
    const found = NUMBER_TYPES.get(type);
    if (found === undefined) {
      throw malformed(this.#file.path, `the metadata key ${quoted(key)} has the unknown value type ${type}.`, { key });
    }
    return found;
  }

  async #tensorEntries(count: number): Promise<TensorEntry[]> {
    const cursor = this.#cursor;
    const entries: TensorEntry[] = [];
    const names = new Set<string>();
    for (let i = 0; i < count; i++) {
      const name = await this.#string(MAX_TENSOR_NAME_BYTES, 'a tensor name');
      if (names.has(name)) {
        throw malformed(this.#file.path, `the tensor ${quoted(name)} is listed twice.`, { tensor: name });
      }
      names.add(name);
      const what = `the entry of tensor ${quoted(name)}`;
      await cursor.prefetch(4, what);
      const dimensionCount = cursor.u32();
      if (dimensionCount === 0 || dimensionCount > MAX_GGML_DIMENSIONS) {
        throw overLimit(
          this.#file.path,
          `the number of dimensions of ${quoted(name)}`,
          dimensionCount,
          MAX_GGML_DIMENSIONS,
        );
      }
      await cursor.prefetch(dimensionCount * 8 + 12, what);
      const shape: number[] = [];
      for (let d = 0; d < dimensionCount; d++) {
        shape.unshift(cursor.count(Number.MAX_SAFE_INTEGER, `a dimension of ${quoted(name)}`));
      }
      const type = cursor.u32();
      entries.push({
        name,
        shape,
        type,
        offset: cursor.count(Number.MAX_SAFE_INTEGER, `the offset of ${quoted(name)}`),
      });
    }
    return entries;
  }

  #placeTensors(entries: readonly TensorEntry[], dataStart: number, alignment: number): StoredTensor[] {
    const file = this.#file;
    const sorted = entries.toSorted((a, b) => a.offset - b.offset);
    let previousEnd = 0;
    for (const { name, shape, type, offset } of sorted) {
      const details = { tensor: name, shape, type, offset };
      const { name: typeName, blockElements, blockBytes } = ggmlType(file.path, name, type);
      const columns = shape.at(-1) ?? 0;
      if (columns % blockElements !== 0 || shape.includes(0)) {
        throw malformed(
          file.path,
          `tensor ${quoted(name)}: a row of [${shape.join(', ')}] is not made of ${typeName} blocks of ${blockElements}.`,
          details,
        );
      }
      if (offset % alignment !== 0) {
        throw malformed(
          file.path,
          `tensor ${quoted(name)} starts at data byte ${offset}, which is not aligned to ${alignment}.`,
          details,
        );
      }
      if (offset < previousEnd) {
        throw malformed(file.path, `tensor ${quoted(name)} overlaps the tensor before it.`, details);
      }
      // Beyond 2^53 the product is rounded, but then exceeds any file.
      previousEnd = offset + (shape.reduce((product, size) => product * size, 1) / blockElements) * blockBytes;
      if (dataStart + previousEnd > file.sizeBytes) {
        throw truncated(file.path, `tensor ${quoted(name)}`, dataStart + previousEnd, file.sizeBytes);
      }
    }
    return entries.map(({ name, shape, type, offset }) => {
      const { name: typeName, dtype } = ggmlType(file.path, name, type);
      return { name, shape, typeName, dtype, offsetBytes: dataStart + offset };
    });
  }
}
