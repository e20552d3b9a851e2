/** A file at a URL whose checksum is known, kept in aipc's cache. It does not know what the file is for. */
import path from 'node:path';
import { cacheFolder } from '../cache-folder.js';
import { downloadFile } from '../download/download-file.js';
import type { OnLoadProgress } from './progress.js';
import type { UrlReference } from './reference.js';

/** Far above the largest model that a person's machine holds; the disk's free space is checked as well. */
const MAX_URL_FILE_BYTES = 2 ** 40;

/** Where the file is, or would be. */
export function urlFile({ sha256, fileName }: UrlReference): string {
  return path.join(cacheFolder(), 'sources', `url-${sha256.slice(0, 16)}`, fileName);
}

/** Throws what downloadFile() throws. */
export async function fetchUrlFile(
  reference: UrlReference,
  options: { readonly onProgress?: OnLoadProgress | undefined; readonly signal?: AbortSignal | undefined },
): Promise<string> {
  const { file } = await downloadFile({
    url: reference.url,
    file: urlFile(reference),
    sha256: reference.sha256,
    maxBytes: MAX_URL_FILE_BYTES,
    onProgress: ({ doneBytes, totalBytes }) =>
      options.onProgress?.({ phase: 'download', label: reference.fileName, doneBytes, totalBytes }),
    signal: options.signal,
  });
  return file;
}
