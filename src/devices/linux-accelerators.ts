/**
 * GPUs and NPUs as Linux tells of them. PCI's own list is the source (a GPU without a kernel driver has no
 * /sys/class/drm, NVIDIA's data-centre ones never do); /sys/class/drm and /sys/class/accel add devices that are not on
 * PCI. Memory: amdgpu's files; NVIDIA's own tool tells theirs, where it is installed; i915 and xe do not tell it.
 */
import { release } from 'node:os';
import type { Fact, FoundAccelerator } from './device.js';
import { linkName, listFolder, readByte, readText } from './linux-files.js';
import { pciGeneration, pciVendor, VENDOR_NAMES } from './pci-ids.js';

/** PCI class codes. */
const DISPLAY_CONTROLLER = '0x03';
const PROCESSING_ACCELERATOR = '0x12';
/** AMD's NPU calls itself a signal processing controller. Source: amdxdna, which binds by id. */
const AMD_NPU_IDS: readonly string[] = ['1502', '17f0'];
/** What virtual machines show instead of a GPU. */
const VIRTUAL_VENDORS: readonly string[] = ['1234', '1b36', '1af4', '15ad', '80ee', '1013', '1414'];

/** What is asked of `nvidia-smi --query-gpu=pci.bus_id,memory.total,name --format=csv,noheader,nounits`. */
export const NVIDIA_SMI_ARGUMENTS = [
  '--query-gpu=pci.bus_id,memory.total,name',
  '--format=csv,noheader,nounits',
] as const;

export function hasNvidiaGpu(root: string): boolean {
  return pciAccelerators(root).some(({ vendor }) => vendor === '10de');
}

export function probeLinuxAccelerators(root: string, nvidiaSmi: Fact<string>): readonly FoundAccelerator[] {
  return [...pciAccelerators(root).map((device) => describe(root, device, nvidiaSmi)), ...platformAccelerators(root)];
}

interface PciDevice {
  readonly address: string;
  readonly kind: 'gpu' | 'npu';
  readonly vendor: string;
  readonly device: string;
}

const PCI = 'sys/bus/pci/devices';

function pciAccelerators(root: string): readonly PciDevice[] {
  return listFolder(root, PCI).flatMap((address) => {
    const id = (file: string): string => (readText(root, PCI, address, file) ?? '').replace(/^0x/u, '').toLowerCase();
    const pciClass = readText(root, PCI, address, 'class') ?? '';
    const [vendor, device] = [id('vendor'), id('device')];
    const isNpu = pciClass.startsWith(PROCESSING_ACCELERATOR) || (vendor === '1022' && AMD_NPU_IDS.includes(device));
    const isGpu = pciClass.startsWith(DISPLAY_CONTROLLER) && !VIRTUAL_VENDORS.includes(vendor);
    return isNpu || isGpu ? [{ address, kind: isNpu ? ('npu' as const) : ('gpu' as const), vendor, device }] : [];
  });
}

function describe(root: string, found: PciDevice, nvidiaSmi: Fact<string>): FoundAccelerator {
  const { address, kind, vendor, device } = found;
  const generation = pciGeneration(kind, vendor, device);
  const driver = linkName(root, PCI, address, 'driver');
  const nvidia = vendor === '10de' ? nvidiaFacts(root, address, nvidiaSmi) : undefined;
  const vendorName = VENDOR_NAMES[pciVendor(vendor)];
  return {
    kind,
    name:
      nvidia?.name ??
      `${vendorName} ${kind.toUpperCase()}${generation === undefined ? ` ${vendor}:${device}` : ` (${generation.name})`}`,
    vendor: pciVendor(vendor),
    generation: generation?.name ?? null,
    isIntegrated: generation?.isIntegrated ?? integratedByDriver(root, found),
    pciIds: { vendor, device },
    pciAddress: address,
    luid: null,
    driver: {
      name: driver ?? { notAvailable: 'no kernel driver is bound to it' },
      version: driverVersion(root, driver, kind),
    },
    dedicatedMemoryBytes: nvidia?.memory ?? memoryOf(root, address, generation?.isIntegrated ?? false),
  };
}

/**
 * amdgpu's table of measurements has layout 1 for discrete GPUs, 2 and 3 for integrated ones.
 * Source: Linux, drivers/gpu/drm/amd/include/kgd_pp_interface.h (struct metrics_table_header).
 */
function integratedByDriver(root: string, { address, vendor, kind }: PciDevice): boolean | null {
  if (kind === 'npu') return true;
  if (vendor === '10de') return false;
  const layout = readByte(2, root, PCI, address, 'gpu_metrics');
  return layout === undefined ? null : layout > 1;
}

