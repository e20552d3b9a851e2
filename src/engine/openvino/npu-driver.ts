/**
 * Whether OpenVINO finds an NPU here whose driver is new enough, and what to do where not. It compiles nothing.
 */
import { EngineError, NotFoundError } from '../../errors.js';
import type { OvApi } from './c-api.js';
import { OLDEST_NPU_DRIVERS } from './device-profiles.js';
import { hasIntelDevice, linuxDriverAdvice } from './linux-drivers.js';

/** What to do where OpenVINO finds no NPU. `root` is '/' outside of tests. */
export function missingNpuRemedy(platform: NodeJS.Platform, root = '/'): string {
  if (platform === 'win32') {
    return (
      "An Intel NPU (Core Ultra) needs Intel's driver, after which the Device Manager lists 'Intel(R) AI Boost' under " +
      `Neural processors: ${OLDEST_NPU_DRIVERS.win32.download}`
    );
  }
  if (platform !== 'linux') return 'OpenVINO runs NPUs on Windows and Linux only.';
  if (!hasIntelDevice('npu', root)) {
    return (
      'This machine shows no Intel NPU (lspci -nn -d 8086::1200): the processor must be a Core Ultra, with the NPU ' +
      'enabled in the firmware.'
    );
  }
  const advice = linuxDriverAdvice(root, ['npu']);
  if (advice.length > 0) return advice.join(' ');
  return 'Device, driver and compiler are there; see what the kernel says: sudo dmesg | grep intel_vpu';
}

/** A driver's version in words, of NPU_DRIVER_VERSION; undefined where the number is of no known kind. */
export function driverVersionName(platform: NodeJS.Platform, number: number): string | undefined {
  if (platform === 'win32' && number >= 1_000_000 && number < 10_000_000) {
    return `32.0.${Math.floor(number / 10_000)}.${number % 10_000}`;
  }
  if (platform === 'linux' && number >= 1e9 && number < 1e10) {
    return `of ${new Date(number * 1000).toISOString().slice(0, 10)}`;
  }
  return undefined;
}

/** Throws RUNTIME_INCOMPATIBLE for a driver older than the oldest that runs language models. */
export function refuseOldNpuDriver(platform: NodeJS.Platform, versionNumber: string): void {
  const number = Number(versionNumber);
  const name = driverVersionName(platform, number);
  if (name === undefined || (platform !== 'win32' && platform !== 'linux')) return;
  const oldest = OLDEST_NPU_DRIVERS[platform];
  if (number >= oldest.number) return;
  throw new EngineError(
    'RUNTIME_INCOMPATIBLE',
    `The NPU's driver ${name} is too old for language models: ${oldest.version} or newer is needed. Install the ` +
      `newest: ${oldest.download} (to try it as it is, give allowUnsupported, --allow-unsupported).`,
    { details: { driverVersion: name, oldest: oldest.version, override: 'allowUnsupported' } },
  );
}

export interface NpuRequirements {
  readonly allowUnsupported: boolean;
}

/** Throws DEVICE_NOT_FOUND where OpenVINO finds no NPU, RUNTIME_INCOMPATIBLE where its driver is too old. */
export async function requireNpu(api: OvApi, { allowUnsupported }: NpuRequirements): Promise<void> {
  const available = await api.async.availableDevices();
  const { platform } = process;
  if (!available.some((name) => /^NPU(\.\d+)?$/.test(name))) {
    const devices = available.map((name) => name.toLowerCase());
    throw new NotFoundError(
      'DEVICE_NOT_FOUND',
      `OpenVINO ${api.version} finds no npu on this machine, only: ${devices.join(', ')}. ${missingNpuRemedy(platform)}`,
      { details: { device: 'npu', available: devices } },
    );
  }
  if (!allowUnsupported) refuseOldNpuDriver(platform, await api.async.deviceProperty('NPU', 'NPU_DRIVER_VERSION'));
}
