/**
 * CPU, GPU and NPU as macOS tells of them: `sysctl` and `system_profiler SPDisplaysDataType -json`.
 * Performance level 0 is the fastest kind of core.
 */
import type { CoreCounts, CpuDevice, Fact, FoundAccelerator, InstructionSet, Probe } from './device.js';
import { pciGeneration, pciVendor } from './pci-ids.js';

/** Names that a Mac does not have make sysctl end with 1; it prints the others all the same. */
export const SYSCTL_NAMES = [
  'machdep.cpu.brand_string',
  'machdep.cpu.leaf7_features',
  'hw.physicalcpu',
  'hw.perflevel0.physicalcpu',
  'hw.perflevel1.physicalcpu',
  'hw.optional.arm.FEAT_DotProd',
  'hw.optional.arm.FEAT_I8MM',
] as const;

export interface MacosFacts {
  readonly arch: string;
  readonly cpuName: string;
  readonly logicalProcessors: number;
}

interface Display {
  readonly sppci_model?: string;
  readonly _name?: string;
  readonly sppci_bus?: string;
  readonly spdisplays_vendor?: string;
  readonly 'spdisplays_vendor-id'?: string;
  readonly 'spdisplays_device-id'?: string;
  readonly spdisplays_vram?: string;
  readonly sppci_cores?: string;
  readonly spdisplays_mtlgpufamilysupport?: string;
}

export function parseMacosProbe(sysctl: Fact<string>, displaysJson: Fact<string>, facts: MacosFacts): Probe {
  const values = new Map(
    (typeof sysctl === 'string' ? sysctl.split('\n') : []).flatMap((line) => {
      const colon = line.indexOf(': ');
      return colon === -1 ? [] : [[line.slice(0, colon), line.slice(colon + 2).trim()] as const];
    }),
  );
  const displays = typeof displaysJson === 'string' ? parseDisplays(displaysJson) : displaysJson;
  const cpu = describeCpu(values, sysctl, facts);
  return {
    cpu,
    accelerators: [
      ...('notAvailable' in displays ? [] : displays.map((display) => describeGpu(display, facts))),
      ...(facts.arch === 'arm64' ? [neuralEngine(cpu.name)] : []),
    ],
    notAvailable: [
      ...(typeof sysctl === 'string' ? [] : [`cores and instruction sets: not available (${sysctl.notAvailable})`]),
      ...('notAvailable' in displays ? [`GPUs: not available (${displays.notAvailable})`] : []),
    ],
  };
}

function parseDisplays(json: string): readonly Display[] | { readonly notAvailable: string } {
  try {
    const { SPDisplaysDataType } = JSON.parse(json) as { SPDisplaysDataType?: unknown };
    if (Array.isArray(SPDisplaysDataType)) return SPDisplaysDataType as readonly Display[];
  } catch {
    // Said below, with what was found.
  }
  return { notAvailable: `system_profiler answered '${json.slice(0, 80)}'` };
}

function describeCpu(values: ReadonlyMap<string, string>, sysctl: Fact<string>, facts: MacosFacts): CpuDevice {
  const name = values.get('machdep.cpu.brand_string') ?? facts.cpuName;
  const number = (key: string): number | undefined => {
    const text = values.get(key);
    return text === undefined ? undefined : Number(text);
  };
  const missing = { notAvailable: typeof sysctl === 'string' ? 'sysctl does not tell it' : sysctl.notAvailable };
  const physical = number('hw.physicalcpu');
  const performance = number('hw.perflevel0.physicalcpu') ?? physical;
  const cores: Fact<CoreCounts> =
    performance === undefined
      ? missing
      : { performance, efficiency: number('hw.perflevel1.physicalcpu') ?? 0, lowPower: 0 };
  const sets: readonly InstructionSet[] =
    facts.arch === 'arm64'
      ? [
          'neon',
          ...(values.get('hw.optional.arm.FEAT_DotProd') === '1' ? (['neon-dotprod'] as const) : []),
          ...(values.get('hw.optional.arm.FEAT_I8MM') === '1' ? (['neon-i8mm'] as const) : []),
        ]
      : [
          ...(/\bAVX2\b/u.test(values.get('machdep.cpu.leaf7_features') ?? '') ? (['avx2'] as const) : []),
          ...(/\bAVX512VNNI\b/u.test(values.get('machdep.cpu.leaf7_features') ?? '') ? (['avx512-vnni'] as const) : []),
        ];
  return {
    id: 'cpu',
    name,
    vendor: /apple/iu.test(name) ? 'apple' : /intel/iu.test(name) ? 'intel' : 'other',
    logicalProcessors: facts.logicalProcessors,
    physicalCores: physical ?? missing,
    cores,
    instructionSets: typeof sysctl === 'string' ? sets : missing,
  };
}

function describeGpu(display: Display, { arch }: MacosFacts): FoundAccelerator {
  const vendorText = display['spdisplays_vendor-id'] ?? /0x[0-9a-f]{4}/iu.exec(display.spdisplays_vendor ?? '')?.[0];
  const vendorId = vendorText?.replace(/^0x/iu, '').toLowerCase();
  const deviceId = display['spdisplays_device-id']?.replace(/^0x/iu, '').toLowerCase();
  const words = `${display.spdisplays_vendor ?? ''} ${display.sppci_model ?? ''}`;
  const vendor =
    vendorId !== undefined
      ? pciVendor(vendorId)
      : /apple/iu.test(words)
        ? 'apple'
        : /intel/iu.test(words)
          ? 'intel'
          : /amd|radeon/iu.test(words)
            ? 'amd'
            : 'other';
  const generation =
    vendorId === undefined || deviceId === undefined ? undefined : pciGeneration('gpu', vendorId, deviceId);
  const isIntegrated = arch === 'arm64' || display.sppci_bus === 'spdisplays_builtin';
  const memory = /^(\d+) (GB|MB)$/u.exec(display.spdisplays_vram ?? '');
  return {
    kind: 'gpu',
    name: display.sppci_model ?? display._name ?? 'a GPU without a name',
    vendor,
    generation: generation?.name ?? (vendor === 'apple' ? 'Apple silicon' : null),
    isIntegrated,
    pciIds: vendorId === undefined || deviceId === undefined ? null : { vendor: vendorId, device: deviceId },
    pciAddress: null,
    luid: null,
    driver: { name: 'Metal', version: { notAvailable: 'it comes with macOS' } },
    dedicatedMemoryBytes:
      memory === null
        ? { notAvailable: "it uses the machine's memory" }
        : Number(memory[1]) * (memory[2] === 'GB' ? 2 ** 30 : 2 ** 20),
  };
}

/** macOS lists it nowhere; every Mac with Apple's own processor has one. */
function neuralEngine(cpuName: string): FoundAccelerator {
  return {
    kind: 'npu',
    name: `${cpuName} Neural Engine`,
    vendor: 'apple',
    generation: 'Apple silicon',
    isIntegrated: true,
    pciIds: null,
    pciAddress: null,
    luid: null,
    driver: { name: 'Core ML', version: { notAvailable: 'it comes with macOS' } },
    dedicatedMemoryBytes: { notAvailable: "it uses the machine's memory" },
  };
}