function memoryOf(root: string, address: string, isIntegrated: boolean): Fact<number> {
  const amd = readText(root, PCI, address, 'mem_info_vram_total');
  if (amd !== undefined) return Number(amd);
  return { notAvailable: isIntegrated ? "it uses the machine's memory" : 'its kernel driver does not tell it' };
}

function nvidiaFacts(
  root: string,
  address: string,
  nvidiaSmi: Fact<string>,
): { readonly name: string | undefined; readonly memory: Fact<number> } {
  const information = readText(root, 'proc/driver/nvidia/gpus', address, 'information') ?? '';
  const name = /^Model:\s*(.+)$/mu.exec(information)?.[1]?.trim();
  if (typeof nvidiaSmi !== 'string') return { name, memory: nvidiaSmi };
  // 00000000:01:00.0, 24564, NVIDIA GeForce RTX 4090
  const line = nvidiaSmi.split('\n').find((text) => text.toLowerCase().split(',')[0]?.trim().endsWith(address));
  const [, mebibytes, smiName] = (line ?? '').split(',').map((part) => part.trim());
  const bytes = Number(mebibytes) * 2 ** 20;
  return {
    name: name ?? smiName,
    memory: Number.isFinite(bytes) ? bytes : { notAvailable: 'nvidia-smi does not list this GPU' },
  };
}

/**
 * The driver's own version, or the kernel's where it comes with it. For Intel's NPU the user-mode driver decides, whose
 * library carries its release in its name (libze_intel_npu.so.1.28.0).
 */
function driverVersion(root: string, driver: string | undefined, kind: 'gpu' | 'npu'): Fact<string> {
  if (driver === undefined) return { notAvailable: 'no kernel driver is bound to it' };
  if (driver === 'nvidia') {
    const text = readText(root, 'proc/driver/nvidia/version') ?? '';
    const version = /Kernel Module(?: for \S+)?\s+([\d.]+)/u.exec(text)?.[1];
    return version ?? { notAvailable: '/proc/driver/nvidia/version does not tell it' };
  }
  if (kind === 'npu' && driver === 'intel_vpu') {
    return npuLibraryVersion(root) ?? { notAvailable: "Intel's user-mode driver (libze_intel_npu) is not installed" };
  }
  const kernel = readText(root, 'proc/sys/kernel/osrelease') ?? release();
  return readText(root, 'sys/module', driver, 'version') ?? `of Linux ${kernel}`;
}

const LIBRARY_FOLDERS = ['usr/lib/x86_64-linux-gnu', 'usr/lib64', 'usr/lib', 'usr/local/lib'];

function npuLibraryVersion(root: string): string | undefined {
  const names = LIBRARY_FOLDERS.flatMap((folder) => listFolder(root, folder));
  return names.flatMap((name) => /^libze_intel_(?:npu|vpu)\.so\.(\d+\.\d+\.\d+)/u.exec(name)?.[1] ?? []).at(-1);
}

/** GPUs and NPUs that are not on PCI: of Arm systems. */
function platformAccelerators(root: string): readonly FoundAccelerator[] {
  const isOnPci = (folder: string, name: string): boolean =>
    readText(root, folder, name, 'device/vendor') !== undefined;
  const found = [
    ...listFolder(root, 'sys/class/drm')
      .filter((name) => /^renderD\d+$/u.test(name))
      .map((name) => ({ kind: 'gpu' as const, folder: 'sys/class/drm', name })),
    ...listFolder(root, 'sys/class/accel')
      .filter((name) => /^accel\d+$/u.test(name))
      .map((name) => ({ kind: 'npu' as const, folder: 'sys/class/accel', name })),
  ];
  return found
    .filter(({ folder, name }) => !isOnPci(folder, name))
    .map(({ kind, folder, name }) => {
      const driver = linkName(root, folder, name, 'device/driver');
      const isQualcomm = driver?.startsWith('msm') === true || driver?.startsWith('qcom') === true;
      return {
        kind,
        name: `${kind.toUpperCase()} ${name}${driver === undefined ? '' : ` (${driver})`}`,
        vendor: isQualcomm ? ('qualcomm' as const) : ('other' as const),
        generation: null,
        isIntegrated: true,
        pciIds: null,
        pciAddress: null,
        luid: null,
        driver: {
          name: driver ?? { notAvailable: 'no kernel driver is bound to it' },
          version: `of Linux ${readText(root, 'proc/sys/kernel/osrelease') ?? release()}`,
        },
        dedicatedMemoryBytes: { notAvailable: "it uses the machine's memory" },
      };
    });
}
