/** The checksums that files are published with. It reads no files. */
import { createHash, type Hash } from 'node:crypto';

export interface Checksum {
  /** git-blob-sha1: of git's object, a header with the length and then the content. */
  readonly algorithm: 'sha256' | 'git-blob-sha1';
  /** Lower case. */
  readonly hex: string;
  /** Of the whole file; git's header needs it. */
  readonly sizeBytes: number | null;
}

/** The number of hexadecimal digits. */
export const CHECKSUM_DIGITS = { sha256: 64, 'git-blob-sha1': 40 } as const;

export const CHECKSUM_NAMES = { sha256: 'SHA-256', 'git-blob-sha1': 'git hash' } as const;

/** A running hash, to be fed with the content. */
export function startHash({ algorithm, sizeBytes }: Checksum): Hash {
  if (algorithm === 'sha256') return createHash('sha256');
  return createHash('sha1').update(`blob ${sizeBytes ?? 0}\0`);
}

/** Two of the same text stand for the same bytes. */
export function checksumText({ algorithm, hex }: Checksum): string {
  return `${algorithm}:${hex}`;
}
