/**
 * Looks at this machine: chooses the platform's probe, starts the programs that it reads (at most two, each with a time
 * limit) and gives what they say. No library such as systeminformation stands between: it gives neither LUIDs nor PCI
 * ids of NPUs, and on Windows it starts a process for each question.
 */
import { execFile } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';
import { promisify } from 'node:util';
import type { Fact, Probe } from './device.js';
import { hasNvidiaGpu, NVIDIA_SMI_ARGUMENTS, probeLinuxAccelerators } from './linux-accelerators.js';
import { probeLinuxCpu } from './linux-cpu.js';
import { parseMacosProbe, SYSCTL_NAMES } from './macos-probe.js';
import { encodeScript, parseWindowsProbe, WINDOWS_PROBE_SCRIPT } from './windows-probe.js';

/** PowerShell alone takes seconds to start on a cold, busy machine. */
const PROGRAM_TIMEOUT_MS = 30_000;
const MOST_OUTPUT_BYTES = 4 * 2 ** 20;

/** Throws the signal's reason alone: what cannot be read is in the answer, with why. */
export async function probeMachine(signal?: AbortSignal): Promise<Probe> {
  signal?.throwIfAborted();
  const cpuName = cpus()[0]?.model.trim() ?? '';
  const logicalProcessors = availableParallelism();
  const { platform } = process;
  if (platform === 'win32') {
    const shell = `${process.env['SystemRoot'] ?? 'C:\\Windows'}\\System32\\WindowsPowerShell\\v1.0\\powershell.exe`;
    const parameters = ['-NoProfile', '-NonInteractive', '-EncodedCommand', encodeScript(WINDOWS_PROBE_SCRIPT)];
    return parseWindowsProbe(await outputOf(shell, parameters, signal), {
      processorIdentifier: process.env['PROCESSOR_IDENTIFIER'] ?? '',
      cpuName,
      logicalProcessors,
    });
  }
  if (platform === 'darwin') {
    const [sysctl, displays] = await Promise.all([
      outputOf('/usr/sbin/sysctl', SYSCTL_NAMES, signal, [1]),
      outputOf('/usr/sbin/system_profiler', ['SPDisplaysDataType', '-json'], signal),
    ]);
    return parseMacosProbe(sysctl, displays, { arch: process.arch, cpuName, logicalProcessors });
  }
  if (platform === 'linux') {
    const nvidiaSmi = hasNvidiaGpu('/')
      ? await outputOf('nvidia-smi', NVIDIA_SMI_ARGUMENTS, signal)
      : { notAvailable: 'no GPU of NVIDIA' };
    return { cpu: probeLinuxCpu('/'), accelerators: probeLinuxAccelerators('/', nvidiaSmi), notAvailable: [] };
  }
  const unread = { notAvailable: `aipc does not read ${platform}` };
  return {
    cpu: {
      id: 'cpu',
      name: cpuName,
      vendor: 'other',
      logicalProcessors,
      physicalCores: unread,
      cores: unread,
      instructionSets: unread,
    },
    accelerators: [],
    notAvailable: [`GPUs and NPUs: not available (${unread.notAvailable})`],
  };
}

/** What a program writes to its standard output, or why there is nothing. `accepted`: exit codes that are no failure. */
async function outputOf(
  program: string,
  parameters: readonly string[],
  signal: AbortSignal | undefined,
  accepted: readonly number[] = [],
): Promise<Fact<string>> {
  try {
    const { stdout } = await promisify(execFile)(program, parameters, {
      timeout: PROGRAM_TIMEOUT_MS,
      maxBuffer: MOST_OUTPUT_BYTES,
      windowsHide: true,
      ...(signal === undefined ? {} : { signal }),
    });
    return stdout;
  } catch (error) {
    signal?.throwIfAborted();
    const { code, killed, stdout } = error as { code?: number | string; killed?: boolean; stdout?: string };
    if (typeof code === 'number' && accepted.includes(code) && stdout !== undefined) return stdout;
    const name = program.replace(/^.*[\\/]/u, '');
    if (code === 'ENOENT') return { notAvailable: `${name} is not on this machine` };
    return {
      notAvailable:
        killed === true
          ? `${name} did not answer in ${PROGRAM_TIMEOUT_MS / 1000} s`
          : `${name} failed: ${code ?? 'killed'}`,
    };
  }
}
