/**
 * Small constants of an IR, read from its .bin: shapes, places, lengths. It does not know what they are for.
 */
import type { FileHandle } from 'node:fs/promises';
import { openRegularFile } from '../../file-system.js';
import { MAX_READ_VALUES } from '../graph-size/graph.js';
import type { IrLayer } from './ir-xml.js';

const ELEMENT_BYTES: Readonly<Record<string, 1 | 4 | 8>> = { boolean: 1, i32: 4, i64: 8 };
/** Dimensions of a decoder's tensors are five at most, with groups of heads; parts that one is split into may be more. */
const MAX_NUMBERS = MAX_READ_VALUES;

/** Reads constants of a few whole numbers, each place once: they are shared by many layers. Disposal closes the file. */
export class ConstantNumbers implements AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #known = new Map<string, readonly bigint[]>();

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  static async open(binFile: string): Promise<ConstantNumbers> {
    return new ConstantNumbers(await openRegularFile(binFile));
  }

  /** Undefined for anything but a constant of at most MAX_NUMBERS numbers. */
  async read(layer: IrLayer | undefined): Promise<readonly bigint[] | undefined> {
    if (layer?.type !== 'Const') return undefined;
    const { element_type: type = '', offset = '', size = '' } = layer.data;
    const elementBytes = ELEMENT_BYTES[type];
    const bytes = Number(size);
    if (elementBytes === undefined || bytes % elementBytes !== 0 || bytes > MAX_NUMBERS * elementBytes)
      return undefined;
    const key = `${type}@${offset}+${size}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const buffer = Buffer.alloc(bytes);
    await this.#handle.read(buffer, 0, bytes, Number(offset));
    const read = Array.from({ length: bytes / elementBytes }, (_, index) =>
      elementBytes === 8
        ? buffer.readBigInt64LE(index * 8)
        : BigInt(elementBytes === 4 ? buffer.readInt32LE(index * 4) : Math.min(1, buffer[index] ?? 0)),
    );
    this.#known.set(key, read);
    return read;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#handle.close();
  }
}
