/**
 * Gets the archive, wheel or folder that a runtime is made from, verified. It unpacks nothing.
 *
 * What "verified" means: Intel's archive by the SHA-256 published beside it; the pinned version's wheel by a SHA-256
 * that aipc knows, another version's by what the package index publishes (pip checks it); every wheel's libraries by
 * the list inside it too; a file that the user names by a `.sha256` beside it, where there is one.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { downloadFile } from '../download/download-file.js';
import { downloadText } from '../download/download-text.js';
import { downloadWheel } from '../download/pip-download.js';
import { OPENVINO_VERSION, runtimesFolder, type RuntimeHost } from '../engine/openvino/runtime-folder.js';
import { ModelFormatError, NotFoundError, OptionError } from '../errors.js';
import { hasErrorCode } from '../file-system.js';
import { MAX_ARCHIVE_BYTES } from './archive-limits.js';
import { archiveFor, currentGlibc, MIRROR_VARIABLE, wheelFor } from './openvino-releases.js';
import { hiddenSibling, removeTree } from './replace-folder.js';

export interface SourceProgress {
  readonly label: string;
  /** Both null while the size is unknown. */
  readonly doneBytes: number | null;
  readonly totalBytes: number | null;
}

export interface SourceOptions {
  /** `archive`, `pip`, or a path. */
  readonly from: string;
  readonly version: string;
  readonly host: RuntimeHost;
  readonly onProgress: (progress: SourceProgress) => void;
  readonly signal: AbortSignal | undefined;
}

export interface RuntimeSource {
  readonly kind: 'tar' | 'zip' | 'folder';
  readonly path: string;
  /** In words, for the manifest. */
  readonly description: string;
  readonly sha256: string | null;
  /** Removes what was downloaded. */
  discard(): Promise<void>;
}

const ALTERNATIVES =
  `Where the host is not reachable, name a mirror with the same layout in ${MIRROR_VARIABLE}, or use '--from pip' or ` +
  "'--from PATH' (a folder, archive or wheel that you brought here).";

/** Where archives and wheels are while they are needed. */
export function downloadsFolder(environment: NodeJS.ProcessEnv): string {
  return path.join(runtimesFolder(environment), 'downloads');
}

export async function getSource(options: SourceOptions): Promise<RuntimeSource> {
  if (options.from === 'archive') return getArchive(options);
  return options.from === 'pip' ? getWheel(options) : getLocal(options.from, options.signal);
}

async function getArchive({ version, host, onProgress, signal }: SourceOptions): Promise<RuntimeSource> {
  if (version !== OPENVINO_VERSION) {
    throw new OptionError(
      'OPTION_INVALID',
      `aipc knows where Intel's archive of OpenVINO ${OPENVINO_VERSION} is, not that of ${version}. Use '--from pip', or ` +
        "download the archive and use '--from PATH'.",
      { details: { option: 'version', found: version, allowed: [OPENVINO_VERSION] } },
    );
  }
  const { url, fileName } = archiveFor(host, currentGlibc());
  const { environment } = host;
  const network = { environment, signal };
  onProgress({ label: fileName, doneBytes: null, totalBytes: null });
  const sha256 = await readPublishedChecksum(url, fileName, network);
  const file = path.join(downloadsFolder(environment), fileName);
  await withAdvice(
    downloadFile({
      ...network,
      url,
      file,
      sha256,
      maxBytes: MAX_ARCHIVE_BYTES,
      onProgress: ({ doneBytes, totalBytes }) => onProgress({ label: fileName, doneBytes, totalBytes }),
    }),
  );
  return {
    kind: fileName.endsWith('.zip') ? 'zip' : 'tar',
    path: file,
    description: `${url.origin}${url.pathname}`,
    sha256,
    discard: () => rm(file, { force: true }),
  };
}

/** `<hex>  <file name>`, as sha256sum writes it. Intel's host answers with a page where there is no such file. */
async function readPublishedChecksum(
  archive: URL,
  fileName: string,
  network: { environment: NodeJS.ProcessEnv; signal: AbortSignal | undefined },
): Promise<string> {
  const url = new URL(archive);
  url.pathname += '.sha256';
  const text = await withAdvice(downloadText({ ...network, url, maxBytes: 65_536 }));
  const checksum = parseChecksum(text, fileName);
  if (checksum !== undefined) return checksum;
  throw new NotFoundError(
    'SOURCE_UNREACHABLE',
    `${url.host} has no checksum of ${fileName} where it should be (${url.pathname}), so the archive was not downloaded. ` +
      ALTERNATIVES,
    { details: { url: `${url.origin}${url.pathname}` } },
  );
}

