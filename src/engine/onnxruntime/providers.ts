/**
 * What is known of each of ONNX Runtime's execution providers: how it is appended to a session, where its KV cache
 * lies, what its kernels can do, what to install where it is missing. Data alone: append-provider.ts makes the calls.
 * Sources: onnxruntime's core/providers/{dml,webgpu,cuda}; provider-bridge names as GetAvailableProviders gives them.
 */

export const PROVIDERS = ['cpu', 'dml', 'webgpu', 'cuda'] as const;
export type ProviderName = (typeof PROVIDERS)[number];

export interface ProviderProfile {
  readonly name: ProviderName;
  /** For people. */
  readonly label: string;
  /** As GetAvailableProviders lists it. */
  readonly registeredName: string;
  readonly device: 'cpu' | 'gpu';
  /**
   * Name of the memory that its kernels compute in, for CreateMemoryInfo: the KV cache is allocated there, one tensor
   * for each slot and buffer. Undefined: plain memory, where all slots share a pool.
   */
  readonly memoryName: string | undefined;
  /** Sequences in one run of one-token steps; 'slots': all. */
  readonly maxBatch: number | 'slots';
  /** Most tokens over a past in one run; 'context': any number. */
  readonly maxAppendTokens: number | 'context';
  /** 'whole': a prompt is one run, whatever its length. */
  readonly prefill: 'chunks' | 'whole';
  /** Where the cache has a fixed size, one conversation at a time is what most devices have room for. */
  readonly defaultMaxSlots: number;
  /** Set on the session's options before the provider is appended, whose factory reads them. */
  readonly sessionEntries: Readonly<Record<string, string>>;
  /** The provider's own options for the device with this index; undefined: its best one. */
  deviceOptions(index: number | undefined): Readonly<Record<string, string>>;
  /** What to do where it is missing or does not start. */
  readonly remedy: string;
}

const CPU: ProviderProfile = {
  name: 'cpu',
  label: 'CPU',
  registeredName: 'CPUExecutionProvider',
  device: 'cpu',
  memoryName: undefined,
  maxBatch: 'slots',
  maxAppendTokens: 'context',
  prefill: 'chunks',
  defaultMaxSlots: 4,
  sessionEntries: {},
  deviceOptions: () => ({}),
  remedy: '',
};

const DML: ProviderProfile = {
  name: 'dml',
  label: 'DirectML',
  registeredName: 'DmlExecutionProvider',
  device: 'gpu',
  memoryName: 'DML',
  maxBatch: 1,
  // Its GroupQueryAttention takes a run of more than one token for a prompt on an empty cache
  // (DmlOperatorGroupQueryAttention.cpp): over a past it goes token by token, and a prompt cannot come in chunks.
  maxAppendTokens: 1,
  prefill: 'whole',
  defaultMaxSlots: 1,
  sessionEntries: {
    // Its arena rounds what is allocated after the session has started up to powers of two: the KV cache.
    'ep.dml.disable_memory_arena': '1',
    // A captured graph reads its inputs from fixed buffers, which the C API cannot write to on DirectML.
    'ep.dml.enable_graph_capture': '0',
  },
  deviceOptions: (index) =>
    index === undefined
      ? { performance_preference: 'high_performance', device_filter: 'gpu' }
      : { device_id: String(index) },
  remedy:
    'DirectML needs Windows 10 1903 or newer and a graphics card with DirectX 12 and a current driver; onnxruntime-node ' +
    'brings it on Windows. Elsewhere use the provider webgpu, cuda or openvino.',
};

const WEBGPU: ProviderProfile = {
  name: 'webgpu',
  label: 'WebGPU',
  registeredName: 'WebGpuExecutionProvider',
  device: 'gpu',
  memoryName: 'WebGPU_Buf',
  maxBatch: 1,
  maxAppendTokens: 'context',
  prefill: 'chunks',
  defaultMaxSlots: 1,
  sessionEntries: {},
  deviceOptions: (index): Readonly<Record<string, string>> =>
    index === undefined || index === 0 ? { powerPreference: 'high-performance' } : { deviceId: String(index) },
  remedy:
    'WebGPU needs a graphics card with a current driver: Direct3D 12 on Windows, Vulkan on Linux (its loader, ' +
    'libvulkan1, and a driver such as mesa-vulkan-drivers), Metal on macOS; onnxruntime-node brings the provider on ' +
    'Windows, macOS and Linux x64.',
};

const CUDA: ProviderProfile = {
  name: 'cuda',
  label: 'CUDA',
  registeredName: 'CUDAExecutionProvider',
  device: 'gpu',
  memoryName: 'Cuda',
  maxBatch: 1,
  maxAppendTokens: 'context',
  prefill: 'chunks',
  defaultMaxSlots: 1,
  sessionEntries: {},
  // A KV cache is allocated to measure; doubling the arena at each step would take what others need.
  deviceOptions: (index) => ({ device_id: String(index ?? 0), arena_extend_strategy: 'kSameAsRequested' }),
  remedy:
    "CUDA needs an NVIDIA driver, CUDA's libraries where the system finds them, and a build of ONNX Runtime with its " +
    "CUDA provider in ONNXRUNTIME_LIB_DIR, which npm does not bring: README.md, 'CUDA', has the lines to type.",
};

export const PROVIDER_PROFILES: Readonly<Record<ProviderName, ProviderProfile>> = {
  cpu: CPU,
  dml: DML,
  webgpu: WEBGPU,
  cuda: CUDA,
};
