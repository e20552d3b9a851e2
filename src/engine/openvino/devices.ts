/**
 * aipc's names of devices and OpenVINO's, and whether a device is there. It compiles nothing.
 */
import { NotFoundError, OptionError } from '../../errors.js';
import type { OvApi } from './c-api.js';
import type { DeviceKind } from './device-profiles.js';
import { LINUX_PACKAGES, linuxDriverAdvice, RENDER_GROUP } from './linux-drivers.js';

/** `cpu`, `gpu` (the first one), `gpu.0`, `gpu.1`..., `npu`. */
export type OpenvinoDevice = 'cpu' | 'gpu' | `gpu.${number}` | 'npu';

/** OpenVINO's name of a device. Throws OPTION_INVALID. */
export function openvinoDeviceName(where: string, device: string): string {
  if (/^(cpu|npu|gpu(\.\d{1,3})?)$/.test(device)) return device.toUpperCase();
  throw new OptionError(
    'OPTION_INVALID',
    `${where}: device must be cpu, gpu, gpu.0, gpu.1... or npu, found '${device.slice(0, 80)}'.`,
    { details: { option: 'device', found: device } },
  );
}

/** The kind of a device that OpenVINO names. */
export function deviceKind(name: string): DeviceKind {
  if (name === 'CPU') return 'cpu';
  return name.startsWith('NPU') ? 'npu' : 'gpu';
}

/** aipc's name of a device that OpenVINO names; `GPU` alone is the only one, number 0. */
export function aipcDeviceName(name: string): string {
  return name === 'GPU' ? 'gpu.0' : name.toLowerCase();
}

/** Throws DEVICE_NOT_FOUND, with what is there and what would make the device appear. */
export async function requireDevice(api: OvApi, name: string): Promise<void> {
  const available = await api.async.availableDevices();
  const isThere = available.some(
    (found) => found === name || (name === 'GPU' && found.startsWith('GPU')) || (name === 'GPU.0' && found === 'GPU'),
  );
  if (isThere) return;
  const reason = await api.async.deviceProperty(name, 'FULL_DEVICE_NAME').then(
    () => '',
    (error: unknown) => (error instanceof Error ? ` ${error.message}.` : ''),
  );
  const device = name.toLowerCase();
  throw new NotFoundError(
    'DEVICE_NOT_FOUND',
    `OpenVINO ${api.version} finds no ${device} on this machine, only: ` +
      `${available.map((found) => found.toLowerCase()).join(', ')}. ${remedyFor(device)}${reason}`,
    { details: { device, available: available.map((found) => found.toLowerCase()) } },
  );
}

function remedyFor(device: string): string {
  if (device.startsWith('gpu.')) return 'Number 0 is the first GPU; `aipc devices` lists them.';
  if (process.platform !== 'linux') return "An Intel GPU needs Intel's graphics driver.";
  const packages = LINUX_PACKAGES.gpu.join(', ');
  const needs = `An Intel GPU needs the packages ${packages}, and this user in the group '${RENDER_GROUP}'.`;
  return [needs, ...linuxDriverAdvice('/', ['gpu'])].join(' ');
}
