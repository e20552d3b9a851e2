/**
 * Puts OpenVINO into aipc's cache, where findOpenvinoLibrary finds it: fetched, verified, unpacked beside its place,
 * loaded once to see what it is, and only then given its name. Many may call at once, and any may be killed.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { withFileLock } from '../download/file-lock.js';
import { openvinoFileName } from '../engine/openvino/find-library.js';
import {
  currentHost,
  OPENVINO_VERSION,
  openvinoRuntimeFolder,
  runtimeFolderAt,
  runtimesFolder,
  type RuntimeFolder,
  type RuntimeHost,
} from '../engine/openvino/runtime-folder.js';
import { EngineError, ModelFormatError, OptionError } from '../errors.js';
import { refuseUnknownKeys } from '../options.js';
import { copyFolder } from './copy-folder.js';
import { listRuntimes, readIntact, writeManifest, type InstalledRuntime, type RuntimeManifest } from './manifest.js';
import { probeRuntime, type RuntimeFacts } from './probe.js';
import { hiddenSibling, removeFolder, removeTree, replaceFolder, tidy } from './replace-folder.js';
import { downloadsFolder, getSource, type RuntimeSource } from './runtime-source.js';
import { RuntimeWriter } from './runtime-writer.js';
import { unpackTar, type UnpackOptions } from './unpack-tar.js';
import { unpackZip } from './unpack-zip.js';

export interface SetupProgress {
  /** 'wait': somebody else is at it. */
  readonly phase: 'wait' | 'download' | 'unpack' | 'check';
  readonly label: string;
  /** Both null while the size is unknown. */
  readonly doneBytes: number | null;
  readonly totalBytes: number | null;
}

export interface SetupOpenvinoOptions {
  /**
   * `archive` (default): Intel's archive, from Intel's host or the mirror in AIPC_OPENVINO_MIRROR. `pip`: the wheel.
   * Else the path of a folder that holds a runtime, of an archive (.tgz, .zip) or of a wheel.
   */
  readonly from?: string | undefined;
  /** Default OPENVINO_VERSION. Another one is not used by itself: name its folder in OPENVINO_LIB_DIR. */
  readonly version?: string | undefined;
  /** Install again what is there. Default false. */
  readonly force?: boolean | undefined;
  /** Where the cache, mirrors and proxies are named; default process.env. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
  readonly onProgress?: ((progress: SetupProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SetupResult {
  /** False: it was there already. */
  readonly installed: boolean;
  readonly folder: string;
  /** What OPENVINO_LIB_DIR would name. */
  readonly libraryFolder: string;
  readonly version: string;
  readonly buildNumber: string;
  readonly source: string;
  readonly sizeBytes: number;
  /** What OpenVINO finds on this machine; null: not asked, since it was there already. */
  readonly devices: readonly string[] | null;
  /** Other versions in the cache, which this aipc does not use. */
  readonly others: readonly InstalledRuntime[];
}

const KNOWN_OPTIONS: readonly (keyof SetupOpenvinoOptions)[] = [
  'from',
  'version',
  'force',
  'environment',
  'onProgress',
  'signal',
];

/**
 * Throws SOURCE_UNREACHABLE, CHECKSUM_MISMATCH, FILE_MALFORMED, FILE_LIMIT_EXCEEDED, DISK_INSUFFICIENT,
 * RUNTIME_INCOMPATIBLE (another version than asked for, or it does not load here), MODEL_FEATURE_UNSUPPORTED (Intel
 * publishes none for this machine), OPTION_INVALID, or the signal's reason.
 */
export async function setupOpenvino(options: SetupOpenvinoOptions = {}): Promise<SetupResult> {
  refuseUnknownKeys('setupOpenvino', options, KNOWN_OPTIONS);
  const { from = 'archive', version = OPENVINO_VERSION, force = false, onProgress, signal } = options;
  if (!/^\d{4}\.\d+\.\d+$/u.test(version)) {
    throw new OptionError(
      'OPTION_INVALID',
      `setupOpenvino: version must look like ${OPENVINO_VERSION}, found '${version}'.`,
      {
        details: { option: 'version', found: version },
      },
    );
  }
  if (from === '') {
    throw new OptionError('OPTION_INVALID', 'setupOpenvino: from must be archive, pip or a path, found nothing.', {
      details: { option: 'from', found: from },
    });
  }
  const host = currentHost(options.environment);
  const job: Job = {
    host,
    from,
    version,
    target: openvinoRuntimeFolder(host, version),
    onProgress: onProgress ?? (() => undefined),
    signal,
  };
  signal?.throwIfAborted();
  const there = force ? undefined : await readIntact(job.target);
  if (there !== undefined) return resultOf(job, there, null);
  const root = runtimesFolder(host.environment);
  await mkdir(root, { recursive: true });
  const waiting = 'for another process that is setting up OpenVINO';
  const onWait = (): void => job.onProgress({ phase: 'wait', label: waiting, doneBytes: null, totalBytes: null });
  return withFileLock(lockOf(root), { signal, onWait }, async () => {
    await tidy(root);
    // Whoever held the lock before may have installed it.
    const meanwhile = force ? undefined : await readIntact(job.target);
    return meanwhile === undefined ? install(job) : resultOf(job, meanwhile, null);
  });
}

