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

export interface DetectedDevices {
  readonly machine: Machine;
  /** Each with the devices that it drives, or why it drives none. */
  readonly providers: readonly ProviderStatus[];
}

export interface DetectDevicesOptions {
  readonly signal?: AbortSignal;
}

/**
 * Takes tens of milliseconds for the hardware (on Windows about a second, of PowerShell) and one to some seconds for
 * the runtimes. What cannot be read is said in `machine.notAvailable` and in each fact. Throws the signal's reason.
 */
export async function detectDevices(options: DetectDevicesOptions = {}): Promise<DetectedDevices> {
  refuseUnknownKeys('detectDevices', options, ['signal']);
  const { signal } = options;
  const [machine, answer] = await Promise.all([detectMachine(signal), askRuntimes(signal)]);
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
