/**
 * What nobody will use again: what killed processes left half-made, conversions by exporters or for runtimes of other
 * versions, conversions of sources that are gone. What a living process is making, and every complete download, stays.
 */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from '../cache-folder.js';
import { withFileLock } from '../download/file-lock.js';
import { onnxRuntimeVersion } from '../engine/onnxruntime/onnxruntime-engine.js';
import { openvinoVersion } from '../engine/openvino/openvino-engine.js';
import { AipcError } from '../errors.js';
import { hasErrorCode, isProcessAlive } from '../file-system.js';
import { hubSettings, scanHubCache } from '../hub/hub.js';
import { conversionsFolder, isCurrentExporter, type ConversionRecord } from '../models/conversion-cache.js';
import { kindOfPath } from '../models/path-kind.js';
import { isComplete, listRecords, removeRecord } from '../models/pull-record.js';
import { refuseUnknownKeys } from '../options.js';
import { foldersIn, namesIn, sizeOfTree } from './disk-usage.js';
import { compiledOf, isTransient, listConversions } from './local-models.js';
import { removeFolder } from './remove-folder.js';

export interface PrunedItem {
  /** Absolute. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Why nobody will use it again, in words. */
  readonly reason: string;
}

export interface PruneOptions {
  /** Only tell. Default false. */
  readonly dryRun?: boolean;
}

/** Begun elsewhere (another machine on the same disk, or by a name without a process): touched by nobody for so long. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

/** Returns what was removed, or would be. A file that a process has open (Windows) stays. */
export async function pruneCache(options: PruneOptions = {}): Promise<readonly PrunedItem[]> {
  refuseUnknownKeys('pruneCache', options, ['dryRun']);
  const found = [...(await unfinished()), ...(await unfinishedDownloads()), ...(await outdatedConversions())];
  const pruned: PrunedItem[] = [];
  for (const { lock, ...item } of found) {
    const done = options.dryRun === true || (await unlessLocked(lock, () => removeUnlessOpen(item.path)));
    if (done) pruned.push(item);
  }
  if (options.dryRun !== true) await forgetVanished();
  return pruned;
}

interface Candidate extends PrunedItem {
  /** Held by whoever works on it; null: nobody can. */
  readonly lock: string | null;
}

/** Half-made conversions, half-unpacked wheels, half-removed folders, locks of processes that are gone. */
async function unfinished(): Promise<readonly Candidate[]> {
  const sources = await foldersIn(path.join(cacheFolder(), 'sources'));
  const folders = [conversionsFolder(), ...sources];
  const found: Candidate[] = [];
  for (const folder of folders) {
    for (const name of await namesIn(folder)) {
      const target = path.join(folder, name);
      if (!isTransient(name) && !/\.(?:lock|tmp)$|\.partial(?:\.json)?$/u.test(name)) continue;
      if (await isInUse(target, name)) continue;
      const reason = name.endsWith('.lock') ? 'the lock of a process that is gone' : 'left by a process that is gone';
      // A partial download belongs to whoever holds the lock of the file that it becomes.
      const lock = /\.partial(?:\.json)?$/u.test(name) ? `${target.replace(/\.partial(?:\.json)?$/u, '')}.lock` : null;
      found.push({ path: target, sizeBytes: await sizeOfTree(target), reason, lock });
    }
  }
  return found;
}

/** By the process that its name, or the lock itself, tells. */
async function isInUse(target: string, name: string): Promise<boolean> {
  const pid = name.endsWith('.lock') ? await holderOf(target) : Number(/\.(?:partial|removed)-(\d+)-/u.exec(name)?.[1]);
  if (pid !== undefined && Number.isInteger(pid) && isProcessAlive(pid)) return true;
  if (pid !== undefined && Number.isInteger(pid)) return false;
  if (/\.partial(?:\.json)?$/u.test(name)) return false; // its lock decides
  const found = await stat(target).catch(() => undefined);
  return found === undefined || Date.now() - found.mtimeMs < ABANDONED_MS;
}

