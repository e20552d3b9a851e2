/** Folders and how much is in them. It follows no links and changes nothing. */
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { hasErrorCode } from '../file-system.js';

/** The folders in a folder, absolute, by name; none where there is no such folder. */
export async function foldersIn(folder: string): Promise<readonly string[]> {
  const entries = await whatIsThere(readdir(folder, { withFileTypes: true }), []);
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(folder, entry.name))
    .sort();
}

/** The names in a folder; none where there is no such folder. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  return (await whatIsThere(readdir(folder), [])).sort();
}

/** Of a file, or of all files in and below a folder; 0 where there is nothing. */
export async function sizeOfTree(target: string): Promise<number> {
  const found = await whatIsThere(lstat(target), undefined);
  if (found === undefined) return 0;
  if (!found.isDirectory()) return found.size;
  let total = 0;
  for (const name of await namesIn(target)) total += await sizeOfTree(path.join(target, name));
  return total;
}

/** Others may remove things at any time. */
async function whatIsThere<T, Nothing>(look: Promise<T>, nothing: Nothing): Promise<T | Nothing> {
  try {
    return await look;
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR')) return nothing;
    throw error;
  }
}
