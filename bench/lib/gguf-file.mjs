/**
 * Writes GGUF files, version 3 (ggml's docs/gguf.md), tensor by tensor: no more than a piece of one is in memory. It
 * knows the container, not what models put into it.
 */
import { Buffer } from 'node:buffer';
import { open, rename, rm } from 'node:fs/promises';

const MAGIC = 0x46554747; // 'GGUF', little-endian
const VERSION = 3;
const ALIGNMENT = 32;

const VALUE_TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 };

/** enum ggml_type of ggml.h, and how many bytes hold how many elements. */
const TENSOR_TYPES = {
  F32: { id: 0, blockElements: 1, blockBytes: 4 },
  Q4_0: { id: 2, blockElements: 32, blockBytes: 18 },
};

function number(bytes, write) {
  const buffer = Buffer.alloc(bytes);
  write(buffer);
  return buffer;
}
const u32 = (value) => number(4, (buffer) => buffer.writeUInt32LE(value));
const u64 = (value) => number(8, (buffer) => buffer.writeBigUInt64LE(BigInt(value)));
function string(value) {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([u64(bytes.length), bytes]);
}

const SCALARS = {
  u32,
  i32: (value) => number(4, (buffer) => buffer.writeInt32LE(value)),
  f32: (value) => number(4, (buffer) => buffer.writeFloatLE(value)),
  bool: (value) => Buffer.from([value ? 1 : 0]),
  string,
};

/** { u32: 5 }, { string: 'x' }, or a list of one type: { string: ['x', 'y'] }. */
function encodeValue(typed) {
  const [[type, value]] = Object.entries(typed);
  const encode = SCALARS[type];
  if (encode === undefined) throw new TypeError(`There is no GGUF type '${type}'.`);
  if (!Array.isArray(value)) return Buffer.concat([u32(VALUE_TYPE[type]), encode(value)]);
  return Buffer.concat([u32(VALUE_TYPE.array), u32(VALUE_TYPE[type]), u64(value.length), ...value.map(encode)]);
}

function tensorBytes({ name, type, shape }) {
  const { blockElements, blockBytes } = TENSOR_TYPES[type];
  if (shape.at(-1) % blockElements !== 0) throw new RangeError(`${name}: rows of ${shape.at(-1)} are no whole blocks.`);
  return (shape.reduce((product, size) => product * size, 1) / blockElements) * blockBytes;
}

const padding = (offset) => Buffer.alloc((ALIGNMENT - (offset % ALIGNMENT)) % ALIGNMENT);

async function writeAll(handle, bytes) {
  for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done)).bytesWritten;
}

async function writeTensor(handle, tensor) {
  let written = 0;
  for await (const piece of tensor.pieces()) {
    await writeAll(handle, piece);
    written += piece.length;
  }
  const expected = tensorBytes(tensor);
  if (written !== expected) throw new RangeError(`${tensor.name}: ${written} bytes came, ${expected} were announced.`);
  await writeAll(handle, padding(written));
}

/**
 * Writes under a temporary name first: `file` is complete or not there.
 * @param {string} file
 * @param {{ metadata: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
 *   tensors: readonly { name: string, type: 'F32' | 'Q4_0', shape: readonly number[],
 *     pieces: () => AsyncIterable<Uint8Array> }[] }} content `shape` as rows and columns; `pieces` the bytes in order
 * @returns {Promise<number>} bytes of the tensors
 */
export async function writeGguf(file, { metadata, tensors }) {
  const entries = Object.entries(metadata).map(([key, typed]) => Buffer.concat([string(key), encodeValue(typed)]));
  let dataBytes = 0;
  const directory = tensors.map((tensor) => {
    const offset = dataBytes;
    dataBytes += Math.ceil(tensorBytes(tensor) / ALIGNMENT) * ALIGNMENT;
    // GGUF counts dimensions from the innermost one.
    const sizes = tensor.shape.toReversed().map(u64);
    return Buffer.concat([
      string(tensor.name),
      u32(sizes.length),
      ...sizes,
      u32(TENSOR_TYPES[tensor.type].id),
      u64(offset),
    ]);
  });
  const head = Buffer.concat([
    u32(MAGIC),
    u32(VERSION),
    u64(tensors.length),
    u64(entries.length),
    ...entries,
    ...directory,
  ]);
  const partial = `${file}.partial`;
  const handle = await open(partial, 'w');
  try {
    await writeAll(handle, Buffer.concat([head, padding(head.length)]));
    for (const tensor of tensors) await writeTensor(handle, tensor);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  await rename(partial, file);
  return dataBytes;
}
