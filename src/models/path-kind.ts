/** What a path points to, where absence is an answer and every other failure an error. */
import { stat } from 'node:fs/promises';
import { NotFoundError } from '../errors.js';
import { fileErrorReason, hasErrorCode } from '../file-system.js';

/** `other`: a pipe, a device or a socket. Throws MODEL_FILE_MISSING where the system does not tell. */
export async function kindOfPath(target: string): Promise<'file' | 'folder' | 'other' | 'absent'> {
  try {
    const found = await stat(target);
    return found.isDirectory() ? 'folder' : found.isFile() ? 'file' : 'other';
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR')) return 'absent';
    throw new NotFoundError('MODEL_FILE_MISSING', `${target} cannot be looked at: ${fileErrorReason(error)}.`, {
      cause: error,
      details: { file: target },
    });
  }
}
