/**
 * Builds small safetensors and GGUF files in memory, well-formed or with one thing wrong, for the tests of this folder.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A temporary folder that is removed with everything in it. */
export class TemporaryFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<TemporaryFolder> {
    return new TemporaryFolder(await mkdtemp(join(tmpdir(), 'aipc-weights-')));
  }

  /** Writes a file (objects as JSON) and returns its path. */
  async write(name: string, content: Uint8Array | object): Promise<string> {
    const path = join(this.path, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content instanceof Uint8Array ? content : JSON.stringify(content));
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** A safetensors file of this header text and data. */
export function safetensorsOf(header: string, data: Uint8Array = new Uint8Array()): Buffer {
  const text = Buffer.from(header);
  return Buffer.concat([u64(text.length), text, data]);
}

export interface TestTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A well-formed safetensors file of F32 tensors. */
export function f32Safetensors(tensors: Readonly<Record<string, TestTensor>>): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + values.byteLength] };
    parts.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    offset += values.byteLength;
  }
  return safetensorsOf(JSON.stringify(header), Buffer.concat(parts));
}

export const GGUF_TYPES = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

/** A metadata entry: key, value type, encoded value. */
export type GgufEntry = readonly [key: string, type: number, value: Uint8Array];

export interface GgufTestTensor {
  readonly name: string;
  /** Innermost first, as the file stores it. */
  readonly dimensions: readonly (number | bigint)[];
  readonly type: number;
  readonly offset: number | bigint;
}

export interface GgufTestFile {
  readonly version?: number;
  readonly metadata?: readonly GgufEntry[];
  readonly tensors?: readonly GgufTestTensor[];
  readonly tensorCount?: bigint;
  readonly metadataCount?: bigint;
  readonly alignment?: number;
  readonly data?: Uint8Array;
}

export function ggufOf(file: GgufTestFile): Buffer {
  const { version = 3, metadata = [], tensors = [], alignment = 32, data = new Uint8Array() } = file;
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(version),
    u64(file.tensorCount ?? tensors.length),
    u64(file.metadataCount ?? metadata.length),
    ...metadata.flatMap(([key, type, value]) => [text(key), u32(type), value]),
    ...tensors.flatMap(({ name, dimensions, type, offset }) => [
      text(name),
      u32(dimensions.length),
      ...dimensions.map(u64),
      u32(type),
      u64(offset),
    ]),
  ]);
  if (data.length === 0) return head;
  const padding = Buffer.alloc((alignment - (head.length % alignment)) % alignment);
  return Buffer.concat([head, padding, data]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

export function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

/** A GGUF string: length and UTF-8. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

/** A GGUF array value: element type, count, elements. */
export function array(type: number, elements: readonly Uint8Array[]): Buffer {
  return Buffer.concat([u32(type), u64(elements.length), ...elements]);
}

/** The path of a reference file in test/golden/weights, seen from the compiled package. */
export function goldenPath(name: string): string {
  return join(import.meta.dirname, '../../../../test/golden/weights', name);
}
