/**
 * The names of contents in a snapshot: relative links, as huggingface_hub makes them, or copies where the system makes no
 * links. It fetches nothing.
 */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, readlink, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { hasErrorCode, renamePatiently } from '../file-system.js';

/** Whether links can be made in a folder: on Windows only in developer mode or as administrator, on exFAT never. */
export async function canLinkIn(folder: string): Promise<boolean> {
  const probe = path.join(folder, `${randomUUID()}.probe`);
  try {
    await symlink('nowhere', probe, 'file');
    // Wine says that it made one, and made none.
    return (await readlink(probe).catch(() => undefined)) === 'nowhere';
  } catch (error) {
    if (hasErrorCode(error, 'EPERM', 'EACCES', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'UNKNOWN')) return false;
    throw error;
  } finally {
    await rm(probe, { force: true });
  }
}

/** Several processes may find that out of each other's way. */
const MAX_ATTEMPTS = 10;

/** Makes `pointer` a link to `blob`, whatever it was before. */
export async function linkTo(blob: string, pointer: string): Promise<void> {
  // Relative: the cache can be moved.
  const target = path.relative(path.dirname(pointer), blob);
  for (let attempt = 1; ; attempt++) {
    try {
      await symlink(target, pointer, 'file');
      return;
    } catch (error) {
      if (!hasErrorCode(error, 'EEXIST') || attempt === MAX_ATTEMPTS) throw error;
      if ((await readlink(pointer).catch(() => undefined)) === target) return;
      await rm(pointer, { force: true });
    }
  }
}

/** Makes `pointer` a file of its own with the content of `source`, at once. */
export async function copyTo(source: string, pointer: string): Promise<void> {
  const copy = `${pointer}.${randomUUID()}.tmp`;
  try {
    await copyFile(source, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await renamePatiently(copy, pointer);
  } catch (error) {
    await rm(copy, { force: true });
    throw error;
  }
}
