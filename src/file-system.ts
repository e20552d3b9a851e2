/**
 * What systems do differently with files and processes, for whoever replaces files under others' eyes. It does not
 * know what the files are.
 */
import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Windows holds files of others (virus scanners, indexers) for moments: how often and how long to try again. */
const RENAME_ATTEMPTS = 10;
const RENAME_RETRY_MS = 200;

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
export async function replaceFile(file: string, content: string): Promise<void> {
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
