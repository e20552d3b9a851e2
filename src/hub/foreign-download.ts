/**
 * Other tools that download the same content into the same cache. huggingface_hub locks with flock (on Windows
 * LockFileEx), which Node.js does not have, and leaves its lock files behind: they say nothing to us, nor ours to it. But
 * it writes to `blobs/HASH.*.incomplete`: while such a file grows, its content is on the way.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { hasErrorCode } from '../file-system.js';
import { pause } from '../download/retry.js';

/** huggingface_hub writes pieces of 10 MB: slower lines are not waited for, which costs bandwidth and breaks nothing. */
const FRESH_MS = 15_000;
const POLL_MS = 300;

export interface ForeignDownloadOptions {
  /** Where the content will be. */
  readonly blob: string;
  /** What we ourselves write to. */
  readonly ownPartial: string;
  readonly signal: AbortSignal | undefined;
  readonly onWait: () => void;
}

/** Waits while another tool downloads `blob`, until it has or has stopped. Rejects with the signal's reason. */
export async function awaitForeignDownload(options: ForeignDownloadOptions): Promise<void> {
  const { blob, ownPartial, signal, onWait } = options;
  while (await isGrowing(blob, ownPartial)) {
    onWait();
    await pause(POLL_MS, signal);
  }
}

async function isGrowing(blob: string, ownPartial: string): Promise<boolean> {
  const folder = path.dirname(blob);
  const prefix = `${path.basename(blob)}.`;
  const names = await readdir(folder);
  if (names.includes(path.basename(blob))) return false;
  for (const name of names) {
    if (!name.startsWith(prefix) || !name.endsWith('.incomplete') || name === path.basename(ownPartial)) continue;
    if (Date.now() - (await modifiedMs(path.join(folder, name))) < FRESH_MS) return true;
  }
  return false;
}

/** 0: it is gone. */
async function modifiedMs(file: string): Promise<number> {
  try {
    return (await stat(file)).mtimeMs;
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'EPERM', 'EBUSY')) return 0;
    throw error;
  }
}
