/**
 * A file on its way: its bytes so far in `<file>.partial`, what they are part of in `<file>.partial.json`. It gets its
 * name when it is complete. It does not know where the bytes come from.
 */
import { createHash, type Hash } from 'node:crypto';
import { open, readFile, rm, statfs, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { ResourceError } from '../errors.js';
import { hasErrorCode, renamePatiently } from '../file-system.js';

/** What the bytes are part of. */
export interface PartialSource {
  /** SHA-256 of the URL: a signed one holds a secret. */
  readonly urlSha256: string;
  /** A strong ETag or a Last-Modified date; null: the server has none, or none was asked yet. */
  readonly validator: string | null;
  /** Hex; null: not known. */
  readonly sha256: string | null;
  /** null: not known. */
  readonly totalBytes: number | null;
}

export class PartialFile {
  readonly #file: string;
  readonly #handle: FileHandle;
  #source: PartialSource | null;
  #length: number;
  #hash: Hash;
  #isInherited: boolean;

  private constructor(file: string, handle: FileHandle, source: PartialSource | null, length: number, hash: Hash) {
    this.#file = file;
    this.#handle = handle;
    this.#source = source;
    this.#length = length;
    this.#hash = hash;
    this.#isInherited = length > 0;
  }

  /** Continues what an earlier call left, however that ended; reads it once for its checksum. The folder must exist. */
  static async open(file: string, signal: AbortSignal | undefined): Promise<PartialFile> {
    const source = await readSource(`${file}.partial.json`);
    // Without 'a': the position is ours to choose. Without 'w': what is there stays.
    const handle = await open(`${file}.partial`, 'r+').catch((error: unknown) => {
      if (hasErrorCode(error, 'ENOENT')) return open(`${file}.partial`, 'wx+');
      throw error;
    });
    try {
      const hash = createHash('sha256');
      let length = 0;
      if (source === null) await handle.truncate(0);
      else {
        const buffer = Buffer.allocUnsafe(2 ** 20);
        for (;;) {
          signal?.throwIfAborted();
          const { bytesRead } = await handle.read(buffer, 0, buffer.length, length);
          if (bytesRead === 0) break;
          hash.update(buffer.subarray(0, bytesRead));
          length += bytesRead;
        }
      }
      return new PartialFile(file, handle, source, length, hash);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Whether bytes of an earlier call are in it. */
  get isInherited(): boolean {
    return this.#isInherited;
  }

  /** null: nothing was begun. */
  get source(): PartialSource | null {
    return this.#source;
  }

  /** SHA-256 of the bytes so far, in hex. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Forgets all bytes. */
  async restart(source: PartialSource): Promise<void> {
    await this.#handle.truncate(0); // first: the new description must never stand beside the old bytes
    this.#length = 0;
    this.#hash = createHash('sha256');
    this.#isInherited = false;
    this.#source = source;
    await writeFile(`${this.#file}.partial.json.new`, JSON.stringify(source));
    await renamePatiently(`${this.#file}.partial.json.new`, `${this.#file}.partial.json`);
  }

  /** Throws DISK_INSUFFICIENT; what was written before stays. */
  async append(bytes: Buffer): Promise<void> {
    try {
      for (let written = 0; written < bytes.length;) {
        const { bytesWritten } = await this.#handle.write(
          bytes,
          written,
          bytes.length - written,
          this.#length + written,
        );
        written += bytesWritten;
      }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && ['ENOSPC', 'EDQUOT'].includes(String(error.code))))
        throw error;
      throw new ResourceError(
        'DISK_INSUFFICIENT',
        `The disk filled up while downloading ${this.#file}. ${ROOM_ADVICE}`,
        {
          cause: error,
          details: { file: this.#file },
        },
      );
    }
    this.#hash.update(bytes);
    this.#length += bytes.length;
  }

  /** Throws DISK_INSUFFICIENT where the rest would not fit. */
  async checkRoom(totalBytes: number): Promise<void> {
    const folder = path.dirname(this.#file);
    const { bavail, bsize } = await statfs(folder);
    const neededBytes = totalBytes - this.#length;
    const availableBytes = bavail * bsize;
    if (neededBytes <= availableBytes) return;
    throw new ResourceError(
      'DISK_INSUFFICIENT',
      `Downloading ${path.basename(this.#file)} needs ${neededBytes} bytes in ${folder}, but only ${availableBytes} are ` +
        `free. ${ROOM_ADVICE}`,
      { details: { folder, neededBytes, availableBytes } },
    );
  }

  /** Gives the file its name, on the disk for good. */
  async commit(): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    await renamePatiently(`${this.#file}.partial`, this.#file);
    await rm(`${this.#file}.partial.json`, { force: true });
  }

  /** Keeps what there is for the next call. Harmless after commit, and twice. */
  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** Keeps nothing. */
  async discard(): Promise<void> {
    await this.#handle.close();
    await rm(`${this.#file}.partial.json`, { force: true });
    await rm(`${this.#file}.partial`, { force: true });
  }
}

const ROOM_ADVICE = 'Free some space and try again: the download goes on where it stopped.';

async function readSource(file: string): Promise<PartialSource | null> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    return isSource(value) ? value : null;
  } catch {
    return null; // missing or damaged: the download begins anew
  }
}

function isSource(value: unknown): value is PartialSource {
  if (typeof value !== 'object' || value === null) return false;
  const { urlSha256, validator, sha256, totalBytes } = value as Partial<Record<keyof PartialSource, unknown>>;
  return (
    typeof urlSha256 === 'string' &&
    (validator === null || typeof validator === 'string') &&
    (sha256 === null || typeof sha256 === 'string') &&
    (totalBytes === null || typeof totalBytes === 'number')
  );
}
