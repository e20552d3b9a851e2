/**
 * The rules by which devices are ordered where nothing was measured, as data with their sources. They are of orders of
 * magnitude, not of this machine: `aipc bench` replaces them. The order of the providers of one device is that of
 * provider-knowledge.ts.
 *
 * Sources, decode of a 3.8-billion int4 model unless said otherwise:
 * - discrete before integrated: decoding reads every weight for every token, so it goes with memory bandwidth, several
 *   hundred GB/s on a card against 80 to 270 GB/s of a laptop's memory (makers' data sheets);
 * - integrated GPU before NPU for speed: Core Ultra 9 185H, published by a user: Phi-3-mini 7 tokens/s on the NPU, an 8B
 *   model 12 on the GPU (huggingface.co/posts/raincandy-u/887691396520858);
 * - NPU for power: a tenth of the energy of the CPU for the same work on Wildcat Lake, whole laptop, embeddings
 *   (openvinotoolkit/openvino discussion 39791);
 * - ONNX Runtime before OpenVINO on CPUs without int8 dot products: 2 to 1, measured by aipc on such a CPU; with them no
 *   such measurement exists, and the built-in one comes first.
 */
import { INT8_DOT_PRODUCTS, isKnown, type Accelerator, type CpuDevice, type Machine } from './device.js';
import { hasMatrixUnits } from './pci-ids.js';
import { providerPlace } from './provider-knowledge.js';
import type { DrivenDevice, ProviderName, ProviderStatus } from './provider.js';

export const PREFERENCES = ['balanced', 'speed', 'power'] as const;
export type Preference = (typeof PREFERENCES)[number];

type DeviceClass = 'npu' | 'discrete-gpu' | 'matrix-gpu' | 'integrated-gpu' | 'cpu' | 'software';

/** Best first. A device that the CPU computes for is slower than the CPU itself, whatever is preferred. */
const ORDER: Readonly<Record<Preference, readonly DeviceClass[]>> = {
  balanced: ['npu', 'discrete-gpu', 'matrix-gpu', 'integrated-gpu', 'cpu', 'software'],
  speed: ['discrete-gpu', 'matrix-gpu', 'integrated-gpu', 'npu', 'cpu', 'software'],
  power: ['npu', 'matrix-gpu', 'integrated-gpu', 'cpu', 'discrete-gpu', 'software'],
};

interface RuledCandidate {
  readonly device: CpuDevice | Accelerator;
  readonly status: ProviderStatus;
  readonly driven: Pick<DrivenDevice, 'isSoftware'>;
}

/** Smaller is better; the same for no two providers of one device but plug-ins, which stay as they were given. */
export function placeOf({ device, status, driven }: RuledCandidate, prefer: Preference): number {
  const epName = status.offers?.[0]?.epName;
  const plugin = epName === undefined ? undefined : { epName, vendor: device.vendor };
  return (
    1000 * ORDER[prefer].indexOf(classOf(device, driven)) +
    20 * numberOf(device.id) +
    providerPlace(status.provider, 'kind' in device ? device.kind : 'cpu', plugin)
  );
}

function numberOf(id: string): number {
  return Number(/\d+$/u.exec(id)?.[0] ?? 0);
}

function classOf(device: CpuDevice | Accelerator, driven: Pick<DrivenDevice, 'isSoftware'> = {}): DeviceClass {
  if (driven.isSoftware === true) return 'software';
  if (!('kind' in device)) return 'cpu';
  if (device.kind === 'npu') return 'npu';
  if (device.isIntegrated === false) return 'discrete-gpu';
  const { pciIds } = device;
  return pciIds !== null && hasMatrixUnits(pciIds.vendor, pciIds.device) ? 'matrix-gpu' : 'integrated-gpu';
}

export interface RuleContext {
  readonly machine: Machine;
  readonly weightFormat: string | null;
  readonly prefer: Preference;
}

export function whyByRule({ device, status, driven }: RuledCandidate, { weightFormat, machine }: RuleContext): string {
  const deviceClass = classOf(device, driven);
  const plugin = status.offers?.[0] === undefined ? '' : `${status.offers[0].epName} of `;
  const way = status.runtime === null ? '' : `, by ${plugin}${status.runtime}`;
  switch (deviceClass) {
    case 'npu':
      return status.offers === undefined
        ? `rule: least power, leaves CPU and GPU free, ${weightFormat ?? 'int4'} symmetric${way}`
        : `rule: least power, leaves CPU and GPU free${way}`;
    case 'discrete-gpu':
      return `rule: memory of its own, the fastest to decode${way}`;
    case 'matrix-gpu':
      return `rule: matrix units, so that long prompts go fastest without a card; takes more power than an NPU${way}`;
    case 'integrated-gpu':
      return `rule: leaves the CPU free and prefills faster than it${way}`;
    case 'software':
      return `rule: computed by the CPU in its place, slower than the CPU itself${way}`;
    case 'cpu':
      return status.offers === undefined
        ? `rule: ${whyCpu(status.provider, machine.cpu)}${way}`
        : `rule: a plug-in; \`aipc bench\` tells whether it is faster here${way}`;
  }
}

function whyCpu(provider: ProviderName, { instructionSets }: CpuDevice): string {
  if (!isKnown(instructionSets)) return 'runs everywhere';
  const found = instructionSets.filter((set) => INT8_DOT_PRODUCTS.includes(set));
  if (provider === 'cpu') {
    return found.length > 0
      ? `runs everywhere, with int8 dot products (${found.join(', ')})`
      : 'runs everywhere; without int8 dot products this runtime is the faster one here';
  }
  return found.length > 0
    ? `has int8 dot products (${found.join(', ')}); \`aipc bench\` tells whether it is faster here`
    : 'without int8 dot products about half as fast as ONNX Runtime';
}
