/**
 * The JSON header of a safetensors file -> tensor entries, checked character by character.
 * Not JSON.parse: a header may be 100 MB long, a name given twice must be noticed, integers must not be rounded, and
 * nothing of this may hold up the event loop. What offsets and dtypes mean is safetensors.ts's concern.
 */
import { isUtf8 } from 'node:buffer';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ModelFormatError } from '../errors.js';
import { malformed, overLimit, quoted } from './format-error.js';
import { MAX_TENSOR_DIMENSIONS, MAX_TENSOR_NAME_BYTES, MAX_TENSORS } from './stored-tensor.js';

/** What the header says about one tensor; nothing but its syntax has been checked. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** First byte and the byte after the last one, from the start of the data section. */
  readonly dataOffsets: readonly [number, number];
}

/** Bytes parsed between two turns of the event loop: one to three milliseconds. */
const BYTES_PER_TURN = 128 * 1024;
/** Most keys in `__metadata__`; training tools write some hundred. */
export const MAX_METADATA_KEYS = 65_536;
/** Longest run of white space. The format pads headers to a multiple of 8; some writers to a page, or leave room. */
export const MAX_SPACE_BYTES = 1024 * 1024;

/**
 * Parses `{"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"k": "v"}}`.
 * `__metadata__` must be a map of strings and is dropped. Throws FILE_MALFORMED, FILE_LIMIT_EXCEEDED or the signal's
 * reason.
 */
export async function parseSafetensorsHeader(
  file: string,
  bytes: Buffer,
  signal: AbortSignal | undefined,
): Promise<HeaderEntry[]> {
  if (!isUtf8(bytes)) throw malformed(file, 'the header is not valid UTF-8.');
  return new HeaderParser(file, bytes, signal).parse();
}

class HeaderParser {
  readonly #file: string;
  readonly #bytes: Buffer;
  readonly #signal: AbortSignal | undefined;
  #position = 0;
  #turnEnd = BYTES_PER_TURN;

  constructor(file: string, bytes: Buffer, signal: AbortSignal | undefined) {
    this.#file = file;
    this.#bytes = bytes;
    this.#signal = signal;
  }

