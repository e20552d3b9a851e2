/**
 * Linux's own figures of CPU and memory: /proc/stat, /proc/meminfo. It parses text and reads no file.
 * Formats: proc(5), and Documentation/filesystems/proc.rst of the kernel.
 */
import type { CpuTimes } from '../cpu-times.js';
import type { MemoryLoad } from '../load-sample.js';

const KIBIBYTE = 1024;

/**
 * /proc/stat's lines `cpu` (all) and `cpuN`: user nice system idle iowait irq softirq steal guest guest_nice, in ticks.
 * Guests' time is in user and nice already; time that a hypervisor took away is neither busy nor idle, but passed.
 */
export function parseCpuTimes(stat: string): CpuTimes[] {
  const rows: CpuTimes[] = [];
  for (const line of stat.split('\n')) {
    if (!line.startsWith('cpu')) break;
    const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, steal = 0] = line
      .trim()
      .split(/\s+/u)
      .slice(1)
      .map(Number);
    const busy = user + nice + system + irq + softIrq;
    rows.push({ busy, total: busy + idle + ioWait + steal });
  }
  return rows;
}

/** Used: all that is not available, which is how the kernel counts what a new program could claim. */
export function parseMemory(meminfo: string): MemoryLoad {
  const bytesOf = (field: string): number =>
    Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'mu').exec(meminfo)?.[1] ?? Number.NaN) * KIBIBYTE;
  const totalBytes = bytesOf('MemTotal');
  return { usedBytes: totalBytes - bytesOf('MemAvailable'), totalBytes };
}
