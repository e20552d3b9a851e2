/**
 * Reads of an ONNX file what must be known before ONNX Runtime loads it: the element types of its inputs, which
 * operators it uses, which parts of which files hold its weights. It skips the weights and all else, so that memory
 * stays at one window whatever the file's size, and checks that every external file is inside the folder and complete.
 * Format: onnx.proto (ModelProto, GraphProto, NodeProto, TensorProto), protocol buffers' wire format.
 */
import { open, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { ModelFormatError, NotFoundError } from '../../errors.js';
import { resolveInside } from '../model-json.js';

/** Names, operator types and paths are read whole; longer ones are not sound. */
const MAX_STRING_BYTES = 4096;
const WINDOW_BYTES = 256 * 1024;
/** Real decoders have a few hundred to a few thousand nodes and initialisers. */
export const MAX_GRAPH_ENTRIES = 2 ** 20;

export interface ModelOutline {
  /** TensorProto.DataType of each graph input. */
  readonly inputTypes: ReadonlyMap<string, number>;
  readonly operators: ReadonlySet<string>;
  /** The model file and each external file, once. */
  readonly fileBytes: number;
  /** Bytes of initialisers by TensorProto.DataType, inside and outside the model file. */
  readonly weightBytes: ReadonlyMap<number, number>;
}

/** A field of a message: its number, and where its bytes are (length-delimited) or its value (varint). */
interface Field {
  readonly number: number;
  readonly start: number;
  readonly end: number;
  readonly value: number;
}

const WIRE_VARINT = 0;
const WIRE_64_BIT = 1;
const WIRE_LENGTH = 2;
const WIRE_32_BIT = 5;

/** Reads protocol buffer fields from a file through one window. */
class ProtoReader {
  readonly #handle: FileHandle;
  readonly #file: string;
  readonly #window = Buffer.alloc(WINDOW_BYTES);
  #windowStart = 0;
  #windowBytes = 0;
  #entries = 0;
  readonly size: number;

  constructor(handle: FileHandle, file: string, size: number) {
    this.#handle = handle;
    this.#file = file;
    this.size = size;
  }

  malformed(what: string): ModelFormatError {
    return new ModelFormatError('FILE_MALFORMED', `${this.#file}: ${what}. This is not a sound ONNX file.`, {
      details: { file: this.#file },
    });
  }

  /** The fields of the message in [start, end), each of which must lie inside it. */
  async *fields(start: number, end: number): AsyncGenerator<Field> {
    for (let at = start; at < end;) {
      this.#entries += 1;
      if (this.#entries > 16 * MAX_GRAPH_ENTRIES) throw this.malformed('it has too many entries');
      const key = await this.#varint(at, end);
      const wire = key.value % 8;
      const number = Math.floor(key.value / 8);
      let field: Field;
      if (wire === WIRE_VARINT) {
        const { value, next } = await this.#varint(key.next, end);
        field = { number, start: key.next, end: next, value };
      } else if (wire === WIRE_LENGTH) {
        const { value, next } = await this.#varint(key.next, end);
        field = { number, start: next, end: next + value, value: 0 };
      } else if (wire === WIRE_64_BIT || wire === WIRE_32_BIT) {
        field = { number, start: key.next, end: key.next + (wire === WIRE_64_BIT ? 8 : 4), value: 0 };
      } else {
        throw this.malformed(`a field of unknown wire type ${wire} at byte ${at}`);
      }
      if (field.end > end) {
        const isCut = field.end > this.size;
        throw isCut
          ? new ModelFormatError(
              'FILE_TRUNCATED',
              `${this.#file}: a field at byte ${at} needs ${field.end} bytes, the file has ${this.size}. ` +
                'Download or export it anew.',
              { details: { file: this.#file, neededBytes: field.end, size: this.size } },
            )
          : this.malformed(`a field at byte ${at} is longer than its message`);
      }
      yield field;
      at = field.end;
    }
  }

  async text({ start, end }: Field): Promise<string> {
    if (end - start > MAX_STRING_BYTES) throw this.malformed(`a name of ${end - start} bytes at byte ${start}`);
    await this.#fill(start, end - start);
    return this.#window.toString('utf8', start - this.#windowStart, end - this.#windowStart);
  }

  async #varint(at: number, end: number): Promise<{ value: number; next: number }> {
    await this.#fill(at, Math.min(10, end - at));
    let value = 0;
    for (let i = 0; i < 10 && at + i < end; i += 1) {
      const byte = this.#window[at + i - this.#windowStart] ?? 0;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return { value, next: at + i + 1 };
    }
    throw this.malformed(`a number without an end at byte ${at}`);
  }

  /** Makes the window hold [at, at + count). */
  async #fill(at: number, count: number): Promise<void> {
    if (at >= this.#windowStart && at + count <= this.#windowStart + this.#windowBytes) return;
    this.#windowStart = at;
    const { bytesRead } = await this.#handle.read(this.#window, 0, WINDOW_BYTES, at);
    this.#windowBytes = bytesRead;
    if (bytesRead < count) throw this.malformed(`it ends at byte ${at + bytesRead}`);
  }
}

interface Initialiser {
  readonly elementType: number;
  readonly bytes: number;
  /** Where its bytes are if not in the model file, and how long that file must be. */
  readonly external: { readonly location: string; readonly endBytes: number } | undefined;
}

/** Reads the outline of `modelFile`. Throws MODEL_FILE_MISSING, FILE_TRUNCATED, FILE_MALFORMED. */
export async function readModelOutline(modelFile: string): Promise<ModelOutline> {
  const handle = await openModel(modelFile);
  try {
    const { size } = await handle.stat();
    const reader = new ProtoReader(handle, modelFile, size);
    const inputTypes = new Map<string, number>();
    const operators = new Set<string>();
    const weightBytes = new Map<number, number>();
    /** For each external file, how many bytes it must have. */
    const external = new Map<string, number>();
    let hasGraph = false;
    for await (const field of reader.fields(0, size)) {
      if (field.number !== 7) continue; // ModelProto.graph
      hasGraph = true;
      for await (const entry of reader.fields(field.start, field.end)) {
        if (entry.number === 1) operators.add(await readOperator(reader, entry));
        else if (entry.number === 5) {
          const weight = await readInitialiser(reader, entry);
          weightBytes.set(weight.elementType, (weightBytes.get(weight.elementType) ?? 0) + weight.bytes);
          if (weight.external !== undefined) {
            const { location, endBytes } = weight.external;
            external.set(location, Math.max(external.get(location) ?? 0, endBytes));
          }
        } else if (entry.number === 11) {
          const { name, elementType } = await readValueInfo(reader, entry);
          inputTypes.set(name, elementType);
        }
      }
    }
    if (!hasGraph) throw reader.malformed('it has no graph');
    let fileBytes = size;
    for (const [location, neededBytes] of external) {
      fileBytes += await checkExternalFile(modelFile, location, neededBytes, reader);
    }
    return { inputTypes, operators, fileBytes, weightBytes };
  } finally {
    await handle.close();
  }
}

async function openModel(file: string): Promise<FileHandle> {
  try {
    return await open(file);
  } catch (cause) {
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `${file} cannot be opened (${(cause as NodeJS.ErrnoException).code ?? 'unknown'}). Export or download it anew.`,
      { cause, details: { file } },
    );
  }
}

async function readOperator(reader: ProtoReader, node: Field): Promise<string> {
  for await (const field of reader.fields(node.start, node.end)) {
    if (field.number === 4) return reader.text(field); // NodeProto.op_type
  }
  throw reader.malformed(`a node without an operator at byte ${node.start}`);
}

async function readValueInfo(reader: ProtoReader, info: Field): Promise<{ name: string; elementType: number }> {
  let name = '';
  let elementType = 0;
  for await (const field of reader.fields(info.start, info.end)) {
    if (field.number === 1) name = await reader.text(field);
    if (field.number !== 2) continue; // type: TypeProto
    for await (const type of reader.fields(field.start, field.end)) {
      if (type.number !== 1) continue; // tensor_type
      for await (const tensor of reader.fields(type.start, type.end)) {
        if (tensor.number === 1) elementType = tensor.value;
      }
    }
  }
  return { name, elementType };
}

async function readInitialiser(reader: ProtoReader, tensor: Field): Promise<Initialiser> {
  const entries = new Map<string, string>();
  let elementType = 0;
  for await (const field of reader.fields(tensor.start, tensor.end)) {
    if (field.number === 2) elementType = field.value; // TensorProto.data_type
    if (field.number !== 13) continue; // TensorProto.external_data: StringStringEntryProto
    let key = '';
    let value = '';
    for await (const part of reader.fields(field.start, field.end)) {
      if (part.number === 1) key = await reader.text(part);
      else if (part.number === 2) value = await reader.text(part);
    }
    entries.set(key, value);
  }
  const location = entries.get('location');
  if (location === undefined) return { elementType, bytes: tensor.end - tensor.start, external: undefined };
  const bytes = Number(entries.get('length') ?? 0);
  const endBytes = Number(entries.get('offset') ?? 0) + bytes;
  if (!Number.isSafeInteger(endBytes) || bytes < 0 || endBytes < bytes) {
    throw reader.malformed(`a tensor in ${location} ends at byte ${endBytes}`);
  }
  return { elementType, bytes, external: { location, endBytes } };
}

async function checkExternalFile(
  modelFile: string,
  location: string,
  neededBytes: number,
  reader: ProtoReader,
): Promise<number> {
  const folder = path.dirname(modelFile);
  const file = resolveInside(folder, location, (name) =>
    reader.malformed(`it keeps weights in '${name}', which is not inside ${folder}`),
  );
  let size: number;
  try {
    ({ size } = await stat(file));
  } catch (cause) {
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `${file} is missing: ${modelFile} keeps weights in it. Download or export the model anew.`,
      { cause, details: { file } },
    );
  }
  if (size < neededBytes) {
    throw new ModelFormatError(
      'FILE_TRUNCATED',
      `${file} has ${size} bytes; ${modelFile} says that its weights take ${neededBytes}. Download or export it anew.`,
      { details: { file, size, neededBytes } },
    );
  }
  return size;
}
