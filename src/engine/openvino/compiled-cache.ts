/**
 * Where the runtime keeps compiled models (CACHE_DIR), and whether what lies there is still what was written: the
 * runtime compiles again when a blob is cut short, but loads one with flipped bits. So each blob gets its SHA-256
 * beside it, and one that does not match is removed before the runtime sees it. It compiles nothing.
 *
 *   <cache>/compiled/<model>/<device>-<runtime and driver>/   the blobs, named by the runtime
 *                                              .../x.blob.sha256   as sha256sum writes it
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from '../../cache-folder.js';
import { OptionError } from '../../errors.js';
import { formatBytes } from '../memory.js';
import type { OvApi, Properties } from './c-api.js';
import { DEVICE_PROFILES } from './device-profiles.js';
import { deviceKind } from './devices.js';
import type { IrOutline } from './ir-outline.js';

/** What went otherwise than expected, though the model runs. */
export interface OpenvinoWarning {
  /**
   * CACHE_REPAIRED: damaged files were removed. CACHE_UNUSED: the compiled model could not be kept.
   * WEIGHTS_UNSUPPORTED: the weights are stored otherwise than the device's maker supports.
   */
  readonly code: 'CACHE_REPAIRED' | 'CACHE_UNUSED' | 'WEIGHTS_UNSUPPORTED';
  readonly message: string;
  /** Facts for programs, plain JSON values. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface CacheRequest {
  readonly api: OvApi;
  /** OpenVINO's name. */
  readonly device: string;
  /** CACHE_DIR as the caller gave it: '' turns the cache off; undefined: as the device's profile says. */
  readonly cacheDir: string | undefined;
  /** Where the default cache is. Default: `compiled` in aipc's cache. */
  readonly compiledCacheFolder: string | undefined;
  readonly outline: IrOutline;
  readonly signal: AbortSignal | undefined;
  readonly onWarning: (warning: OpenvinoWarning) => void;
}

const CHECKSUM_SUFFIX = '.sha256';
/** NPUW makes folders of its own inside. */
const MAX_LEVELS = 2;
/** A folder with more holds something else. */
const MAX_FILES = 10_000;
/** What a compiled model depends on beside the model, as far as a device tells it. */
const DRIVER_PROPERTIES = ['NPU_DRIVER_VERSION', 'NPU_COMPILER_VERSION', 'GPU_DRIVER_VERSION', 'DEVICE_ARCHITECTURE'];

interface FileState {
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** Opens the cache for a compilation and repairs it; undefined where none is to be used. Throws OPTION_INVALID. */
export async function openCompiledCache(request: CacheRequest): Promise<CompiledCache | undefined> {
  const { cacheDir, device } = request;
  if (cacheDir === '' || (cacheDir === undefined && !DEVICE_PROFILES[deviceKind(device)].keepsCompiledModels)) {
    return undefined;
  }
  const isOwn = cacheDir === undefined;
  const folder = isOwn ? await ownFolder(request) : path.resolve(cacheDir);
  try {
    await mkdir(folder, { recursive: true });
    if (isOwn) await removeReplaced(folder);
    const cache = new CompiledCache(folder, isOwn, request);
    await cache.repair();
    return cache;
  } catch (error) {
    request.signal?.throwIfAborted();
    const message = `${folder} cannot be used as a cache of compiled models (${String(error)}).`;
    if (!isOwn) {
      throw new OptionError('OPTION_INVALID', `ovConfig.CACHE_DIR: ${message} Give another folder, or '' for none.`, {
        cause: error,
        details: { option: 'ovConfig.CACHE_DIR', found: cacheDir },
      });
    }
    request.onWarning({
      code: 'CACHE_UNUSED',
      message: `${message} The model is compiled anew each time it is loaded.`,
      details: { folder },
    });
    return undefined;
  }
}

export class CompiledCache {
  readonly #folder: string;
  /** Whether only aipc writes there: then a blob without a checksum is one that was not finished. */
  readonly #isOwn: boolean;
  readonly #request: CacheRequest;
  #before = new Map<string, FileState>();

  constructor(folder: string, isOwn: boolean, request: CacheRequest) {
    this.#folder = folder;
    this.#isOwn = isOwn;
    this.#request = request;
  }

