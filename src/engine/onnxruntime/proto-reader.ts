/**
 * Protocol buffer fields of an ONNX file, read through one window: memory stays the same whatever the file's size. It
 * knows the wire format, not what the messages mean.
 */
import { type FileHandle } from 'node:fs/promises';
import { ModelFormatError } from '../../errors.js';
import { unreadable } from '../../file-system.js';

/** Names, operator types and paths are read whole; longer ones are not sound. */
const MAX_STRING_BYTES = 4096;
/** All of them together, which are kept: Phi-3-medium's decoder has under 2 MiB. */
export const MAX_TEXT_BYTES = 32 * 2 ** 20;
const WINDOW_BYTES = 256 * 1024;
/**
 * Fields looked at in one file. Phi-3-medium's decoder, 40 layers, has about 60,000; this many take about a second.
 */
export const MAX_FIELDS = 2 ** 20;

/** A field of a message: its number, and where its bytes are (length-delimited) or its value (varint). */
export interface Field {
  readonly number: number;
  readonly start: number;
  readonly end: number;
  readonly value: number;
  readonly isVarint: boolean;
}

const WIRE_VARINT = 0;
const WIRE_64_BIT = 1;
const WIRE_LENGTH = 2;
const WIRE_32_BIT = 5;

/** Reads protocol buffer fields from a file through one window. */
export class ProtoReader {
  readonly #handle: FileHandle;
  /** For messages. */
  readonly file: string;
  readonly #window = Buffer.alloc(WINDOW_BYTES);
  #windowStart = 0;
  #windowBytes = 0;
  #fields = 0;
  #textBytes = 0;
  readonly size: number;

  constructor(handle: FileHandle, file: string, size: number) {
    this.#handle = handle;
    this.file = file;
    this.size = size;
  }

  malformed(what: string): ModelFormatError {
    return new ModelFormatError('FILE_MALFORMED', `${this.file}: ${what}. This is not a sound ONNX file.`, {
      details: { file: this.file },
    });
  }

  /** FILE_LIMIT_EXCEEDED. */
  tooMany(what: string, limit: number): ModelFormatError {
    return new ModelFormatError(
      'FILE_LIMIT_EXCEEDED',
      `${this.file} has more than ${limit} ${what}. No decoder needs that many: it is damaged or hostile.`,
      { details: { file: this.file, limit } },
    );
  }

  /** The fields of the message in [start, end), each of which must lie inside it. */
  async *fields(start: number, end: number): AsyncGenerator<Field> {
    for (let at = start; at < end;) {
      this.#fields += 1;
      if (this.#fields > MAX_FIELDS) throw this.tooMany('fields', MAX_FIELDS);
      if (!this.#holds(at, Math.min(20, end - at))) await this.#fill(at, Math.min(20, end - at));
      const key = this.#varint(at, end);
      const wire = key.value % 8;
      const number = Math.floor(key.value / 8);
      let field: Field;
      if (wire === WIRE_VARINT) {
        const { value, next } = this.#varint(key.next, end);
        field = { number, start: key.next, end: next, value, isVarint: true };
      } else if (wire === WIRE_LENGTH) {
        const { value, next } = this.#varint(key.next, end);
        field = { number, start: next, end: next + value, value: 0, isVarint: false };
      } else if (wire === WIRE_64_BIT || wire === WIRE_32_BIT) {
        field = { number, start: key.next, end: key.next + (wire === WIRE_64_BIT ? 8 : 4), value: 0, isVarint: false };
      } else {
        throw this.malformed(`a field of unknown wire type ${wire} at byte ${at}`);
      }
      if (field.end > end) {
        const isCut = field.end > this.size;
        throw isCut
          ? new ModelFormatError(
              'FILE_TRUNCATED',
              `${this.file}: a field at byte ${at} needs ${field.end} bytes, the file has ${this.size}. ` +
                'Download or export it anew.',
              { details: { file: this.file, neededBytes: field.end, size: this.size } },
            )
          : this.malformed(`a field at byte ${at} is longer than its message`);
      }
      yield field;
      at = field.end;
    }
  }

  async text({ start, end }: Field): Promise<string> {
    if (end - start > MAX_STRING_BYTES) throw this.malformed(`a name of ${end - start} bytes at byte ${start}`);
    this.#textBytes += end - start;
    if (this.#textBytes > MAX_TEXT_BYTES) throw this.tooMany('bytes of names', MAX_TEXT_BYTES);
    await this.#fill(start, end - start);
    return this.#window.toString('utf8', start - this.#windowStart, end - this.#windowStart);
  }

  /** A copy. */
  async bytes({ start, end }: Field): Promise<Buffer> {
    if (end - start > MAX_STRING_BYTES) throw this.malformed(`${end - start} bytes at byte ${start}`);
    await this.#fill(start, end - start);
    return Buffer.from(this.#window.subarray(start - this.#windowStart, end - this.#windowStart));
  }

  /** The numbers of a repeated field of varints: one of them, or all, packed. A negative one is beyond 2^63. */
  async integers(field: Field, maxCount: number): Promise<number[]> {
    if (field.isVarint) return [field.value];
    const { start, end } = field;
    if (end - start > 10 * maxCount) throw this.malformed(`more than ${maxCount} numbers at byte ${start}`);
    await this.#fill(start, end - start);
    const values: number[] = [];
    for (let at = start; at < end;) {
      const { value, next } = this.#varint(at, end);
      values.push(value);
      at = next;
    }
    return values;
  }

  /** As integers(), for numbers that may be negative, as attributes and constants are. Beyond 2^53 they are rounded. */
  async signedIntegers(field: Field, maxCount: number): Promise<number[]> {
    if (field.end - field.start > 10 * maxCount) {
      throw this.malformed(`more than ${maxCount} numbers at byte ${field.start}`);
    }
    const values: number[] = [];
    let value = 0n;
    let shift = 0n;
    for (const byte of await this.bytes(field)) {
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte >= 0x80) continue;
      values.push(Number(BigInt.asIntN(64, value)));
      value = shift = 0n;
    }
    return values;
  }

  /** Two of them are in the window when a field is begun. Beyond 2^53 the value is rounded. */
  #varint(at: number, end: number): { value: number; next: number } {
    let value = 0;
    for (let i = 0; i < 10 && at + i < end; i += 1) {
      const byte = this.#window[at + i - this.#windowStart] ?? 0;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return { value, next: at + i + 1 };
    }
    throw this.malformed(`a number without an end at byte ${at}`);
  }

  #holds(at: number, count: number): boolean {
    return at >= this.#windowStart && at + count <= this.#windowStart + this.#windowBytes;
  }

  /** Makes the window hold [at, at + count). */
  async #fill(at: number, count: number): Promise<void> {
    if (this.#holds(at, count)) return;
    this.#windowStart = at;
    const { bytesRead } = await this.#handle.read(this.#window, 0, WINDOW_BYTES, at).catch((error: unknown) => {
      throw unreadable(this.file, error, 'Export or download it anew.');
    });
    this.#windowBytes = bytesRead;
    if (bytesRead < count) throw this.malformed(`it ends at byte ${at + bytesRead}`);
  }
}
