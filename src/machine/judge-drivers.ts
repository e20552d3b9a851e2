/**
 * Drivers against the oldest with which language models run, and what keeps a device from being used: pure but for
 * Linux' files, which linux-drivers.ts looks at. The versions are data of the engine's device profiles.
 */
import { isKnown, type Accelerator, type DriverFacts, type FoundAccelerator, type Machine } from '../devices/device.js';
import { NPU_GENERATIONS, OLDEST_NPU_DRIVERS } from '../engine/openvino/device-profiles.js';
import { linuxDriverAdvice } from '../engine/openvino/linux-drivers.js';

/**
 * CUDA 12's own floor (NVIDIA, CUDA compatibility: minor version compatibility), as nvidia-smi counts. On Windows the
 * system's number is another: its last five digits are NVIDIA's (32.0.15.6094 is 560.94).
 */
const OLDEST_NVIDIA_DRIVER = { linux: '525.60.13', win32: '528.33' } as const;

export function judgeAccelerator(
  found: FoundAccelerator & Pick<Accelerator, 'id'>,
  { platform }: Pick<Machine, 'platform'>,
  root = '/',
): Accelerator {
  const oldest = oldestDriver(found, platform);
  const { version } = found.driver;
  const comparable = isKnown(version) ? comparableVersion(found, version, platform) : undefined;
  const isTooOld = oldest === null || comparable === undefined ? null : compareVersions(comparable, oldest) < 0;
  const driver: DriverFacts = { ...found.driver, oldest, isTooOld };
  return { ...found, driver, problems: problemsOf(found, driver, platform, root) };
}

function oldestDriver({ kind, vendor, pciIds }: FoundAccelerator, platform: NodeJS.Platform): string | null {
  if (vendor === 'nvidia') return platform === 'linux' || platform === 'win32' ? OLDEST_NVIDIA_DRIVER[platform] : null;
  if (vendor !== 'intel' || kind !== 'npu') return null;
  if (platform === 'win32') return OLDEST_NPU_DRIVERS.win32.version;
  if (platform !== 'linux') return null;
  const generation = NPU_GENERATIONS.find(({ pciDeviceId }) => pciDeviceId === pciIds?.device);
  return generation?.firstLinuxDriver ?? OLDEST_NPU_DRIVERS.linux.version;
}

/** Undefined: not of a kind that can be compared. */
function comparableVersion(
  { vendor }: FoundAccelerator,
  version: string,
  platform: NodeJS.Platform,
): string | undefined {
  if (vendor === 'nvidia' && platform === 'win32') {
    const digits = version.replaceAll('.', '').slice(-5);
    return /^\d{5}$/u.test(digits) ? `${digits.slice(0, 3)}.${digits.slice(3)}` : undefined;
  }
  return /^\d+(\.\d+)+$/u.test(version) ? version : undefined;
}

/** Below 0: `a` is older. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number));
  for (let part = 0; part < Math.max(left?.length ?? 0, right?.length ?? 0); part += 1) {
    const difference = (left?.[part] ?? 0) - (right?.[part] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function problemsOf(
  { kind, vendor }: FoundAccelerator,
  { oldest, isTooOld, version, name }: DriverFacts,
  platform: NodeJS.Platform,
  root: string,
): readonly string[] {
  const problems: string[] = [];
  if (isTooOld === true && isKnown(version)) {
    const download =
      vendor === 'intel' && (platform === 'win32' || platform === 'linux')
        ? ` ${OLDEST_NPU_DRIVERS[platform].download}`
        : '';
    problems.push(`Its driver ${version} is older than ${oldest ?? ''}: install a newer one.${download}`);
  }
  if (platform === 'linux' && vendor === 'intel') problems.push(...linuxDriverAdvice(root, [kind]));
  else if (!isKnown(name)) problems.push(`It has no driver: ${name.notAvailable}.`);
  return problems;
}
