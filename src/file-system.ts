/**
 * What systems do differently with files and processes, for whoever reads files that may be anything, or replaces files
 * under others' eyes. It does not know what the files are.
 */
import { randomUUID } from 'node:crypto';
import { lstat, open, realpath, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AipcError, ModelFormatError, NotFoundError } from './errors.js';

/** Windows holds files of others (virus scanners, indexers) for moments: how often and how long to try again. */
const RENAME_ATTEMPTS = 10;
const RENAME_RETRY_MS = 200;

/**
 * Opens a file of a model for reading. Rejects with the system's error, or with one that says that it is not a regular
 * file: opening a named pipe waits for a writer, and reading a device may never end.
 */
export async function openRegularFile(file: string): Promise<FileHandle> {
  if (!(await stat(file)).isFile()) throw new Error('not a regular file');
  return open(file, 'r');
}

/** A content of a Hugging Face cache, to which its snapshots link, and the local folders of older huggingface_hub. */
const HUB_BLOB = /[/\\]blobs[/\\][^/\\]+$/u;

/**
 * Refuses a file of a model's folder that is a link out of it, or lies behind one: unpacked archives and cloned
 * repositories can hold links to whatever their user may read, whose bytes would then be in a prompt, a message or an
 * exported folder. `graph`: the file that says what the bytes mean; they may be beside what that is a link to, as ONNX
 * Runtime has it. Links within the folder or to a blob of a Hugging Face cache are sound. Throws FILE_MALFORMED.
 */
export async function refuseStrayLink(file: string, graph?: string): Promise<void> {
  const folder = path.resolve(path.dirname(graph ?? file));
  const isDirect = path.resolve(path.dirname(file)) === folder;
  const isLink = await lstat(file).then(
    (found) => found.isSymbolicLink(),
    () => undefined, // whoever opens it says what is wrong
  );
  if (isLink === undefined || (isDirect && !isLink)) return;
  const found = await realpathIfThere(file);
  if (found === undefined || HUB_BLOB.test(found)) return;
  const roots = [await realpathIfThere(folder)];
  if (graph !== undefined) roots.push(path.dirname((await realpathIfThere(graph)) ?? graph));
  if (roots.some((root) => root !== undefined && isInside(root, found))) return;
  throw new ModelFormatError(
    'FILE_MALFORMED',
    `${file} leads by a link to ${found}, outside of its folder: models may not read there. If the link is yours, copy the ` +
      'file to where the link is, or give the folder that holds it.',
    { details: { file, found } },
  );
}

/** fs.realpath; undefined where the way leads nowhere, or where it may not be followed. */
export async function realpathIfThere(file: string): Promise<string | undefined> {
  try {
    return await realpath(file);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}

/** By their names alone; both absolute. A folder is not inside itself. */
export function isInside(folder: string, file: string): boolean {
  const way = path.relative(folder, file);
  return way !== '' && way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way);
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['ENOTDIR', 'there is no such file'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['ELOOP', 'its links lead to themselves'],
]);

/** Why a file could not be opened or read, for a message. */
export function fileErrorReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return ('code' in error ? REASONS.get(String(error.code)) : undefined) ?? error.message;
}

export interface SmallFile {
  readonly maxBytes: number;
  /** Ends the message where the file cannot be read. */
  readonly remedy: string;
}

/**
 * Reads a file of a model whole. Throws MODEL_FILE_MISSING, with the system's error as its cause, where it cannot be
 * read, FILE_LIMIT_EXCEEDED where it is longer than `maxBytes`.
 */
export async function readSmallFile(file: string, { maxBytes, remedy }: SmallFile): Promise<Buffer> {
  try {
    const handle = await openRegularFile(file);
    try {
      const { size } = await handle.stat();
      if (size > maxBytes) {
        throw new ModelFormatError(
          'FILE_LIMIT_EXCEEDED',
          `${file}: ${size} bytes, at most ${maxBytes} are read. Is it the right file?`,
          { details: { file, found: size, allowed: maxBytes } },
        );
      }
      // No more than its size: there are files without one that never end.
      const bytes = Buffer.alloc(size);
      let done = 0;
      for (let bytesRead = -1; done < size && bytesRead !== 0; done += bytesRead) {
        ({ bytesRead } = await handle.read(bytes, done, size - done, done));
      }
      return bytes.subarray(0, done);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw error instanceof AipcError ? error : unreadable(file, error, remedy);
  }
}

/** readSmallFile() for a file that a model's folder holds under a name of its own. Throws what refuseStrayLink() does, too. */
export async function readFolderFile(file: string, limits: SmallFile): Promise<Buffer> {
  await refuseStrayLink(file);
  return readSmallFile(file, limits);
}

/** MODEL_FILE_MISSING for a file that could not be opened or read. */
export function unreadable(file: string, cause: unknown, remedy: string): NotFoundError {
  return new NotFoundError(
    'MODEL_FILE_MISSING',
    `${file} cannot be read: ${fileErrorReason(cause)}. ${remedy}`.trim(),
    {
      cause,
      details: { file },
    },
  );
}

/** fs.rename that outwaits others on Windows. */
export async function renamePatiently(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await rename(from, to);
      return;
    } catch (error) {
      const mayPass = process.platform === 'win32' && hasErrorCode(error, 'EPERM', 'EBUSY', 'EACCES');
      if (!mayPass || attempt === RENAME_ATTEMPTS) throw error;
      await sleep(RENAME_RETRY_MS);
    }
  }
}

/** Gives a file a new content at once: readers see the old one or the new one. A link of that name is replaced. */
export async function replaceFile(file: string, content: string | Uint8Array): Promise<void> {
  const written = `${file}.${randomUUID()}.tmp`;
  try {
    await writeFile(written, content, { flag: 'wx' });
    await renamePatiently(written, file);
  } catch (error) {
    await rm(written, { force: true });
    throw error;
  }
}

/** Whether `error` is one of the system's with one of these codes (`ENOENT`). */
export function hasErrorCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** On this machine. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasErrorCode(error, 'ESRCH'); // EPERM: it lives and is another user's
  }
}
