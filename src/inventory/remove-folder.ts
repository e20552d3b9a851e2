/**
 * Removing a folder or file so that nobody finds half of it: it first gets another name. What a process that was killed
 * left is `aipc cache prune`'s.
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { hasErrorCode, renamePatiently } from '../file-system.js';

/**
 * Where the system refuses because a process has a file of it open (Windows), it throws and nothing is changed; elsewhere
 * a running process keeps its files until it ends. Nothing there: nothing done.
 */
export async function removeFolder(target: string): Promise<void> {
  const aside = `${target}.removed-${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await renamePatiently(target, aside);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return;
    throw error;
  }
  await rm(aside, { recursive: true, force: true, maxRetries: 5 });
}
