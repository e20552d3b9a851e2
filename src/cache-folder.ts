/** Where aipc keeps what it can make again. It does not create or clean anything. */
import path from 'node:path';
import envPaths from 'env-paths';

/** `AIPC_CACHE` if set, else the platform's cache folder (XDG, Library/Caches, LOCALAPPDATA). Absolute. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const chosen = environment['AIPC_CACHE'];
  if (chosen !== undefined && chosen !== '') return path.resolve(chosen);
  return envPaths('aipc', { suffix: '' }).cache;
}
