/** The machine that figures were taken on, in words, and a name for it. */
import { createHash } from 'node:crypto';
import { availableParallelism, cpus, totalmem, type } from 'node:os';
import type { BenchMachine } from './report.js';

const GIBIBYTE = 2 ** 30;

export function describeMachine(): BenchMachine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown CPU',
    logicalProcessors: availableParallelism(),
    memoryGiB: Number((totalmem() / GIBIBYTE).toFixed(1)),
    system: `${type()} ${process.arch}`,
    node: process.version,
  };
}

/** The same for machines of the same parts: a cache folder may be on a disk that several share. */
export function machineKey({ cpu, logicalProcessors, memoryGiB, system }: BenchMachine): string {
  const parts = JSON.stringify([cpu, logicalProcessors, Math.round(memoryGiB), system]);
  return createHash('sha256').update(parts).digest('hex').slice(0, 16);
}