/** Lower case; undefined: not a checksum, or one of another file. */
function parseChecksum(text: string, fileName: string): string | undefined {
  const [, hex, name] = /^\uFEFF?\s*([0-9a-f]{64})(?:\s+\*?(\S.*?))?\s*$/iu.exec(text) ?? [];
  if (hex === undefined || (name !== undefined && path.posix.basename(name.replaceAll('\\', '/')) !== fileName)) {
    return undefined;
  }
  return hex.toLowerCase();
}

async function withAdvice<T>(download: Promise<T>): Promise<T> {
  try {
    return await download;
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    throw new NotFoundError(error.code, `${error.message} ${ALTERNATIVES}`, { cause: error, details: error.details });
  }
}

async function getWheel({ version, host, onProgress, signal }: SourceOptions): Promise<RuntimeSource> {
  const { tags, sha256: pinned } = wheelFor(host);
  const scratch = hiddenSibling(path.join(runtimesFolder(host.environment), 'pip'), 'partial');
  await mkdir(scratch, { recursive: true });
  const discard = (): Promise<void> => removeTree(scratch);
  // pip does not say how far it is: that it still works is all that can be told.
  const tell = (): void => onProgress({ label: `openvino==${version} through pip`, doneBytes: null, totalBytes: null });
  const timer = setInterval(tell, 1000);
  try {
    tell();
    const wheel = await downloadWheel({
      packageName: 'openvino',
      version,
      folder: scratch,
      tags,
      alternative: "use Intel's archive ('--from archive') or '--from PATH'.",
      signal,
    });
    const sha256 = await hashFile(wheel, signal);
    if (version === OPENVINO_VERSION && sha256 !== pinned) throw mismatch(wheel, pinned, sha256, 'aipc knows');
    return { kind: 'zip', path: wheel, description: `pip: ${path.basename(wheel)}`, sha256, discard };
  } catch (error) {
    await discard();
    throw error;
  } finally {
    clearInterval(timer);
  }
}

async function getLocal(given: string, signal: AbortSignal | undefined): Promise<RuntimeSource> {
  const file = path.resolve(given);
  const found = await stat(file).catch((cause: unknown) => {
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `${file} does not exist or cannot be read. '--from' takes archive, pip or a path.`,
      {
        cause,
        details: { file },
      },
    );
  });
  const nothing = (): Promise<void> => Promise.resolve();
  if (found.isDirectory()) return { kind: 'folder', path: file, description: file, sha256: null, discard: nothing };
  const kind = /\.(?:tgz|tar\.gz)$/iu.test(file) ? 'tar' : /\.(?:zip|whl)$/iu.test(file) ? 'zip' : undefined;
  if (kind === undefined || !found.isFile()) {
    throw new OptionError('OPTION_INVALID', `${file} is neither a folder nor a .tgz, .tar.gz, .zip or .whl file.`, {
      details: { option: 'from', found: given },
    });
  }
  const sha256 = await hashFile(file, signal);
  const beside = await readFile(`${file}.sha256`, 'utf8').catch((error: unknown) => {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  const expected = beside === undefined ? undefined : parseChecksum(beside, path.basename(file));
  if (expected !== undefined && expected !== sha256) throw mismatch(file, expected, sha256, `${file}.sha256 says`);
  return { kind, path: file, description: file, sha256, discard: nothing };
}

async function hashFile(file: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 })) {
    signal?.throwIfAborted();
    hash.update(chunk as Uint8Array);
  }
  return hash.digest('hex');
}

function mismatch(file: string, expected: string, found: string, who: string): ModelFormatError {
  return new ModelFormatError(
    'CHECKSUM_MISMATCH',
    `${path.basename(file)} is not the file that was published: it has SHA-256 ${found}, ${who} ${expected}. Nothing was installed.`,
    { details: { file, expected, found } },
  );
}
