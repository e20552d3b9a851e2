/**
 * Little-endian values read one after another from the head of a GGUF file through a small buffer.
 * Refilling awaits the disk, so that a header of any size never holds up the event loop. It does not know GGUF's
 * structure; every read is checked against the end of the file and a limit for the whole header.
 */
import { isUtf8 } from 'node:buffer';
import { malformed, overLimit, truncated } from './format-error.js';
import { type ModelFile } from './model-file.js';

/** Bytes read at once, and parsed between two turns of the event loop: a few milliseconds of short strings. */
const CHUNK_BYTES = 128 * 1024;

export class GgufCursor {
  readonly #file: ModelFile;
  readonly #limitBytes: number;
  readonly #signal: AbortSignal | undefined;
  #buffer = Buffer.alloc(0);
  /** File offset of the buffer's first byte. */
  #bufferStart = 0;
  /** Next byte, within the buffer. */
  #next = 0;

  constructor(file: ModelFile, limitBytes: number, signal: AbortSignal | undefined) {
    this.#file = file;
    this.#limitBytes = limitBytes;
    this.#signal = signal;
  }

  /** File offset of the next byte. */
  get position(): number {
    return this.#bufferStart + this.#next;
  }

  /** Bytes that can be read without awaiting. */
  get available(): number {
    return this.#buffer.length - this.#next;
  }

  /** Throws FILE_TRUNCATED or FILE_LIMIT_EXCEEDED unless `bytes` more bytes may follow. `what` is for the message. */
  expect(bytes: number, what: string): void {
    const end = this.position + bytes;
    if (end > this.#file.sizeBytes) throw truncated(this.#file.path, what, end, this.#file.sizeBytes);
    if (end > this.#limitBytes) throw overLimit(this.#file.path, 'the GGUF header in bytes', end, this.#limitBytes);
  }

  /** Makes at least `bytes` bytes available. */
  async prefetch(bytes: number, what: string): Promise<void> {
    if (this.available >= bytes) return;
    this.expect(bytes, what);
    this.#signal?.throwIfAborted();
    const start = this.position;
    const kept = this.#buffer.subarray(this.#next);
    const buffer = Buffer.allocUnsafe(Math.min(Math.max(bytes, CHUNK_BYTES), this.#file.sizeBytes - start));
    kept.copy(buffer);
    await this.#file.read(buffer.subarray(kept.length), start + kept.length, what);
    this.#buffer = buffer;
    this.#bufferStart = start;
    this.#next = 0;
  }

  /** Moves over `bytes` bytes without reading them. */
  skip(bytes: number, what: string): void {
    this.expect(bytes, what);
    if (bytes <= this.available) {
      this.#next += bytes;
      return;
    }
    this.#bufferStart = this.position + bytes;
    this.#buffer = Buffer.alloc(0);
    this.#next = 0;
  }

  // The readers below need their bytes available: prefetch() first.

  u32(): number {
    return this.#buffer.readUInt32LE(this.#advance(4));
  }

  u64(): bigint {
    return this.#buffer.readBigUInt64LE(this.#advance(8));
  }

  /** A u64 that counts something; FILE_LIMIT_EXCEEDED above `limit`. */
  count(limit: number, what: string): number {
    const at = this.#advance(8);
    // Rounded above 2^53, where it exceeds any limit anyway.
    const value = this.#buffer.readUInt32LE(at + 4) * 0x1_0000_0000 + this.#buffer.readUInt32LE(at);
    if (value > limit) throw overLimit(this.#file.path, what, value, limit);
    return value;
  }

  /** `bytes` bytes as UTF-8; FILE_MALFORMED if they are not. */
  text(bytes: number, what: string): string {
    const start = this.#advance(bytes);
    const text = this.#buffer.toString('utf8', start, start + bytes);
    if (text.includes('\ufffd') && !isUtf8(this.#buffer.subarray(start, start + bytes))) {
      throw malformed(this.#file.path, `${what} at byte ${this.#bufferStart + start} is not valid UTF-8.`);
    }
    return text;
  }

  /** A copy of the next `bytes` bytes in an ArrayBuffer of their own. */
  copy(bytes: number): ArrayBuffer {
    const start = this.#advance(bytes);
    return new Uint8Array(this.#buffer.subarray(start, start + bytes)).buffer;
  }

  #advance(bytes: number): number {
    const start = this.#next;
    if (start + bytes > this.#buffer.length) throw new RangeError('GgufCursor: read without prefetch');
    this.#next += bytes;
    return start;
  }
}
