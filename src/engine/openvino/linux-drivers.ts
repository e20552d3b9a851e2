/**
 * What Intel's GPU and NPU need on Linux beside OpenVINO, and what of it is missing on this machine. It looks at files
 * only, loads nothing and installs nothing.
 *
 * Sources: docs.openvino.ai, "Configurations for Intel GPU" and "... Intel NPU"; the releases of
 * github.com/intel/linux-npu-driver; the kernel's drivers i915, xe and intel_vpu (ivpu).
 */
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { NPU_GENERATIONS } from './device-profiles.js';

/** As Debian and Ubuntu name them. */
export const LINUX_PACKAGES = {
  gpu: ['intel-opencl-icd', 'ocl-icd-libopencl1'],
  npu: ['intel-driver-compiler-npu', 'intel-fw-npu', 'intel-level-zero-npu', 'level-zero'],
} as const;

/** The group that owns the devices' files. */
export const RENDER_GROUP = 'render';

export type DriverKind = keyof typeof LINUX_PACKAGES;

interface Requirements {
  readonly name: string;
  /** PCI class codes begin with this. */
  readonly pciClass: string;
  readonly kernelDriver: string;
  /** Device files, below the root. */
  readonly devices: { readonly folder: string; readonly file: RegExp };
  /** Libraries of the driver, in any folder of libraries. */
  readonly libraries: readonly RegExp[];
  readonly packageSource: string;
}

const INTEL = '0x8086';

const REQUIREMENTS: Readonly<Record<DriverKind, Requirements>> = {
  gpu: {
    name: 'GPU',
    pciClass: '0x03', // display controller
    kernelDriver: 'i915 or xe',
    devices: { folder: 'dev/dri', file: /^renderD\d+$/ },
    libraries: [/^libOpenCL\.so\.1/, /^libigdrcl\.so/],
    packageSource: "your distribution's packages, or github.com/intel/compute-runtime/releases for newer GPUs",
  },
  npu: {
    name: 'NPU',
    pciClass: '0x12', // processing accelerator
    kernelDriver: 'intel_vpu (Linux 6.8 or newer)',
    devices: { folder: 'dev/accel', file: /^accel\d+$/ },
    libraries: [
      /^libze_loader\.so/,
      /^libze_intel_(?:npu|vpu)\.so/,
      /^lib(?:openvino_intel_npu_compiler|npu_driver_compiler)\.so/, // not in OpenVINO's own packages for Linux
    ],
    packageSource: 'github.com/intel/linux-npu-driver/releases',
  },
};

const LIBRARY_FOLDERS = [
  'usr/lib/x86_64-linux-gnu',
  'usr/lib/x86_64-linux-gnu/intel-opencl',
  'usr/lib64',
  'usr/lib64/intel-opencl',
  'usr/lib',
  'usr/lib/intel-opencl',
  'usr/local/lib',
];

/** For each Intel GPU or NPU in this machine that is not ready to be used: what is missing and what to do. */
export function linuxDriverAdvice(root = '/', kinds: readonly DriverKind[] = ['gpu', 'npu']): readonly string[] {
  return kinds.flatMap((kind) => {
    const requirements = REQUIREMENTS[kind];
    if (!hasIntelDevice(kind, root)) return [];
    const steps = missingSteps(root, kind, requirements);
    return steps.length === 0 ? [] : [`Intel ${requirements.name}: ${steps.join('; ')}.`];
  });
}

function missingSteps(root: string, kind: DriverKind, requirements: Requirements): readonly string[] {
  const { devices, libraries, kernelDriver, packageSource } = requirements;
  const folder = path.join(root, devices.folder);
  const nodes = list(folder).filter((name) => devices.file.test(name));
  const installed = LIBRARY_FOLDERS.flatMap((name) => list(path.join(root, name)));
  const hasLibraries = libraries.every((library) => installed.some((name) => library.test(name)));
  return [
    ...(nodes.length > 0 ? [] : [`no ${devices.folder}: the kernel's driver ${kernelDriver} is not loaded`]),
    ...(hasLibraries
      ? []
      : [`install ${LINUX_PACKAGES[kind].join(', ')} (${packageSource}${kind === 'npu' ? oldestRelease(root) : ''})`]),
    ...(nodes.every((name) => canUse(path.join(folder, name)))
      ? []
      : [`let this user use it: sudo usermod -aG ${RENDER_GROUP} "$USER", then log in again`]),
  ];
}

/** Which release is the first for this machine's NPU, where that matters. */
function oldestRelease(root: string): string {
  const ids = pciDevices(root, REQUIREMENTS.npu.pciClass);
  const generation = NPU_GENERATIONS.find(({ pciDeviceId }) => ids.includes(pciDeviceId));
  return generation === undefined ? '' : `, ${generation.firstLinuxDriver} or newer for ${generation.processor}`;
}

/** Whether Linux sees an Intel GPU or NPU in this machine, driver or not. */
export function hasIntelDevice(kind: DriverKind, root = '/'): boolean {
  return pciDevices(root, REQUIREMENTS[kind].pciClass).length > 0;
}

/** PCI device ids of Intel's devices of a class, e.g. `643e`. */
function pciDevices(root: string, pciClass: string): readonly string[] {
  const folder = path.join(root, 'sys', 'bus', 'pci', 'devices');
  return list(folder).flatMap((name) => {
    const read = (file: string): string => readText(path.join(folder, name, file));
    const isOne = read('vendor') === INTEL && read('class').startsWith(pciClass);
    return isOne ? [read('device').replace(/^0x/, '')] : [];
  });
}

/** Whether this user may read and write a device's file. */
export function canUse(file: string): boolean {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
