/**
 * A lock between processes: a file that exists while somebody works. A process that is killed cannot remove its file,
 * so a lock counts only while its process lives and touches it. After a takeover from a holder that was merely asleep,
 * two may work at once for a moment: what is locked must survive that (here: every byte is checked at the end).
 */
import { createHash, randomUUID } from 'node:crypto';
import { link, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { hasErrorCode, isProcessAlive } from '../file-system.js';
import { pause } from './retry.js';

const HEARTBEAT_MS = 5_000;
/** Many heartbeats: a busy machine delays some. Also the longest wait after the holder's machine went down. */
const STALE_MS = 60_000;
/** For a file without a holder's name in it: far more than writing the name takes. */
const NAMELESS_STALE_MS = 5_000;
const POLL_MS = 200;

export interface FileLockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when somebody else holds the lock. */
  readonly onWait?: (() => void) | undefined;
}

/** Runs `work` while holding `file`, whose folder must exist. Waits for other holders; rejects with the signal's reason. */
export async function withFileLock<T>(file: string, options: FileLockOptions, work: () => Promise<T>): Promise<T> {
  const token = randomUUID();
  let told = false;
  while (!(await tryTake(file, token))) {
    options.signal?.throwIfAborted();
    if (!told) options.onWait?.();
    told = true;
    await removeIfStale(file, token);
    await pause(POLL_MS, options.signal);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    // The file may be gone: then another one took over, which is allowed.
    utimes(file, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if ((await readHolder(file))?.token === token) await rm(file, { force: true });
  }
}

interface Holder {
  readonly token: string;
  readonly pid: number;
  /** Tells process ids of this machine from those of others that share the disk. */
  readonly host: string;
}

const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 16);

async function tryTake(file: string, token: string): Promise<boolean> {
  const holder: Holder = { token, pid: process.pid, host: HOST };
  try {
    const handle = await open(file, 'wx');
    try {
      await handle.writeFile(JSON.stringify(holder));
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    // EPERM: on Windows, a file that is just being removed.
    if (hasErrorCode(error, 'EEXIST') || (process.platform === 'win32' && hasErrorCode(error, 'EPERM', 'EBUSY')))
      return false;
    throw error;
  }
}

async function removeIfStale(file: string, token: string): Promise<void> {
  const holder = await readHolder(file);
  const touched = await stat(file).catch(() => undefined);
  if (touched === undefined) return;
  const isDead = holder?.host === HOST && !isProcessAlive(holder.pid);
  const untouchedMs = Date.now() - touched.mtimeMs;
  if (!isDead && untouchedMs < (holder === undefined ? NAMELESS_STALE_MS : STALE_MS)) return;
  // Only one of several can rename it away. If by then it is the lock of a successor, it goes back.
  const aside = `${file}.${token}`;
  try {
    await rename(file, aside);
    const moved = await readHolder(aside);
    if (moved?.token !== holder?.token) await link(aside, file);
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT', 'EEXIST', 'EPERM', 'EBUSY', 'EACCES')) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

/** undefined: no lock, or one that is just being written (or of a process that was killed in doing so). */
async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    return isHolder(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== 'object' || value === null) return false;
  return (
    'token' in value &&
    typeof value.token === 'string' &&
    'pid' in value &&
    Number.isInteger(value.pid) &&
    'host' in value &&
    typeof value.host === 'string'
  );
}
