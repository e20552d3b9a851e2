/**
 * Whether this machine has an NPU that OpenVINO can use: is there a device, may this user open it, is a driver there,
 * is it new enough; and what to do where not. It compiles nothing and loads nothing but the plug-in.
 * Source of names: github.com/intel/linux-npu-driver (docs/overview.md), kernel driver intel_vpu.
 */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { EngineError, NotFoundError } from '../../errors.js';
import type { OvApi } from './c-api.js';
import { NPU_GENERATIONS, OLDEST_NPU_DRIVERS, type NpuGeneration } from './device-profiles.js';

/** What a Linux system shows of its NPU. */
export interface LinuxNpuFacts {
  /** PCI ids of the processing accelerators of vendor 8086, e.g. `643e`. */
  readonly pciDeviceIds: readonly string[];
  /** Device nodes such as /dev/accel/accel0, and whether this user may open them. */
  readonly nodes: readonly { readonly path: string; readonly isOpen: boolean }[];
  /** libze_loader.so.1 */
  readonly hasLevelZero: boolean;
  /** libze_intel_npu.so.1 */
  readonly hasDriver: boolean;
  /** libopenvino_intel_npu_compiler.so or libnpu_driver_compiler.so */
  readonly hasCompiler: boolean;
}

/** The part of node:fs that is asked, so that tests can give another machine. */
export interface FileFacts {
  readonly exists: (file: string) => boolean;
  /** Empty where there is no such folder. */
  readonly list: (folder: string) => readonly string[];
  /** Undefined where it cannot be read. */
  readonly read: (file: string) => string | undefined;
  readonly canReadAndWrite: (file: string) => boolean;
}

const SYSTEM_FILES: FileFacts = {
  exists: existsSync,
  list: (folder) => attempt(() => readdirSync(folder)) ?? [],
  read: (file) => attempt(() => readFileSync(file, 'utf8')),
  canReadAndWrite: (file) =>
    attempt(() => {
      accessSync(file, constants.R_OK | constants.W_OK);
      return true;
    }) ?? false,
};

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

const LIBRARY_FOLDERS = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/usr/local/lib',
  '/lib/x86_64-linux-gnu',
];
const INTEL_VENDOR = '0x8086';
/** PCI class 12: processing accelerators. */
const ACCELERATOR_CLASS = '0x12';

/** `runtimeFolder`: where OpenVINO's own libraries are, which may bring the compiler. */
export function readLinuxNpuFacts(runtimeFolder: string, files: FileFacts = SYSTEM_FILES): LinuxNpuFacts {
  const pciFolder = '/sys/bus/pci/devices';
  const property = (device: string, name: string): string =>
    files.read(path.posix.join(pciFolder, device, name))?.trim() ?? '';
  const has = (names: readonly string[], folders: readonly string[]): boolean =>
    folders.some((folder) => names.some((name) => files.exists(path.posix.join(folder, name))));
  return {
    pciDeviceIds: files
      .list(pciFolder)
      .filter(
        (device) =>
          property(device, 'vendor') === INTEL_VENDOR && property(device, 'class').startsWith(ACCELERATOR_CLASS),
      )
      .map((device) => property(device, 'device').replace(/^0x/, '')),
    nodes: files
      .list('/dev/accel')
      .filter((name) => /^accel\d+$/.test(name))
      .map((name) => ({ path: `/dev/accel/${name}`, isOpen: files.canReadAndWrite(`/dev/accel/${name}`) })),
    hasLevelZero: has(['libze_loader.so.1'], LIBRARY_FOLDERS),
    hasDriver: has(['libze_intel_npu.so.1', 'libze_intel_vpu.so.1'], LIBRARY_FOLDERS),
    hasCompiler: has(
      ['libopenvino_intel_npu_compiler.so', 'libnpu_driver_compiler.so'],
      [...LIBRARY_FOLDERS, runtimeFolder],
    ),
  };
}

const { linux: LINUX_DRIVER, win32: WINDOWS_DRIVER } = OLDEST_NPU_DRIVERS;

/** The next steps, in order, that would make a Linux system's NPU usable; empty where nothing seems to be missing. */
export function linuxNpuSteps(facts: LinuxNpuFacts): readonly string[] {
  const generation = NPU_GENERATIONS.find(({ pciDeviceId }) => facts.pciDeviceIds.includes(pciDeviceId));
  if (generation === undefined && facts.nodes.length === 0) {
    return [
      'This machine shows no Intel NPU (lspci -nn -d 8086::1200): the processor must be a Core Ultra, with the NPU ' +
        'enabled in the firmware.',
    ];
  }
  const steps: string[] = [];
  if (facts.nodes.length === 0) {
    steps.push('There is no /dev/accel/accel0: load the kernel driver (sudo modprobe intel_vpu; Linux 6.6 or newer).');
  }
  const packages = [
    ...(facts.hasDriver ? [] : ['intel-fw-npu', 'intel-level-zero-npu']),
    ...(facts.hasCompiler ? [] : ['intel-driver-compiler-npu']),
  ];
  if (packages.length > 0) {
    const version = generation === undefined ? '' : ` (${versionFor(generation)} or newer for ${generation.processor})`;
    steps.push(
      `Install ${packages.join(', ')} from ${LINUX_DRIVER.download}${version}: ` +
        `sudo apt install ${packages.map((name) => `./${name}_*.deb`).join(' ')}`,
    );
  }
  if (!facts.hasLevelZero) steps.push('Install the Level Zero loader: sudo apt install libze1 (or level-zero).');
  const closed = facts.nodes.filter(({ isOpen }) => !isOpen).map((node) => node.path);
  if (closed.length > 0 && closed.length === facts.nodes.length) {
    steps.push(
      `This user may not open ${closed.join(', ')}: sudo usermod -a -G render $USER, then log in again ` +
        `(if it stays closed: sudo chown root:render ${closed[0] ?? ''} && sudo chmod g+rw ${closed[0] ?? ''}).`,
    );
  }
  return steps;
}

function versionFor({ firstLinuxDriver }: NpuGeneration): string {
  const parts = (version: string): number => version.split('.').reduce((sum, part) => sum * 1000 + Number(part), 0);
  return parts(firstLinuxDriver) > parts(LINUX_DRIVER.version) ? firstLinuxDriver : LINUX_DRIVER.version;
}

/** What to do where OpenVINO finds no NPU. */
export function missingNpuRemedy(platform: NodeJS.Platform, facts: () => LinuxNpuFacts): string {
  if (platform === 'win32') {
    return (
      "An Intel NPU (Core Ultra) needs Intel's driver, after which the Device Manager lists 'Intel(R) AI Boost' under " +
      `Neural processors: ${WINDOWS_DRIVER.download}`
    );
  }
  if (platform !== 'linux') return 'OpenVINO runs NPUs on Windows and Linux only.';
  const steps = linuxNpuSteps(facts());
  if (steps.length > 0) return steps.join(' ');
  return 'Device node, driver and compiler are there; see what the kernel says: sudo dmesg | grep intel_vpu';
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
    const remedy = missingNpuRemedy(platform, () => readLinuxNpuFacts(path.dirname(api.file)));
    throw new NotFoundError(
      'DEVICE_NOT_FOUND',
      `OpenVINO ${api.version} finds no npu on this machine, only: ${devices.join(', ')}. ${remedy}`,
      { details: { device: 'npu', available: devices } },
    );
  }
  if (!allowUnsupported) refuseOldNpuDriver(platform, await api.async.deviceProperty('NPU', 'NPU_DRIVER_VERSION'));
}
