/** Reads a .tgz archive into a runtime's folder. It chooses no files. */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import { ModelFormatError } from '../errors.js';
import { ArchiveMeter, archiveError } from './archive-limits.js';
import { checkArchivePath } from './runtime-files.js';
import type { RuntimeWriter } from './runtime-writer.js';

export interface UnpackOptions {
  /** Bytes of the archive that were read. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Throws FILE_MALFORMED (damaged, hostile), FILE_LIMIT_EXCEEDED, DISK_INSUFFICIENT or the signal's reason. */
export async function unpackTar(archive: string, writer: RuntimeWriter, options: UnpackOptions): Promise<void> {
  const { onProgress, signal } = options;
  const { size } = await stat(archive);
  const meter = new ArchiveMeter(archive, size);
  // Whatever fails first ends the rest: an entry that nobody reads any more would hold up the parser for good.
  const failed = new AbortController();
  const fail = (error: unknown): void => failed.abort(error);
  const work: Promise<void>[] = [];
  const parser = new Parser({
    strict: true,
    onReadEntry: (entry) => {
      work.push(takeEntry(archive, entry, writer, meter).catch(fail));
    },
  });
  parser.on('error', fail);
  const source = createReadStream(archive, { highWaterMark: 2 ** 18 });
  source.on('data', () => onProgress?.(source.bytesRead, size));
  const stop = AbortSignal.any(signal === undefined ? [failed.signal] : [failed.signal, signal]);
  const parse = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks) {
      meter.addBytes(chunk.length);
      if (!parser.write(chunk)) await once(parser, 'drain', { signal: stop });
      stop.throwIfAborted();
    }
    const ended = once(parser, 'end', { signal: stop });
    parser.end();
    await ended;
    await Promise.all(work);
  };
  try {
    // pipeline() puts errors of its own in place of what the last step throws.
    await pipeline(source, createGunzip(), (chunks: AsyncIterable<Buffer>) => parse(chunks).catch(fail), {
      signal: stop,
    });
    stop.throwIfAborted();
  } catch (error) {
    throw archiveError(archive, failed.signal.aborted ? failed.signal.reason : error, signal);
  }
}

async function takeEntry(archive: string, entry: ReadEntry, writer: RuntimeWriter, meter: ArchiveMeter): Promise<void> {
  meter.addEntry();
  const name = entry.path.replace(/^(?:\.\/)+/u, '');
  if (name !== '') checkArchivePath(archive, name);
  if (entry.type === 'SymbolicLink' || entry.type === 'Link') {
    const written = entry.linkpath ?? '';
    // A symbolic link is relative to its own folder, a hard link to the archive's root.
    const target =
      entry.type === 'Link' ? path.posix.normalize(written) : path.posix.join(path.posix.dirname(name), written);
    checkArchivePath(archive, written.startsWith('/') ? written : target);
    writer.link(name, target);
  }
  if (isFile(entry) && writer.wants(name)) await writer.add(name, entry as AsyncIterable<Uint8Array>);
  else entry.resume();
  if (isDevice(entry)) {
    throw new ModelFormatError('FILE_MALFORMED', `${archive} holds ${name}, a ${entry.type}. Do not use it.`, {
      details: { file: archive, entry: name },
    });
  }
}

function isFile({ type }: ReadEntry): boolean {
  return type === 'File' || type === 'OldFile' || type === 'ContiguousFile';
}

function isDevice({ type }: ReadEntry): boolean {
  return type === 'BlockDevice' || type === 'CharacterDevice' || type === 'FIFO';
}
