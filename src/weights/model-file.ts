/**
 * A model file on disk: positional reads through one handle, and small JSON files read whole under a limit.
 * It does not know what the bytes mean.
 */
import { type FileHandle } from 'node:fs/promises';
import { openRegularFile, refuseStrayLink, unreadable } from '../file-system.js';
import { malformed, overLimit, truncated } from './format-error.js';

/** Identifies a file's content well enough to notice that it was replaced. Structured-cloneable. */
export interface FileIdentity {
  /** Absolute path. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch. */
  readonly modifiedMs: number;
}

/** An open regular file. Owned by whoever opened it; disposing twice is harmless. */
export class ModelFile implements AsyncDisposable {
  readonly identity: FileIdentity;
  readonly #handle: FileHandle;
  #closed: Promise<void> | undefined;

  private constructor(handle: FileHandle, identity: FileIdentity) {
    this.#handle = handle;
    this.identity = identity;
  }

  /** Throws MODEL_FILE_MISSING if `path` is not a readable regular file. */
  static async open(path: string): Promise<ModelFile> {
    try {
      const handle = await openRegularFile(path);
      try {
        const { size, mtimeMs } = await handle.stat();
        return new ModelFile(handle, { path, sizeBytes: size, modifiedMs: mtimeMs });
      } catch (error) {
        await handle.close();
        throw error;
      }
    } catch (error) {
      throw unreadable(path, error, '');
    }
  }

  get path(): string {
    return this.identity.path;
  }

  get sizeBytes(): number {
    return this.identity.sizeBytes;
  }

  /** Fills `target` from byte `position` of the file; `what` names the content for the message of FILE_TRUNCATED. */
  async read(target: Uint8Array, position: number, what: string): Promise<void> {
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await this.#handle
        .read(target, done, target.length - done, position + done)
        .catch((error: unknown) => {
          throw unreadable(this.path, error, 'Fetch the file again.');
        });
      if (bytesRead === 0) throw truncated(this.path, what, position + target.length, position + done);
      done += bytesRead;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#handle.close();
    return this.#closed;
  }
}

/** Reads a whole JSON file of a model's folder, which must hold an object and be at most `maxBytes` long. */
export async function readJsonObject(path: string, maxBytes: number): Promise<Readonly<Record<string, unknown>>> {
  await refuseStrayLink(path);
  await using file = await ModelFile.open(path);
  if (file.sizeBytes > maxBytes) throw overLimit(path, 'the size in bytes', file.sizeBytes, maxBytes);
  const bytes = Buffer.alloc(file.sizeBytes);
  await file.read(bytes, 0, 'the file');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw malformed(path, 'not valid UTF-8 JSON.', {}, error);
  }
  if (!isObject(value)) throw malformed(path, 'the outermost JSON value is not an object.');
  return value;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
