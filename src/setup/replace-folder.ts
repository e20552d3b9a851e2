/**
 * A runtime's folder changes as a whole: a new one takes the place of an old one, or an old one goes, and a process
 * that is killed in between leaves nothing that is found. To be called under the lock of the folder that they are in.
 * It does not know what is in them.
 */
import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { EngineError } from '../errors.js';
import { hasErrorCode, renamePatiently } from '../file-system.js';

type Purpose = 'partial' | 'replaced' | 'removed';

/** A name beside `target` that nobody looks for. */
export function hiddenSibling(target: string, purpose: Purpose): string {
  return path.join(path.dirname(target), `.${purpose}-${path.basename(target)}~${randomBytes(4).toString('hex')}`);
}

/** Removes what killed processes left in `root`; a folder that lost its place goes back. */
export async function tidy(root: string): Promise<void> {
  const names = await readdir(root);
  for (const name of names) {
    const [, purpose, target] = /^\.(partial|replaced|removed)-(.+)~[0-9a-f]{8}$/u.exec(name) ?? [];
    if (target === undefined) continue;
    // Killed between the two renames of replaceFolder.
    if (purpose === 'replaced' && !names.includes(target)) {
      await renamePatiently(path.join(root, name), path.join(root, target));
    } else await removeTree(path.join(root, name));
  }
}

/** Puts a complete folder in the target's place; what was there goes only once the new one stands. */
export async function replaceFolder(folder: string, target: string): Promise<void> {
  const old = hiddenSibling(target, 'replaced');
  const existed = await moveAway(target, old);
  try {
    await renamePatiently(folder, target);
  } catch (error) {
    if (existed) await renamePatiently(old, target);
    throw error;
  }
  if (existed) await removeTree(old);
}

/** At once out of sight, then removed. Harmless where there is none. */
export async function removeFolder(target: string): Promise<void> {
  const aside = hiddenSibling(target, 'removed');
  if (await moveAway(target, aside)) await removeTree(aside);
}

export function removeTree(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** False: there is none. Throws RUNTIME_FAILED where a program uses its libraries, which Windows does not let go. */
async function moveAway(target: string, aside: string): Promise<boolean> {
  try {
    await renamePatiently(target, aside);
    return true;
  } catch (cause) {
    if (hasErrorCode(cause, 'ENOENT')) return false;
    if (!hasErrorCode(cause, 'EPERM', 'EBUSY', 'EACCES')) throw cause;
    throw new EngineError(
      'RUNTIME_FAILED',
      `${target} cannot be changed. End the programs that use it and try again.`,
      {
        cause,
        details: { folder: target },
      },
    );
  }
}