async function holderOf(lock: string): Promise<number | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(lock, 'utf8'));
    return typeof value === 'object' && value !== null && 'pid' in value ? Number(value.pid) : undefined;
  } catch {
    return undefined;
  }
}

/** Of the hub's files, what aipc itself has begun; other programs clean up after themselves. */
async function unfinishedDownloads(): Promise<readonly Candidate[]> {
  const { cacheFolder: hubFolder } = hubSettings();
  const found: Candidate[] = [];
  for (const { folder } of await scanHubCache()) {
    const blobs = path.join(folder, 'blobs');
    for (const name of await namesIn(blobs)) {
      const hash = /^([0-9a-f]+)\.aipc\.incomplete(?:\.json)?$/u.exec(name)?.[1];
      if (hash === undefined) continue;
      const target = path.join(blobs, name);
      const lock = path.join(hubFolder, '.locks', path.basename(folder), `${hash}.aipc.lock`);
      found.push({
        path: target,
        sizeBytes: await sizeOfTree(target),
        reason: 'a download that was not finished',
        lock,
      });
    }
  }
  return found;
}

async function outdatedConversions(): Promise<readonly Candidate[]> {
  const versions = {
    onnxruntime: await versionOf(onnxRuntimeVersion),
    openvino: await versionOf(openvinoVersion),
  };
  const found: Candidate[] = [];
  for (const { folder, record } of await listConversions()) {
    const reason = await whyOutdated(record, versions);
    if (reason === undefined) continue;
    const lock = `${folder}.lock`;
    for (const compiled of await compiledOf(folder)) {
      const { sizeBytes } = compiled;
      found.push({ path: compiled.folder, sizeBytes, reason: `compiled of a conversion that goes: ${reason}`, lock });
    }
    found.push({ path: folder, sizeBytes: await sizeOfTree(folder), reason, lock });
  }
  return found;
}

async function whyOutdated(
  record: ConversionRecord | undefined,
  versions: Readonly<Record<ConversionRecord['runtime'], string | undefined>>,
): Promise<string | undefined> {
  if (record === undefined) return 'converted by another version of aipc';
  if (!isCurrentExporter(record)) return 'converted by another version of the exporter';
  const current = versions[record.runtime];
  if (current !== undefined && current !== record.runtimeVersion) {
    return `converted for ${record.runtime} ${record.runtimeVersion}; ${current} runs now`;
  }
  return (await kindOfPath(record.sourcePath)) === 'absent' ? `its source ${record.sourcePath} is gone` : undefined;
}

/** undefined: that runtime is not here, so nothing is known of what it wants. */
async function versionOf(ask: () => Promise<string>): Promise<string | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof AipcError) return undefined;
    throw error;
  }
}

/** Records of downloads of which nothing is left. */
async function forgetVanished(): Promise<void> {
  for (const record of await listRecords()) {
    if (await isComplete(record)) continue;
    if ((await kindOfPath(path.resolve(record.folder, '..', '..'))) === 'absent') await removeRecord(record);
  }
}

/** false: somebody holds the lock. */
async function unlessLocked(lock: string | null, work: () => Promise<boolean>): Promise<boolean> {
  if (lock === null || (await kindOfPath(path.dirname(lock))) === 'absent') return work();
  // A first attempt that finds a lock also takes away that of a process that is gone.
  for (let attempt = 1; attempt <= 2; attempt++) {
    const held = new AbortController();
    try {
      return await withFileLock(lock, { signal: held.signal, onWait: () => held.abort() }, work);
    } catch (error) {
      if (!held.signal.aborted) throw error;
    }
  }
  return false;
}

/** false: a process has it open. */
async function removeUnlessOpen(target: string): Promise<boolean> {
  try {
    await removeFolder(target);
    return true;
  } catch (error) {
    if (hasErrorCode(error, 'EPERM', 'EBUSY', 'EACCES')) return false;
    throw error;
  }
}
