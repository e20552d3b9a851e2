/** What an archive may ask of this machine. It unpacks nothing. */
import { ModelFormatError, ResourceError } from '../errors.js';
import { hasErrorCode } from '../file-system.js';

/** Intel's largest archive has 0.3 GB. */
export const MAX_ARCHIVE_BYTES = 2 * 2 ** 30;
/** With headers and samples, Intel's have some 2,000. */
export const MAX_ARCHIVE_ENTRIES = 50_000;
/** Everything in it, wanted or not; Intel's largest has about 1 GB. */
export const MAX_UNPACKED_BYTES = 8 * 2 ** 30;
/** Intel's come to 4; deflate reaches 1,032 with zeros. */
export const MAX_UNPACKED_RATIO = 100;
/** A licence, a wheel's list of files. */
export const MAX_TEXT_BYTES = 8 * 2 ** 20;

/** Counts what an archive unpacks to. */
export class ArchiveMeter {
  readonly #archive: string;
  readonly #maxBytes: number;
  #entries = 0;
  #bytes = 0;

  constructor(archive: string, archiveBytes: number) {
    this.#archive = archive;
    this.#maxBytes = Math.min(MAX_UNPACKED_BYTES, archiveBytes * MAX_UNPACKED_RATIO);
  }

  /** Throws FILE_LIMIT_EXCEEDED. */
  addEntry(): void {
    this.#entries += 1;
    if (this.#entries > MAX_ARCHIVE_ENTRIES) throw this.#exceeded(`more than ${MAX_ARCHIVE_ENTRIES} files`);
  }

  /** Throws FILE_LIMIT_EXCEEDED. */
  addBytes(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#maxBytes) throw this.#exceeded(`to more than ${this.#maxBytes} bytes`);
  }

  #exceeded(what: string): ModelFormatError {
    return new ModelFormatError('FILE_LIMIT_EXCEEDED', `${this.#archive} unpacks ${what}: it is no OpenVINO archive.`, {
      details: { file: this.#archive },
    });
  }
}

/** What went wrong in reading an archive or writing its files, as one of aipc's errors where it is one. */
export function archiveError(archive: string, error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (hasErrorCode(error, 'ENOSPC', 'EDQUOT')) {
    return new ResourceError('DISK_INSUFFICIENT', `The disk filled up while unpacking ${archive}. Free some space.`, {
      cause: error,
      details: { file: archive },
    });
  }
  // Errors of the system (a file that cannot be read) and aipc's own speak for themselves.
  const speaks = error instanceof Error && ('syscall' in error || 'details' in error);
  if (speaks || !(error instanceof Error)) return error;
  return new ModelFormatError('FILE_MALFORMED', `${archive} is damaged: ${error.message}.`, {
    cause: error,
    details: { file: archive },
  });
}
