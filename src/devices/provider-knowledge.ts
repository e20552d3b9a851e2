/**
 * What is known of the software ways to a GPU or NPU beforehand: whom each serves, what has to be there, what it cannot
 * do, and what its makers say of its future, with sources. docs/gpu.md shows the same table and a test holds it to this
 * one. It asks no runtime: whether a provider is there and starts is for the runtimes to say.
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

/** Best first where several serve a device: a maker's own way before those that serve every card. */
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
