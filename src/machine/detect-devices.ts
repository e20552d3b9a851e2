/**
 * detectDevices(): this machine, its devices under one index, and which installed provider drives each, as the
 * runtimes themselves say. Nothing is loaded into this process.
 */
import { release, totalmem, type } from 'node:os';
import type { Machine } from '../devices/device.js';
import { numberDevices } from '../devices/number-devices.js';
import { probeMachine } from '../devices/probe-machine.js';
import type { ProviderStatus } from '../devices/provider.js';
import { availableMemoryBytes } from '../engine/memory.js';
import { refuseUnknownKeys } from '../options.js';
import { askRuntimes } from './ask-runtimes.js';
import { joinProviders } from './join-providers.js';
import { judgeAccelerator } from './judge-drivers.js';
import { checkPluginLibraries, requirePlugins } from './plugin-libraries.js';

export interface DetectedDevices {
  readonly machine: Machine;
  /** Each with the devices that it drives, or why it drives none. */
  readonly providers: readonly ProviderStatus[];
}

export interface DetectDevicesOptions {
  /** Plug-in execution providers of ONNX Runtime to ask, too: name -> path of the library, as loadModel() takes them. */
  readonly epLibraries?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/**
 * Takes tens of milliseconds for the hardware (on Windows about a second, of PowerShell) and one to some seconds for
 * the runtimes. What cannot be read is said in `machine.notAvailable` and in each fact. Devices that only a plug-in knows
 * stand behind the others. Throws OPTION_INVALID, RUNTIME_LIBRARY_NOT_FOUND, RUNTIME_INCOMPATIBLE or RUNTIME_FAILED for a
 * plug-in that cannot be loaded, and the signal's reason.
 */
export async function detectDevices(options: DetectDevicesOptions = {}): Promise<DetectedDevices> {
  refuseUnknownKeys('detectDevices', options, ['epLibraries', 'signal']);
  const { epLibraries, signal } = options;
  const libraries = checkPluginLibraries('detectDevices', epLibraries);
  const [machine, answer] = await Promise.all([detectMachine(signal), askRuntimes(libraries, signal)]);
  requirePlugins(answer.plugins);
  return joinProviders(machine, answer);
}

/** The hardware alone: no runtime is asked. */
export async function detectMachine(signal?: AbortSignal): Promise<Machine> {
  const { platform, arch } = process;
  const probe = await probeMachine(signal);
  const limit = process.constrainedMemory();
  return {
    platform,
    arch,
    system: `${type()} ${release()}`,
    cpu: probe.cpu,
    memory: {
      totalBytes: limit > 0 ? Math.min(limit, totalmem()) : totalmem(),
      availableBytes: availableMemoryBytes(),
    },
    accelerators: numberDevices(probe.accelerators).map((found) => judgeAccelerator(found, { platform })),
    notAvailable: probe.notAvailable,
  };
}
