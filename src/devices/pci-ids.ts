/**
 * What PCI ids say of a GPU or NPU: vendor, generation, whether it shares the machine's memory. Data to be read in one
 * place; an id that is not here is a device without a known generation, no error.
 *
 * Sources: Linux, include/drm/intel/pciids.h (Intel's GPUs), drivers/accel/ivpu/ivpu_drv.h (Intel's NPUs),
 * drivers/accel/amdxdna/amdxdna_pci_drv.c (AMD's NPUs).
 */
import type { DeviceVendor } from './device.js';

const VENDORS: Readonly<Record<string, DeviceVendor>> = {
  '8086': 'intel',
  '1002': 'amd',
  '1022': 'amd', // AMD's processors, the NPU among them
  '10de': 'nvidia',
  '17cb': 'qualcomm',
  '5143': 'qualcomm', // ACPI's and DXGI's id of Qualcomm
  '4d4f4351': 'qualcomm', // 'QCOM', as DXGI gives it for Adreno
  '106b': 'apple',
};

export function pciVendor(vendorId: string): DeviceVendor {
  return VENDORS[vendorId.toLowerCase()] ?? 'other';
}

export const VENDOR_NAMES: Readonly<Record<DeviceVendor, string>> = {
  intel: 'Intel',
  amd: 'AMD',
  nvidia: 'NVIDIA',
  qualcomm: 'Qualcomm',
  apple: 'Apple',
  other: 'unknown vendor',
};

export interface Generation {
  readonly name: string;
  readonly isIntegrated: boolean;
}

interface GenerationIds extends Generation {
  /** Device ids, or what they begin with. */
  readonly ids: readonly string[];
}

const INTEL_GPUS: readonly GenerationIds[] = [
  { name: 'Tiger Lake', isIntegrated: true, ids: ['9a4', '9a5', '9a6', '9a7', '9ac', '9ad', '9af'] },
  { name: 'Rocket Lake', isIntegrated: true, ids: ['4c8', '4c9'] },
  { name: 'Alder Lake', isIntegrated: true, ids: ['468', '469', '46a', '46b', '46c', '46d', '462'] },
  { name: 'Raptor Lake', isIntegrated: true, ids: ['a78', 'a72', 'a7a'] },
  { name: 'Meteor Lake', isIntegrated: true, ids: ['7d40', '7d45', '7d55', '7d60', '7dd5'] },
  { name: 'Arrow Lake', isIntegrated: true, ids: ['7d51', '7dd1', '7d41', '7d67', 'b640'] },
  { name: 'Lunar Lake', isIntegrated: true, ids: ['6420', '64a0', '64b0'] },
  { name: 'Panther Lake', isIntegrated: true, ids: ['b08', 'b090', 'b0a0', 'b0b0'] },
  { name: 'Wildcat Lake', isIntegrated: true, ids: ['fd80', 'fd81'] },
  { name: 'Nova Lake', isIntegrated: true, ids: ['d74', 'd75'] },
  { name: 'Iris Xe MAX (DG1)', isIntegrated: false, ids: ['490'] },
  { name: 'Arc A-series (Alchemist)', isIntegrated: false, ids: ['569', '56a', '56b', '56c'] },
  { name: 'Arc B-series (Battlemage)', isIntegrated: false, ids: ['e20', 'e21', 'e22'] },
];

const INTEL_NPUS: readonly GenerationIds[] = [
  { name: 'Meteor Lake', isIntegrated: true, ids: ['7d1d'] },
  { name: 'Arrow Lake', isIntegrated: true, ids: ['ad1d'] },
  { name: 'Lunar Lake', isIntegrated: true, ids: ['643e'] },
  { name: 'Panther Lake', isIntegrated: true, ids: ['b03e'] },
  { name: 'Wildcat Lake', isIntegrated: true, ids: ['fd3e'] },
];

const AMD_NPUS: readonly GenerationIds[] = [
  { name: 'XDNA 1 (Phoenix, Hawk Point)', isIntegrated: true, ids: ['1502'] },
  { name: 'XDNA 2 (Strix, Krackan)', isIntegrated: true, ids: ['17f0'] },
];

/** Undefined: not one that aipc knows. `deviceId`: four hexadecimal digits. */
export function pciGeneration(kind: 'gpu' | 'npu', vendorId: string, deviceId: string): Generation | undefined {
  const vendor = pciVendor(vendorId);
  const table =
    vendor === 'intel'
      ? kind === 'gpu'
        ? INTEL_GPUS
        : INTEL_NPUS
      : vendor === 'amd' && kind === 'npu'
        ? AMD_NPUS
        : [];
  const id = deviceId.toLowerCase();
  return table.find(({ ids }) => ids.some((known) => id.startsWith(known)));
}

/**
 * GPUs of Intel that multiply matrices in units of their own (XMX): they prefill several times as fast as those without.
 * Meteor Lake's and Arrow Lake U's and S's have none, Arrow Lake H's have.
 */
export function hasMatrixUnits(vendorId: string, deviceId: string): boolean {
  if (pciVendor(vendorId) !== 'intel') return false;
  const id = deviceId.toLowerCase();
  if (['7d51', '7dd1'].includes(id)) return true;
  const generation = pciGeneration('gpu', vendorId, id)?.name ?? '';
  return /^(Lunar|Panther|Wildcat|Nova) Lake|^Arc /u.test(generation);
}