  get properties(): Properties {
    return { CACHE_DIR: this.#folder };
  }

  /** Removes blobs that are not what was written; the runtime then compiles them again. */
  async repair(): Promise<void> {
    const { signal, onWarning } = this.#request;
    const files = await listFiles(this.#folder);
    const removed: string[] = [];
    for (const name of files.keys()) {
      if (name.endsWith(CHECKSUM_SUFFIX)) continue;
      const file = path.join(this.#folder, name);
      const recorded = await readFile(file + CHECKSUM_SUFFIX, 'utf8').then(
        (text) => text.slice(0, 64),
        () => undefined,
      );
      if (recorded === undefined && !this.#isOwn) continue; // another program's
      if (recorded !== undefined && recorded === (await sha256(file, signal))) continue;
      await rm(file);
      await rm(file + CHECKSUM_SUFFIX, { force: true });
      removed.push(name);
    }
    if (removed.length > 0) {
      onWarning({
        code: 'CACHE_REPAIRED',
        message:
          `Compiled models in ${this.#folder} were damaged and have been removed: ${removed.join(', ')}. ` +
          'They are compiled again.',
        details: { folder: this.#folder, removed },
      });
    }
    this.#before = await listFiles(this.#folder);
  }

  /** To be called when the model is compiled: records the checksums of the blobs that are new. */
  async record(): Promise<void> {
    const { signal, onWarning } = this.#request;
    const after = await listFiles(this.#folder);
    const blobs = [...after.keys()].filter((name) => !name.endsWith(CHECKSUM_SUFFIX));
    let failure: Error | undefined;
    for (const name of blobs) {
      const [was, is] = [this.#before.get(name), after.get(name)];
      if (was?.bytes === is?.bytes && was?.modifiedMs === is?.modifiedMs) continue;
      const file = path.join(this.#folder, name);
      const checksumFile = file + CHECKSUM_SUFFIX;
      try {
        const text = `${await sha256(file, signal)}  ${path.basename(file)}\n`;
        await writeFile(`${checksumFile}.${process.pid}`, text);
        await rename(`${checksumFile}.${process.pid}`, checksumFile);
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error));
        for (const left of [file, checksumFile, `${checksumFile}.${process.pid}`]) await rm(left, { force: true });
      }
      signal?.throwIfAborted();
    }
    if (blobs.length > 0 && failure === undefined) return;
    const disk = await statfs(this.#folder);
    onWarning({
      code: 'CACHE_UNUSED',
      message:
        `The compiled model could not be kept in ${this.#folder}, where ${formatBytes(disk.bavail * disk.bsize)} are ` +
        `free${failure === undefined ? '' : ` (${failure.message})`}. It is compiled anew each time it is loaded.`,
      details: { folder: this.#folder, freeBytes: disk.bavail * disk.bsize },
    });
  }
}

/** The folder of one model on one device with one runtime and driver. */
async function ownFolder({ api, device, compiledCacheFolder, outline }: CacheRequest): Promise<string> {
  const facts = await Promise.all(
    DRIVER_PROPERTIES.map((key) => api.async.deviceProperty(device, key).catch(() => '')), // not every device has each
  );
  const platform = hashOf([api.buildNumber, ...facts]);
  return path.join(await compiledModelFolder(outline, compiledCacheFolder), `${device.toLowerCase()}-${platform}`);
}

/** Where all that was compiled of a model is or would be, a folder for each device, runtime and driver. */
export async function compiledModelFolder(
  { xmlFile, binFile }: Pick<IrOutline, 'xmlFile' | 'binFile'>,
  root = path.join(cacheFolder(), 'compiled'),
): Promise<string> {
  const { mtimeMs, size } = await stat(binFile);
  return path.resolve(root, hashOf([await sha256(xmlFile, undefined), size, mtimeMs]));
}

function hashOf(parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

/** What an older runtime or driver compiled of the same model for the same device is never loaded again. */
async function removeReplaced(folder: string): Promise<void> {
  const name = path.basename(folder);
  const device = name.slice(0, name.lastIndexOf('-') + 1);
  for (const other of await readdir(path.dirname(folder))) {
    if (other !== name && other.startsWith(device)) {
      await rm(path.join(path.dirname(folder), other), { recursive: true, force: true });
    }
  }
}

/** Every file in `folder` and two levels below, by its path there. */
async function listFiles(folder: string): Promise<Map<string, FileState>> {
  const files = new Map<string, FileState>();
  const visit = async (inside: string, level: number): Promise<void> => {
    for (const entry of await readdir(path.join(folder, inside), { withFileTypes: true })) {
      const name = path.join(inside, entry.name);
      if (entry.isDirectory() && level < MAX_LEVELS) await visit(name, level + 1);
      if (!entry.isFile()) continue;
      if (files.size >= MAX_FILES) throw new Error(`more than ${MAX_FILES} files`);
      const { size, mtimeMs } = await stat(path.join(folder, name));
      files.set(name, { bytes: size, modifiedMs: mtimeMs });
    }
  };
  await visit('', 0);
  return files;
}

async function sha256(file: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  const stream = createReadStream(file, { highWaterMark: 2 ** 20, ...(signal === undefined ? {} : { signal }) });
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