/** Every OpenVINO in aipc's cache, the one that this aipc uses first. */
export async function installedOpenvinos(
  environment: NodeJS.ProcessEnv = process.env,
): Promise<readonly InstalledRuntime[]> {
  return listRuntimes(environment);
}

/**
 * Removes every OpenVINO from aipc's cache, with downloads that were begun; returns what was there. Throws
 * RUNTIME_FAILED where a program is using one (Windows), or the signal's reason.
 */
export async function removeOpenvino(
  options: Pick<SetupOpenvinoOptions, 'environment' | 'signal'> = {},
): Promise<readonly InstalledRuntime[]> {
  refuseUnknownKeys('removeOpenvino', options, ['environment', 'signal']);
  const { environment = process.env, signal } = options;
  const root = runtimesFolder(environment);
  await mkdir(root, { recursive: true });
  return withFileLock(lockOf(root), { signal }, async () => {
    await tidy(root);
    const installed = await listRuntimes(environment);
    for (const { folder } of installed) await removeFolder(folder);
    await removeTree(downloadsFolder(environment));
    return installed;
  });
}

/** One for all versions: what they have in common is the folder, and setting up is rare. */
function lockOf(root: string): string {
  return path.join(root, 'openvino.lock');
}

interface Job {
  readonly host: RuntimeHost;
  readonly from: string;
  readonly version: string;
  readonly target: RuntimeFolder;
  readonly onProgress: (progress: SetupProgress) => void;
  readonly signal: AbortSignal | undefined;
}

async function install(job: Job): Promise<SetupResult> {
  const { host, from, version, target, onProgress, signal } = job;
  const source = await getSource({
    from,
    version,
    host,
    onProgress: (progress) => onProgress({ phase: 'download', ...progress }),
    signal,
  });
  const partial = runtimeFolderAt(hiddenSibling(target.path, 'partial'));
  try {
    const { manifest, facts } = await fill(job, source, partial);
    await replaceFolder(partial.path, target.path);
    await source.discard();
    return await resultOf(job, manifest, facts.devices);
  } catch (error) {
    // A download that was verified stays for the next try, unless it was the one at fault.
    if (error instanceof ModelFormatError) await source.discard();
    throw error;
  } finally {
    await removeTree(partial.path);
  }
}

async function fill(
  { host, version, onProgress, signal }: Job,
  source: RuntimeSource,
  partial: RuntimeFolder,
): Promise<{ manifest: RuntimeManifest; facts: RuntimeFacts }> {
  const label = path.basename(source.path);
  const writer = await RuntimeWriter.create(source.path, partial, host.platform);
  const options: UnpackOptions = {
    onProgress: (doneBytes, totalBytes) =>
      onProgress({
        phase: 'unpack',
        label,
        ...(totalBytes === 0 ? { doneBytes: null, totalBytes: null } : { doneBytes, totalBytes }),
      }),
    signal,
  };
  const unpack = { tar: unpackTar, zip: unpackZip, folder: copyFolder }[source.kind];
  await unpack(source.path, writer, options);
  const files = await writer.finish();
  const library = openvinoFileName(host.platform);
  if (!files.some(({ name }) => library.test(path.posix.basename(name)))) {
    throw new ModelFormatError(
      'FILE_MALFORMED',
      `${source.path} holds no OpenVINO C library for ${host.platform} ${host.arch}. Is it made for another system? ` +
        'Nothing was installed.',
      { details: { file: source.path, platform: host.platform, arch: host.arch } },
    );
  }
  onProgress({ phase: 'check', label, doneBytes: null, totalBytes: null });
  const facts = await probeRuntime(partial.libraryFolder, signal);
  checkFacts(source, facts, version);
  const manifest: RuntimeManifest = {
    schemaVersion: 1,
    version: facts.version,
    buildNumber: facts.buildNumber,
    platform: host.platform,
    arch: host.arch,
    source: source.description,
    sourceSha256: source.sha256,
    files,
  };
  await writeManifest(partial, manifest);
  return { manifest, facts };
}

function checkFacts(source: RuntimeSource, { version, devices }: RuntimeFacts, expected: string): void {
  const details = { file: source.path, found: version, expected };
  if (version !== expected) {
    throw new EngineError(
      'RUNTIME_INCOMPATIBLE',
      `${source.path} is OpenVINO ${version}; this aipc is made for ${OPENVINO_VERSION}. Nothing was installed. To have ` +
        `${version} all the same, ask for that version; it is then used where OPENVINO_LIB_DIR names its folder.`,
      { details },
    );
  }
  if (!devices.includes('CPU')) {
    throw new EngineError(
      'RUNTIME_INCOMPATIBLE',
      `${source.path} loads, but its CPU plug-in does not (devices found: ${devices.join(', ') || 'none'}). Files are ` +
        'missing in it. Nothing was installed.',
      { details },
    );
  }
}

async function resultOf(
  { host, target }: Job,
  { version, buildNumber, source, files }: RuntimeManifest,
  devices: readonly string[] | null,
): Promise<SetupResult> {
  const all = await listRuntimes(host.environment);
  return {
    installed: devices !== null,
    folder: target.path,
    libraryFolder: target.libraryFolder,
    version,
    buildNumber,
    source,
    sizeBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    devices,
    others: all.filter(({ folder }) => folder !== target.path),
  };
}
