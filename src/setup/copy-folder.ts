/**
 * Copies a runtime that is unpacked or installed already: Intel's archive, the folder of a Python environment, a flat
 * folder of libraries. It chooses no files.
 */
import { createReadStream, type Dirent } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { NotFoundError } from '../errors.js';
import { hasErrorCode } from '../file-system.js';
import { ArchiveMeter, archiveError, MAX_UNPACKED_BYTES } from './archive-limits.js';
import type { RuntimeWriter } from './runtime-writer.js';
import type { UnpackOptions } from './unpack-tar.js';

/** Intel's archives are 6 deep; some folders up lies a person's whole disk. */
const MAX_DEPTH = 8;

/** Throws MODEL_FILE_MISSING (the folder cannot be read), DISK_INSUFFICIENT or the signal's reason. */
export async function copyFolder(given: string, writer: RuntimeWriter, options: UnpackOptions): Promise<void> {
  // Its licences lie beside the package.
  const folder = /[\\/]openvino[\\/]libs[\\/]?$/u.test(given) ? path.resolve(given, '..', '..') : given;
  const meter = new ArchiveMeter(folder, MAX_UNPACKED_BYTES);
  try {
    const names = (await readdir(folder)).sort();
    if (names.includes('runtime')) await copyTree(folder, '', writer, meter, options);
    else if (names.includes('openvino')) await copyPackage(folder, names, writer, meter, options);
    else await copyFlat(folder, writer, meter, options);
  } catch (error) {
    if (error instanceof Error && 'syscall' in error && !hasErrorCode(error, 'ENOSPC', 'EDQUOT')) {
      throw new NotFoundError('MODEL_FILE_MISSING', `${folder} cannot be read: ${error.message}.`, {
        cause: error,
        details: { file: folder },
      });
    }
    throw archiveError(folder, error, options.signal);
  }
}

/** Python's site-packages: the libraries of the package `openvino`, and its licences. */
async function copyPackage(
  folder: string,
  names: readonly string[],
  writer: RuntimeWriter,
  meter: ArchiveMeter,
  options: UnpackOptions,
): Promise<void> {
  await copyTree(folder, 'openvino/libs', writer, meter, options);
  for (const name of names.filter((candidate) => /^openvino-[^/]+\.dist-info$/u.test(candidate))) {
    await copyTree(folder, `${name}/licenses`, writer, meter, options).catch((error: unknown) => {
      if (!hasErrorCode(error, 'ENOENT')) throw error;
    });
  }
}

/** Libraries in one folder, as in the wheel's `openvino/libs`. */
async function copyFlat(
  folder: string,
  writer: RuntimeWriter,
  meter: ArchiveMeter,
  options: UnpackOptions,
): Promise<void> {
  for (const entry of await list(folder)) {
    await copyEntry(path.join(folder, entry.name), `openvino/libs/${entry.name}`, entry, writer, meter, options);
  }
}

/** Everything below `root/below` that the writer wants, by its path from `root`. */
async function copyTree(
  root: string,
  below: string,
  writer: RuntimeWriter,
  meter: ArchiveMeter,
  options: UnpackOptions,
  depth = 0,
): Promise<void> {
  for (const entry of await list(path.join(root, below))) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) {
      if (depth < MAX_DEPTH) await copyTree(root, name, writer, meter, options, depth + 1);
    } else await copyEntry(path.join(root, name), name, entry, writer, meter, options);
  }
}

async function copyEntry(
  file: string,
  name: string,
  entry: Dirent,
  writer: RuntimeWriter,
  meter: ArchiveMeter,
  { signal, onProgress }: UnpackOptions,
): Promise<void> {
  signal?.throwIfAborted();
  meter.addEntry();
  if (!writer.wants(name)) return;
  if (entry.isSymbolicLink()) {
    // A link beside its file is another name of it; one that leads elsewhere (Homebrew's) stands for the file.
    const target = await realpath(file);
    if (path.dirname(target) === (await realpath(path.dirname(file)))) {
      writer.link(name, `${path.posix.dirname(name)}/${path.basename(target)}`);
      return;
    }
  }
  onProgress?.(0, 0);
  await writer.add(name, createReadStream(file, signal === undefined ? {} : { signal }) as AsyncIterable<Uint8Array>);
}

async function list(folder: string): Promise<Dirent[]> {
  return (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
}
