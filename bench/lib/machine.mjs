/** The machine a figure was taken on, in words. It measures nothing. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem, type } from 'node:os';

const INSTRUCTION_SETS = ['avx2', 'f16c', 'avx512f', 'avx512_vnni', 'avx_vnni', 'avx512_bf16', 'amx_int8', 'asimddp'];
const GIBIBYTE = 2 ** 30;

function instructionSets() {
  let text;
  try {
    text = readFileSync('/proc/cpuinfo', 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined; // not Linux
    throw error;
  }
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1]?.trim().split(' '));
  return INSTRUCTION_SETS.filter((name) => flags.has(name));
}

export function describeMachine() {
  return {
    cpu: cpus()[0]?.model.trim(),
    cores: availableParallelism(),
    instructionSets: instructionSets(),
    memoryGiB: Number((totalmem() / GIBIBYTE).toFixed(1)),
    os: `${type()} ${process.arch}`,
    node: process.version,
  };
}

/** One line for a chart: 'AMD EPYC, 2 cores (avx2 f16c), 23 GiB, Linux x64'. */
export function machineLine({ cpu, cores, instructionSets, memoryGiB, os }) {
  const sets = instructionSets?.length ? ` (${instructionSets.join(' ')})` : '';
  return `${cpu}, ${cores} cores${sets}, ${memoryGiB} GiB, ${os}`;
}
