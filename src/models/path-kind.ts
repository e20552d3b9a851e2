/** What a path points to, where absence is an answer and every other failure an error. */
import { stat } from 'node:fs/promises';

export async function kindOfPath(target: string): Promise<'file' | 'folder' | 'absent'> {
  try {
    return (await stat(target)).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return 'absent';
    throw error;
  }
}