  async parse(): Promise<HeaderEntry[]> {
    const entries: HeaderEntry[] = [];
    const names = new Set<string>();
    if (this.#bytes[0] !== 0x7b) throw this.#expected("'{' as the first byte");
    for (const name of this.#keys()) {
      if (names.has(name)) {
        throw malformed(this.#file, `the header names ${quoted(name)} twice.`, { tensor: name });
      }
      names.add(name);
      if (name === '__metadata__') await this.#skipMetadata();
      else entries.push(this.#entry(name));
      if (entries.length > MAX_TENSORS) {
        throw overLimit(this.#file, 'the number of tensors', entries.length, MAX_TENSORS);
      }
      await this.#breathe();
    }
    this.#skipSpace();
    if (this.#position < this.#bytes.length) throw this.#expected('the end of the header');
    return entries;
  }

  #entry(name: string): HeaderEntry {
    let dtype: string | undefined;
    let shape: number[] | undefined;
    let dataOffsets: readonly [number, number] | undefined;
    for (const key of this.#keys()) {
      if (key === 'dtype' && dtype === undefined) dtype = this.#string();
      else if (key === 'shape' && shape === undefined) shape = this.#integers();
      else if (key === 'data_offsets' && dataOffsets === undefined) {
        const [start, end, ...rest] = this.#integers();
        if (start === undefined || end === undefined || rest.length > 0) {
          throw malformed(this.#file, `data_offsets of ${quoted(name)} must be two integers.`, { tensor: name });
        }
        dataOffsets = [start, end];
      } else {
        throw malformed(this.#file, `tensor ${quoted(name)} has the unknown or repeated key ${quoted(key)}.`, {
          tensor: name,
        });
      }
    }
    if (dtype === undefined || shape === undefined || dataOffsets === undefined) {
      throw malformed(this.#file, `tensor ${quoted(name)} must have dtype, shape and data_offsets.`, { tensor: name });
    }
    return { name, dtype, shape, dataOffsets };
  }

  /** The keys of an object; the caller consumes each value before asking for the next key. */
  *#keys(): Generator<string> {
    this.#expect('{');
    if (this.#accept('}')) return;
    do {
      const key = this.#string();
      this.#expect(':');
      yield key;
    } while (this.#accept(','));
    this.#expect('}');
  }

  #integers(): number[] {
    const values: number[] = [];
    this.#expect('[');
    if (this.#accept(']')) return values;
    do {
      if (values.length === MAX_TENSOR_DIMENSIONS) {
        throw overLimit(this.#file, 'the number of integers in a list', values.length + 1, MAX_TENSOR_DIMENSIONS);
      }
      values.push(this.#integer());
    } while (this.#accept(','));
    this.#expect(']');
    return values;
  }

  /** A JSON integer from 0 to 2^53 - 1: no sign, fraction, exponent or leading zero. */
  #integer(): number {
    this.#skipSpace();
    const start = this.#position;
    // 2^53 has 16 digits: the first beyond them decides.
    while (this.#position - start <= 16 && isDigit(this.#bytes[this.#position])) this.#position++;
    const digits = this.#bytes.toString('latin1', start, this.#position);
    const value = Number(digits);
    if (digits === '' || (digits.length > 1 && digits.startsWith('0'))) throw this.#expected('an integer', start);
    if (!Number.isSafeInteger(value)) throw overLimit(this.#file, 'an integer', value, Number.MAX_SAFE_INTEGER);
    return value;
  }

  /** A JSON string that is a name: at most MAX_TENSOR_NAME_BYTES bytes between its quotes. */
  #string(): string {
    this.#expect('"');
    const start = this.#position;
    let escaped = false;
    for (;;) {
      const byte = this.#stringByte();
      if (byte === 0x22) break;
      if (byte === 0x5c) {
        escaped = true;
        this.#stringByte();
      }
      if (this.#position - start > MAX_TENSOR_NAME_BYTES) {
        throw overLimit(this.#file, 'the length of a name in bytes', this.#position - start, MAX_TENSOR_NAME_BYTES);
      }
    }
    if (!escaped) return this.#bytes.toString('utf8', start, this.#position - 1);
    try {
      return JSON.parse(this.#bytes.toString('utf8', start - 1, this.#position)) as string;
    } catch (error) {
      throw malformed(this.#file, `the string at header byte ${start - 1} has a bad escape.`, {}, error);
    }
  }

  async #skipMetadata(): Promise<void> {
    const keys = this.#keys();
    for (let count = 1; keys.next().done !== true; count++) {
      if (count > MAX_METADATA_KEYS) {
        throw overLimit(this.#file, 'the number of __metadata__ keys', count, MAX_METADATA_KEYS);
      }
      this.#expect('"');
      for (let byte = this.#stringByte(); byte !== 0x22; byte = this.#stringByte()) {
        if (byte === 0x5c) this.#stringByte();
        if (this.#position >= this.#turnEnd) await this.#breathe();
      }
      await this.#breathe();
    }
  }

  #stringByte(): number {
    const byte = this.#bytes[this.#position];
    if (byte === undefined || byte < 0x20) throw this.#expected('the rest of a string');
    this.#position++;
    return byte;
  }

  #expect(character: string): void {
    if (!this.#accept(character)) throw this.#expected(`'${character}'`);
  }

  #accept(character: string): boolean {
    this.#skipSpace();
    if (this.#bytes[this.#position] !== character.charCodeAt(0)) return false;
    this.#position++;
    return true;
  }

  #skipSpace(): void {
    const start = this.#position;
    for (;;) {
      const byte = this.#bytes[this.#position];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#position++;
      if (this.#position - start > MAX_SPACE_BYTES) {
        throw overLimit(this.#file, 'the length of white space in bytes', this.#position - start, MAX_SPACE_BYTES);
      }
    }
  }

  #expected(what: string, position = this.#position): ModelFormatError {
    const found =
      position < this.#bytes.length ? quoted(this.#bytes.toString('latin1', position, position + 1)) : 'its end';
    return malformed(this.#file, `header byte ${position}: expected ${what}, found ${found}.`, { position });
  }

  async #breathe(): Promise<void> {
    if (this.#position < this.#turnEnd) return;
    this.#signal?.throwIfAborted();
    this.#turnEnd = this.#position + BYTES_PER_TURN;
    await nextTurn();
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
