/** CPU and memory where Node.js itself knows them: Windows and macOS. (On Linux it counts neither iowait nor steal.) */
import { cpus, totalmem } from 'node:os';
import { utilizationBetween, type CpuTimes } from './cpu-times.js';
import type { MemoryLoad } from './load-sample.js';

export class OsCpu {
  #times = readTimes();

  sample(): { readonly utilizationPercent: number; readonly coresPercent: readonly number[] } {
    const times = readTimes();
    const { all, cores } = utilizationBetween(this.#times, times);
    this.#times = times;
    return { utilizationPercent: all, coresPercent: cores };
  }
}

export function osMemory(): MemoryLoad {
  const totalBytes = totalmem();
  return { usedBytes: Math.max(0, totalBytes - process.availableMemory()), totalBytes };
}

function readTimes(): CpuTimes[] {
  const cores = cpus().map(({ times: { user, nice, sys, idle, irq } }) => {
    const busy = user + nice + sys + irq;
    return { busy, total: busy + idle };
  });
  const sum = (read: (core: CpuTimes) => number): number => cores.reduce((total, core) => total + read(core), 0);
  return [{ busy: sum(({ busy }) => busy), total: sum(({ total }) => total) }, ...cores];
}
