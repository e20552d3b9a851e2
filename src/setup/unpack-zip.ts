/** Reads a .zip archive or a wheel into a runtime's folder. It chooses no files. */
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { ModelFormatError } from '../errors.js';
import { ArchiveMeter, archiveError, MAX_TEXT_BYTES } from './archive-limits.js';
import { checkArchivePath } from './runtime-files.js';
import type { RuntimeWriter } from './runtime-writer.js';
import type { UnpackOptions } from './unpack-tar.js';

/**
 * A wheel is checked against the list of checksums inside it as well (RECORD of the wheel format).
 * Throws FILE_MALFORMED (damaged, hostile), CHECKSUM_MISMATCH (a wheel), FILE_LIMIT_EXCEEDED, DISK_INSUFFICIENT or the
 * signal's reason.
 */
export async function unpackZip(archive: string, writer: RuntimeWriter, options: UnpackOptions): Promise<void> {
  const { signal } = options;
  let zip: ZipFile | undefined;
  try {
    const { size } = await stat(archive);
    zip = await openPromise(archive, { strictFileNames: true, validateEntrySizes: true });
    const record = await takeEntries(archive, zip, writer, new ArchiveMeter(archive, size), { ...options }, size);
    if (archive.endsWith('.whl')) checkRecord(archive, record, writer.checksums());
  } catch (error) {
    throw archiveError(archive, error, signal);
  } finally {
    await close(zip);
  }
}

async function takeEntries(
  archive: string,
  zip: ZipFile,
  writer: RuntimeWriter,
  meter: ArchiveMeter,
  { onProgress, signal }: UnpackOptions,
  totalBytes: number,
): Promise<string | null> {
  let record: string | null = null;
  let doneBytes = 0;
  for await (const entry of zip.eachEntry()) {
    signal?.throwIfAborted();
    meter.addEntry();
    meter.addBytes(entry.uncompressedSize);
    checkArchivePath(archive, entry.fileName);
    if (writer.wants(entry.fileName)) {
      if (isLink(entry)) throw damaged(archive, entry, 'is a link, which wheels and Windows archives do not have');
      await writer.add(entry.fileName, checked(archive, zip, entry, signal));
    } else if (/^openvino-[^/]+\.dist-info\/RECORD$/u.test(entry.fileName)) {
      if (entry.uncompressedSize > MAX_TEXT_BYTES) throw damaged(archive, entry, 'is too long');
      const chunks: Uint8Array[] = [];
      for await (const chunk of checked(archive, zip, entry, signal)) chunks.push(chunk);
      record = Buffer.concat(chunks).toString('utf8');
    }
    doneBytes += entry.compressedSize;
    onProgress?.(Math.min(doneBytes, totalBytes), totalBytes);
  }
  return record;
}

/** The content of an entry; throws at its end where its CRC-32 is wrong. */
async function* checked(
  archive: string,
  zip: ZipFile,
  entry: Entry,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  const content: Readable = await zip.openReadStreamPromise(entry);
  let crc = 0;
  for await (const chunk of content) {
    signal?.throwIfAborted();
    crc = crc32(chunk as Uint8Array, crc);
    yield chunk as Uint8Array;
  }
  if (crc !== entry.crc32) throw damaged(archive, entry, 'has a wrong CRC-32');
}

/** The upper half holds the Unix mode where the archive was made on Unix. */
function isLink({ externalFileAttributes }: Entry): boolean {
  return ((externalFileAttributes >>> 16) & 0o170000) === 0o120000;
}

function damaged(archive: string, { fileName }: Entry, problem: string): ModelFormatError {
  return new ModelFormatError('FILE_MALFORMED', `${archive} is damaged: ${fileName} ${problem}.`, {
    details: { file: archive, entry: fileName },
  });
}

/** RECORD has lines `path,sha256=<unpadded base64url>,size`. */
function checkRecord(archive: string, record: string | null, checksums: ReadonlyMap<string, string>): void {
  const listed = new Map(
    (record ?? '').split(/\r?\n/u).flatMap((line): [string, string][] => {
      const [, name, digest] = /^"?([^",]+)"?,sha256=([\w-]+),/u.exec(line) ?? [];
      return name === undefined || digest === undefined
        ? []
        : [[name, Buffer.from(digest, 'base64url').toString('hex')]];
    }),
  );
  for (const [name, found] of checksums) {
    const expected = listed.get(name);
    if (expected === found) continue;
    throw new ModelFormatError(
      'CHECKSUM_MISMATCH',
      `${archive} is damaged: ${name} has SHA-256 ${found}, its RECORD says ${expected ?? 'nothing'}.`,
      { details: { file: archive, entry: name, expected: expected ?? null, found } },
    );
  }
}

async function close(zip: ZipFile | undefined): Promise<void> {
  if (zip?.isOpen !== true) return;
  const closed = once(zip, 'close');
  zip.close();
  await closed;
}
