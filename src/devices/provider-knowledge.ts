/**
 * What is known of the software ways to a GPU or NPU beforehand: whom each serves, what has to be there, what it cannot
 * do, and what its makers say of its future, with sources. docs/gpu.md shows the same table and a test holds it to this
 * one; recommend() orders providers by it. It asks no runtime: whether a provider is there and starts is for the runtimes to say.
 */
import type { DeviceVendor } from './device.js';
import type { ProviderName } from './provider.js';

export interface ProviderKnowledge {
  readonly provider: ProviderName;
  /** For people. */
  readonly label: string;
  /** In the order in which makers name them; `any`: whoever's driver has the interface. */
  readonly vendors: readonly DeviceVendor[] | 'any';
  readonly devices: readonly ('gpu' | 'npu')[];
  readonly systems: readonly ('win32' | 'linux' | 'darwin')[];
  /** `npm`: the package brings it; `setup`: `aipc setup` does; `user`: README.md or docs/gpu.md say how to get it. */
  readonly comesWith: 'npm' | 'setup' | 'user';
  /** `developed`; `maintained`: mended, but new work goes elsewhere. */
  readonly future: 'developed' | 'maintained';
  /** What has to be there beside it. */
  readonly needs: string;
  /** What it cannot do that others can; null: nothing known. */
  readonly limits: string | null;
  readonly sources: readonly string[];
}

/**
 * Best first where several serve a device: a maker's own way before those that serve every card. Of the latter DirectML
 * first: it is Windows' own, and asks for less of the card (float16 models on WebGPU need 16-bit arithmetic).
 */
export const PROVIDER_KNOWLEDGE: readonly ProviderKnowledge[] = [
  {
    provider: 'cuda',
    label: 'CUDA',
    vendors: ['nvidia'],
    devices: ['gpu'],
    systems: ['win32', 'linux'],
    comesWith: 'user',
    future: 'developed',
    needs: 'an NVIDIA driver, CUDA 12 or 13 and cuDNN 9, a build of ONNX Runtime with CUDA in ONNXRUNTIME_LIB_DIR',
    limits: null,
    sources: ['https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html'],
  },
  {
    provider: 'openvino',
    label: 'OpenVINO',
    vendors: ['intel'],
    devices: ['gpu', 'npu'],
    systems: ['win32', 'linux'],
    comesWith: 'setup',
    future: 'developed',
    needs: "Intel's driver for the GPU or NPU",
    limits: 'an NPU answers one conversation at a time',
    sources: [
      'https://docs.openvino.ai/2026/openvino-workflow-generative/inference-with-genai/inference-with-genai-on-npu.html',
    ],
  },
  {
    provider: 'dml',
    label: 'DirectML',
    vendors: 'any',
    devices: ['gpu'],
    systems: ['win32'],
    comesWith: 'npm',
    future: 'maintained',
    needs: 'Windows 10 1903 and a card with DirectX 12',
    limits: 'a prompt does not go on over a cache: chats are prefilled anew or go on token by token',
    sources: [
      'https://onnxruntime.ai/docs/execution-providers/DirectML-ExecutionProvider.html',
      'https://learn.microsoft.com/windows/ai/directml/dml-get-started',
    ],
  },
  {
    provider: 'webgpu',
    label: 'WebGPU',
    vendors: 'any',
    devices: ['gpu'],
    systems: ['win32', 'linux', 'darwin'],
    comesWith: 'npm',
    future: 'developed',
    needs: 'a driver with Direct3D 12, Vulkan or Metal; on Linux x64 only',
    limits: 'float16 models need a card with 16-bit arithmetic',
    sources: ['https://onnxruntime.ai/docs/execution-providers/WebGPU-ExecutionProvider.html'],
  },
];

/** What is known of a provider; undefined for plug-ins. */
export function knownProvider(provider: ProviderName): ProviderKnowledge | undefined {
  return PROVIDER_KNOWLEDGE.find((known) => known.provider === provider);
}

/** Whether a provider is made for devices of the maker and kind; undefined for plug-ins, which say so themselves. */
export function isMadeFor(
  provider: ProviderName,
  { kind, vendor }: { readonly kind: 'gpu' | 'npu'; readonly vendor: DeviceVendor },
): boolean | undefined {
  const known = knownProvider(provider);
  if (known === undefined) return undefined;
  return known.devices.includes(kind) && (known.vendors === 'any' || known.vendors.includes(vendor));
}

/** An execution provider that Windows ML's catalogue downloads, for ONNX Runtime's plug-in interface. */
export interface CatalogueProvider {
  /** As the catalogue and ONNX Runtime call it. */
  readonly name: string;
  readonly vendor: DeviceVendor;
  readonly devices: readonly ('gpu' | 'npu' | 'cpu')[];
}

/** Source: learn.microsoft.com/windows/ai/new-windows-ml/supported-execution-providers and .../accelerate-ai-models. */
export const WINDOWS_ML_CATALOGUE: readonly CatalogueProvider[] = [
  { name: 'OpenVINOExecutionProvider', vendor: 'intel', devices: ['npu', 'gpu', 'cpu'] },
  { name: 'QNNExecutionProvider', vendor: 'qualcomm', devices: ['npu', 'gpu'] },
  { name: 'VitisAIExecutionProvider', vendor: 'amd', devices: ['npu'] },
  { name: 'MIGraphXExecutionProvider', vendor: 'amd', devices: ['gpu'] },
  { name: 'NvTensorRtRtxExecutionProvider', vendor: 'nvidia', devices: ['gpu'] },
];

/** On a CPU, best first; without int8 dot products OpenVINO is half as fast (recommendation-rules.ts has the source). */
const CPU_PROVIDERS: readonly ProviderName[] = ['cpu', 'openvino'];

/** What of a plug-in decides on its place. */
export interface PluginMaker {
  /** As ONNX Runtime calls it. */
  readonly epName: string;
  readonly vendor: DeviceVendor;
}

/**
 * The place of a provider among those that drive one device, smaller is better: the makers' own ways that aipc knows, then a
 * maker's plug-in for its own device, then those that serve every card, then other plug-ins.
 */
export function providerPlace(provider: ProviderName, kind: 'cpu' | 'gpu' | 'npu', plugin?: PluginMaker): number {
  if (kind === 'cpu') {
    const place = CPU_PROVIDERS.indexOf(provider);
    return place === -1 ? CPU_PROVIDERS.length : place;
  }
  const place = PROVIDER_KNOWLEDGE.findIndex((known) => known.provider === provider);
  if (place !== -1) return 2 * place;
  const isMakers = WINDOWS_ML_CATALOGUE.some(({ name, vendor }) => name === plugin?.epName && vendor === plugin.vendor);
  const firstForAll = PROVIDER_KNOWLEDGE.findIndex(({ vendors }) => vendors === 'any');
  return isMakers ? 2 * firstForAll - 1 : 2 * PROVIDER_KNOWLEDGE.length;
}
