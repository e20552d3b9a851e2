/**
 * A folder that appears complete or not at all: it is filled under a temporary name beside its target and renamed when
 * done. Discarding removes it, so does Ctrl-C; what a killed process left behind is removed by the next export to the
 * same target. It does not know what is put in the folder.
 */
import { createHash, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { lstat, mkdir, open, readdir, rm, rmdir } from 'node:fs/promises';
import { constants, hostname } from 'node:os';
import path from 'node:path';
import { OptionError } from '../errors.js';
import { hasErrorCode, isProcessAlive, realpathIfThere, renamePatiently } from '../file-system.js';

/** Files of which one must be in a folder before `force` may replace it: it then is an exported model. */
const EXPORT_MARKERS = ['aipc.json', 'genai_config.json'];

/** Ends the name under which an old folder waits while its successor takes its place. */
const REPLACED_SUFFIX = '-replaced';

/** Tells process ids of this machine from those of others that share the disk. */
const HOST_TAG = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

export interface PartialFolder {
  /** Absolute path of the temporary folder; it exists and is empty. */
  readonly path: string;
  /**
   * Moves everything to the target's name. The target is checked again, by the same rules as checkTargetFolder's:
   * another export may have been quicker.
   */
  commit(where: string, force: boolean): Promise<void>;
  /** Removes the temporary folder. Harmless after commit and when called twice. */
  discard(): Promise<void>;
}

/**
 * Refuses a target that is a file or a folder with anything in it (OPTION_INVALID), unless `force` is set and the
 * folder holds an exported model. Changes nothing. `where` names the function for the message.
 */
export async function checkTargetFolder(where: string, target: string, force: boolean): Promise<void> {
  const refusal = (problem: string, remedy: string): OptionError =>
    new OptionError('OPTION_INVALID', `${where}: outputFolder ${target} ${problem}. ${remedy}`, {
      details: { option: 'outputFolder', found: target },
    });
  const entries = await readdir(target).catch((error: unknown): string[] => {
    if (hasErrorCode(error, 'ENOENT')) return [];
    if (hasErrorCode(error, 'ENOTDIR')) throw refusal('is a file', 'Name a folder.');
    throw error;
  });
  if (entries.length === 0) {
    if (!(await isLink(target)) || (await realpathIfThere(target)) !== undefined) return;
    throw refusal('is a link that leads nowhere', 'Make the folder that it leads to, or name another one.');
  }
  if (!force) throw refusal('is not empty', 'Name another folder, or set force to replace an exported model.');
  if (!EXPORT_MARKERS.some((marker) => entries.includes(marker))) {
    throw refusal('is not empty and is no exported model, so force does not replace it', 'Name another folder.');
  }
}

async function isLink(file: string): Promise<boolean> {
  return lstat(file).then(
    (found) => found.isSymbolicLink(),
    (error: unknown) => {
      if (hasErrorCode(error, 'ENOENT')) return false;
      throw error;
    },
  );
}

/**
 * Creates `<target>.partial-<pid>-<random>`, after removing those of dead processes for the same target and then
 * asking `checkParent` (is there room?), which may throw. A target that is a link to a folder stays one: the folder that
 * it leads to is filled.
 */
export async function createPartialFolder(
  named: string,
  checkParent: (parent: string) => Promise<void>,
): Promise<PartialFolder> {
  const target = (await realpathOfLink(named)) ?? named;
  const parent = path.dirname(target);
  await mkdir(parent, { recursive: true });
  await removeStale(parent, path.basename(target));
  await checkParent(parent);
  const folder = `${target}.partial-${process.pid}-${HOST_TAG}${randomBytes(4).toString('hex')}`;
  await mkdir(folder);
  const release = removeOnSignal(folder);
  return {
    path: folder,
    async commit(where, force) {
      await checkTargetFolder(where, target, force);
      if (force) await replace(where, folder, target);
      else await moveIntoPlace(where, folder, target);
      await syncFolder(parent);
      release();
    },
    async discard() {
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      release();
    },
  };
}

/** Undefined for what is no link: names on Windows may be longer than its call for real paths takes. */
async function realpathOfLink(file: string): Promise<string | undefined> {
  return (await isLink(file)) ? realpathIfThere(file) : undefined;
}

async function removeStale(parent: string, name: string): Promise<void> {
  const prefix = `${name}.partial-`;
  const entries = await readdir(parent);
  for (const entry of entries) {
    if (!entry.startsWith(prefix)) continue;
    const match = /^(\d+)-([0-9a-f]{8})[0-9a-f]{8}(-replaced)?$/.exec(entry.slice(prefix.length)); // REPLACED_SUFFIX
    if (match?.[2] !== HOST_TAG || isProcessAlive(Number(match[1]))) continue;
    const stale = path.join(parent, entry);
    // Killed between the two renames of replace(): the old folder goes back to its place.
    if (match[3] !== undefined && !entries.includes(name)) await renamePatiently(stale, path.join(parent, name));
    else await rm(stale, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * Removes the folder when the process is told to end. If nobody else listens for that signal, the process then ends as
 * it would have; otherwise the other listener decides (the CLI aborts the export and cleans up).
 */
function removeOnSignal(folder: string): () => void {
  const signals: readonly NodeJS.Signals[] =
    process.platform === 'win32' ? ['SIGINT', 'SIGBREAK', 'SIGHUP'] : ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const onSignal = (signal: NodeJS.Signals): void => {
    if (process.listenerCount(signal) > 1) return;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    release();
    // Windows tells a program to end, but knows no end by a signal (for SIGHUP, kill() would throw).
    if (process.platform === 'win32') process.exit(128 + constants.signals[signal]);
    process.kill(process.pid, signal);
  };
  const release = (): void => signals.forEach((signal) => process.off(signal, onSignal));
  for (const signal of signals) process.on(signal, onSignal);
  return release;
}

/** The file system decides between two that come at once: it renames over an empty folder at most. */
async function moveIntoPlace(where: string, folder: string, target: string): Promise<void> {
  // Windows does not even rename over an empty one.
  await rmdir(target).catch((error: unknown) => {
    if (!hasErrorCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error;
  });
  try {
    await renamePatiently(folder, target);
  } catch (error) {
    await checkTargetFolder(where, target, false);
    throw error;
  }
}

/** Puts `folder` in place of `target`; what was there goes only once the new one stands. */
async function replace(where: string, folder: string, target: string): Promise<void> {
  const old = folder + REPLACED_SUFFIX;
  const existed = await renamePatiently(target, old).then(
    () => true,
    (error: unknown) => {
      if (hasErrorCode(error, 'ENOENT')) return false;
      if (process.platform === 'win32' && hasErrorCode(error, 'EPERM', 'EBUSY', 'EACCES')) {
        throw new OptionError(
          'OPTION_INVALID',
          `${where}: outputFolder ${target} cannot be replaced: a program uses it. End that program and try again, or ` +
            'name another folder.',
          { cause: error, details: { option: 'outputFolder', found: target } },
        );
      }
      throw error;
    },
  );
  try {
    await renamePatiently(folder, target);
  } catch (error) {
    if (existed) await renamePatiently(old, target);
    throw error;
  }
  if (existed) await rm(old, { recursive: true, force: true, maxRetries: 5 });
}

/** Makes a rename durable. Windows has no such call for folders, and needs none. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
