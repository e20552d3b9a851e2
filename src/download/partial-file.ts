/**
 * A file on its way: its bytes so far in one file, what they are part of in another beside it (`.json`). It gets its name
 * when it is complete. It does not know where the bytes come from.
 */
import type { Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile, rm, statfs, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { ResourceError } from '../errors.js';
import { hasErrorCode, renamePatiently, replaceFile } from '../file-system.js';
import { startHash, type Checksum } from './checksum.js';
import { WriteBehind } from './write-behind.js';

/** What the bytes are part of. */
export interface PartialSource {
  /** SHA-256 of the URL: a signed one holds a secret. */
  readonly urlSha256: string;
  /** A strong ETag or a Last-Modified date; null: the server has none, or none was asked yet. */
  readonly validator: string | null;
  /** As checksumText writes it; null: not known. */
  readonly checksum: string | null;
  /** null: not known. */
  readonly totalBytes: number | null;
}

export interface PartialFileOptions {
  /** What the file is called when it is complete. */
  readonly file: string;
  /** What it is called until then; in a folder that exists, on the same disk. */
  readonly partialFile: string;
  /** What is computed of the bytes; null: nothing. */
  readonly checksum: Checksum | null;
  readonly signal: AbortSignal | undefined;
}

const READ_BYTES = 2 ** 20;

export class PartialFile {
  readonly #options: PartialFileOptions;
  readonly #handle: FileHandle;
  #writer: WriteBehind;
  #source: PartialSource | null;
  #length: number;
  #hash: Hash | null;
  #isInherited: boolean;

  private constructor(
    options: PartialFileOptions,
    handle: FileHandle,
    source: PartialSource | null,
    length: number,
    hash: Hash | null,
  ) {
    this.#options = options;
    this.#handle = handle;
    this.#writer = new WriteBehind(handle, length);
    this.#source = source;
    this.#length = length;
    this.#hash = hash;
    this.#isInherited = length > 0;
  }

  /** Continues what an earlier call left, however that ended; reads it once for its checksum. */
  static async open(options: PartialFileOptions): Promise<PartialFile> {
    const { partialFile, checksum, signal } = options;
    const source = await readSource(`${partialFile}.json`);
    const handle = await openPartial(partialFile);
    try {
      const hash = checksum === null ? null : startHash(checksum);
      let length = 0;
      if (source === null) await handle.truncate(0);
      else if (hash === null) length = (await handle.stat()).size;
      else {
        const buffer = Buffer.allocUnsafe(READ_BYTES);
        for (;;) {
          signal?.throwIfAborted();
          const { bytesRead } = await handle.read(buffer, 0, buffer.length, length);
          if (bytesRead === 0) break;
          hash.update(buffer.subarray(0, bytesRead));
          length += bytesRead;
        }
      }
      return new PartialFile(options, handle, source, length, hash);
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

  /** The checksum of the bytes so far, in hex; null: none is computed. */
  digest(): string | null {
    return this.#hash?.copy().digest('hex') ?? null;
  }

  /** Forgets all bytes. */
  async restart(source: PartialSource): Promise<void> {
    await this.#storing(() => this.#writer.flush());
    await this.#handle.truncate(0); // first: the new description must never stand beside the old bytes
    this.#writer = new WriteBehind(this.#handle, 0);
    this.#length = 0;
    this.#hash = this.#options.checksum === null ? null : startHash(this.#options.checksum);
    this.#isInherited = false;
    this.#source = source;
    await replaceFile(`${this.#options.partialFile}.json`, JSON.stringify(source));
  }

  /** The bytes are the file's own from here on. Throws DISK_INSUFFICIENT, maybe for earlier ones; what fitted stays. */
  async append(bytes: Buffer): Promise<void> {
    const stored = this.#storing(() => this.#writer.append(bytes));
    this.#hash?.update(bytes); // while the system writes
    this.#length += bytes.length;
    await stored;
  }

  /** All bytes are the system's now: they outlive this process. */
  async flush(): Promise<void> {
    await this.#storing(() => this.#writer.flush());
  }

  async #storing(write: () => Promise<void>): Promise<void> {
    const { file } = this.#options;
    try {
      await write();
    } catch (error) {
      if (!hasErrorCode(error, 'ENOSPC', 'EDQUOT')) throw error;
      throw new ResourceError('DISK_INSUFFICIENT', `The disk filled up while downloading ${file}. ${ROOM_ADVICE}`, {
        cause: error,
        details: { file },
      });
    }
  }

  /** Throws DISK_INSUFFICIENT where the rest would not fit. */
  async checkRoom(totalBytes: number): Promise<void> {
    const { file, partialFile } = this.#options;
    await requireRoom(path.dirname(partialFile), totalBytes - this.#length, path.basename(file));
  }

  /** Gives the file its name, on the disk for good. */
  async commit(): Promise<void> {
    const { file, partialFile } = this.#options;
    await this.flush();
    await this.#handle.sync();
    await this.#handle.close();
    await renamePatiently(partialFile, file);
    await rm(`${partialFile}.json`, { force: true });
  }

  /** Keeps what there is for the next call. Harmless after commit, and twice. */
  async close(): Promise<void> {
    await this.#writer.settle();
    await this.#handle.close();
  }

  /** Keeps nothing. */
  async discard(): Promise<void> {
    const { partialFile } = this.#options;
    await this.close();
    await rm(`${partialFile}.json`, { force: true });
    await rm(partialFile, { force: true });
  }
}

const ROOM_ADVICE = 'Free some space and try again: the download goes on where it stopped.';

/** Throws DISK_INSUFFICIENT unless the folder's disk has room for so many bytes of `what`. */
export async function requireRoom(folder: string, neededBytes: number, what: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const availableBytes = bavail * bsize;
  if (neededBytes <= availableBytes) return;
  throw new ResourceError(
    'DISK_INSUFFICIENT',
    `Downloading ${what} needs ${neededBytes} bytes in ${folder}, but only ${availableBytes} are free. ${ROOM_ADVICE}`,
    { details: { folder, neededBytes, availableBytes } },
  );
}

/** Where O_NOFOLLOW exists: a link of that name, wherever it leads, is replaced instead of written through. */
async function openPartial(partialFile: string): Promise<FileHandle> {
  // Without 'a': the position is ours to choose. Without 'w': what is there stays.
  try {
    return await open(partialFile, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT', 'ELOOP')) throw error;
    await rm(partialFile, { force: true });
    return open(partialFile, 'wx+');
  }
}

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
  const { urlSha256, validator, checksum, totalBytes } = value as Partial<Record<keyof PartialSource, unknown>>;
  return (
    typeof urlSha256 === 'string' &&
    (validator === null || typeof validator === 'string') &&
    (checksum === null || typeof checksum === 'string') &&
    (totalBytes === null || typeof totalBytes === 'number')
  );
}
