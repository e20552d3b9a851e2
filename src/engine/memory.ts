/**
 * How much memory the machine can still give, and refusing what does not fit before it is claimed.
 * It does not measure what is already in use.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { ResourceError } from '../errors.js';

/** Left to everything else on the machine: the process itself, the desktop, page tables. */
export const MEMORY_RESERVE_BYTES = 256 * 2 ** 20;

/**
 * Bytes that can be claimed without swapping. Physical memory, caches that the system gives up at once counted as
 * available (Linux: MemAvailable), within the container's limit where there is one.
 */
export function availableMemoryBytes(): number {
  // macOS counts caches that it gives up at once as used, and Node tells only what is free: half of the memory
  // stands for what a program can get there.
  if (process.platform === 'darwin') return Math.max(os.freemem(), os.totalmem() / 2);
  const limit = process.constrainedMemory();
  if (limit <= 0 || limit >= os.totalmem()) return os.freemem();
  // What a control group has "used" includes the page cache of the model files, which it gives up when asked.
  return Math.min(os.freemem(), process.availableMemory() + controlGroupFileCacheBytes());
}

function controlGroupFileCacheBytes(): number {
  if (process.platform !== 'linux') return 0;
  for (const file of ['/sys/fs/cgroup/memory.stat', '/sys/fs/cgroup/memory/memory.stat']) {
    try {
      const found = /^inactive_file (\d+)$/m.exec(readFileSync(file, 'utf8'));
      if (found !== null) return Number(found[1]);
    } catch {
      // Not this version of control groups.
    }
  }
  return 0;
}

export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}

export function fitsMemory(neededBytes: number): boolean {
  return neededBytes + MEMORY_RESERVE_BYTES <= availableMemoryBytes();
}

/** Throws MEMORY_INSUFFICIENT unless `neededBytes` and the reserve fit. `what` names the claim, `remedy` what to do. */
export function requireMemory(what: string, neededBytes: number, remedy: string): void {
  if (fitsMemory(neededBytes)) return;
  const availableBytes = availableMemoryBytes();
  throw new ResourceError(
    'MEMORY_INSUFFICIENT',
    `${what} needs ${formatBytes(neededBytes)} and a reserve of ${formatBytes(MEMORY_RESERVE_BYTES)}; ` +
      `this machine can give ${formatBytes(availableBytes)}. ${remedy}`,
    { details: { neededBytes, availableBytes, reserveBytes: MEMORY_RESERVE_BYTES } },
  );
}
