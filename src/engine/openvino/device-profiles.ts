/**
 * What aipc chooses for each kind of device, as data to be read in one place: how weights are exported for it, with
 * which properties models run, whether compiled models are kept, and what Intel says that an NPU supports.
 * It decides nothing: suitability.ts judges by it, npuw-config.ts and stateful-plan.ts apply it.
 */
import type { IrWeights } from './ir-weights.js';

export type DeviceKind = 'cpu' | 'gpu' | 'npu';

/** Weight options of the OpenVINO export, under the names that it gives them. */
export interface ExportRecipe {
  readonly weightFormat: 'int4' | 'int8' | 'fp16' | 'fp32';
  readonly symmetric?: boolean;
  /** Channels that share a scale; -1: all of a row. */
  readonly groupSize?: number;
  /** Share of the layers' weights in int4; the rest is int8. */
  readonly ratio?: number;
  readonly groupSizeFallback?: 'error' | 'adjust' | 'ignore';
}

export interface DeviceProfile {
  /** For models without a group that does not fit; `largeModel` beyond LARGE_MODEL_PARAMETERS. */
  readonly exports: { readonly recipe: ExportRecipe; readonly largeModel: ExportRecipe };
  /** With which models run; the caller's win. */
  readonly properties: Readonly<Record<string, string>>;
  /** Compiled models are kept in aipc's cache (CACHE_DIR). */
  readonly keepsCompiledModels: boolean;
}

/**
 * NNCF's and optimum-cli's own default: with zero points int4 errs less than without, and the CPU and GPU plug-ins
 * multiply by either without unpacking first. Groups that do not divide a row get smaller instead of failing.
 */
const INT4_WITH_ZERO_POINTS: ExportRecipe = {
  weightFormat: 'int4',
  symmetric: false,
  groupSize: 128,
  ratio: 1,
  groupSizeFallback: 'adjust',
};

/** What Intel's guide asks for (see NPU_SUPPORTED_WEIGHTS). */
const INT4_FOR_NPU: ExportRecipe = { weightFormat: 'int4', symmetric: true, groupSize: 128, ratio: 1 };

export const DEVICE_PROFILES: Readonly<Record<DeviceKind, DeviceProfile>> = {
  cpu: {
    exports: { recipe: INT4_WITH_ZERO_POINTS, largeModel: INT4_WITH_ZERO_POINTS },
    properties: { PERFORMANCE_HINT: 'LATENCY' },
    keepsCompiledModels: false, // the blob is as large as the model and saves little
  },
  gpu: {
    exports: { recipe: INT4_WITH_ZERO_POINTS, largeModel: INT4_WITH_ZERO_POINTS },
    properties: { PERFORMANCE_HINT: 'LATENCY' },
    keepsCompiledModels: true, // compiling kernels takes tens of seconds
  },
  npu: {
    exports: { recipe: INT4_FOR_NPU, largeModel: { ...INT4_FOR_NPU, groupSize: -1 } },
    properties: {
      NPU_USE_NPUW: 'YES',
      NPUW_LLM: 'YES',
      NPUW_DEVICES: 'NPU', // the plug-in's own default lets the CPU step in silently
      NPUW_LLM_BATCH_DIM: '0',
      NPUW_LLM_SEQ_LEN_DIM: '2',
    },
    keepsCompiledModels: true, // compiling takes minutes
  },
};

/**
 * Channels of activations that share a scale where the CPU plug-in multiplies int4 weights by activations in int8 (dynamic
 * quantisation, on processors with VNNI): as many as of the weights, from the runtime's own 32 to MAX_ACTIVATION_GROUP.
 * Undefined, the runtime's own: for weights without groups. Groups of 128 instead of 32 save a sixth of a token's time and
 * a quarter of a prompt's and cost 0.2 % of perplexity (docs/openvino.md).
 */
export function activationGroupSize({ layers }: Pick<IrWeights, 'layers'>): number | undefined {
  const groups = layers.map(({ groupSize }) => groupSize).filter((size) => size !== undefined && size > 0);
  const smallest = Math.min(...(groups as number[]), MAX_ACTIVATION_GROUP);
  const isUsable = groups.length > 0 && Number.isInteger(Math.log2(smallest));
  return isUsable && smallest > RUNTIME_ACTIVATION_GROUP ? smallest : undefined;
}
const RUNTIME_ACTIVATION_GROUP = 32;
const MAX_ACTIVATION_GROUP = 128;

/** From here on Intel advises one scale a row for the NPU. */
export const LARGE_MODEL_PARAMETERS = 5e9;

/** Lengths of a model on the NPU, whose shapes are static. Each token costs memory and time. */
export const NPU_LENGTHS = {
  /** NPUW's own default. */
  maxPromptTokens: 1024,
  /**
   * A long chat answer after the longest prompt, the cookbook's 1024 tokens after a short one. openvino-genai has 128,
   * which cuts answers to long prompts off; 512 costs Phi-3-mini 150 MB and some 6 % of the time per token.
   */
  minResponseTokens: 512,
  /** NPUW ignores a cancellation: an abort waits for the end of one chunk. NPUW's own default is 1024. */
  prefillChunkTokens: 256,
} as const;

/**
 * Intel's list. Source: docs.openvino.ai, "OpenVINO GenAI on NPU" (2026.3): LLMs must be exported with --sym,
 * --weight-format int4 or nf4, --group-size -1 or 128, --ratio 1.0; nf4 only from Core Ultra Series 2 (Lunar Lake) on
 * and per channel. Embedding and last layer are int8 with zero points in those exports.
 */
export const NPU_SUPPORTED_WEIGHTS = { groupSizes: [128, -1], nf4From: 'Core Ultra Series 2 (Lunar Lake)' } as const;

/** An NPU, as PCI knows it: vendor 8086. Source: OpenVINO, src/plugins/intel_npu/README.md; Linux, ivpu_drv.h. */
export interface NpuGeneration {
  readonly pciDeviceId: string;
  readonly processor: string;
  /** OpenVINO's name, NPU_PLATFORM. */
  readonly platform: string;
  /**
   * First release of Intel's linux-npu-driver with which language models run: for the first three the oldest driver
   * (below), for others the first for them at all (docs/overview.md there and its release notes).
   */
  readonly firstLinuxDriver: string;
}

export const NPU_GENERATIONS: readonly NpuGeneration[] = [
  { pciDeviceId: '7d1d', processor: 'Meteor Lake', platform: '3720', firstLinuxDriver: '1.13.0' },
  { pciDeviceId: 'ad1d', processor: 'Arrow Lake', platform: '3720', firstLinuxDriver: '1.13.0' },
  { pciDeviceId: '643e', processor: 'Lunar Lake', platform: '4000', firstLinuxDriver: '1.13.0' },
  { pciDeviceId: 'b03e', processor: 'Panther Lake', platform: '5010', firstLinuxDriver: '1.28.0' },
  { pciDeviceId: 'fd3e', processor: 'Wildcat Lake', platform: '5020', firstLinuxDriver: '1.32.0' },
];

/** The oldest driver with which language models run, and how NPU_DRIVER_VERSION tells it. */
export interface OldestDriver {
  readonly version: string;
  /** Smallest number that a driver so old or newer gives. */
  readonly number: number;
  readonly download: string;
}

export const OLDEST_NPU_DRIVERS: Readonly<Record<'win32' | 'linux', OldestDriver>> = {
  /**
   * 32.0.100.3104 (the maintainers in openvinotoolkit/openvino#27489: "it must be 3104 or newer"). The property gives
   * the last two parts as one number: 1004778 for 32.0.100.4778.
   */
  win32: {
    version: '32.0.100.3104',
    number: 1_003_104,
    download: 'https://www.intel.com/content/www/us/en/download/794734/intel-npu-driver-windows.html',
  },
  /** 1.13.0, released with OpenVINO 2025.0. The property gives the build's time, seconds since 1970. */
  linux: {
    version: '1.13.0',
    number: Date.UTC(2025, 0, 31) / 1000,
    download: 'https://github.com/intel/linux-npu-driver/releases',
  },
};

/** What a model's weights are like, as far as a recipe depends on it. */
export interface WeightSizes {
  readonly parameters: number;
  /** Lengths of the rows that are quantised (input channels), each once. */
  readonly rowChannels: readonly number[];
}

/** The export that aipc chooses for a device. Groups that do not divide every row become whole rows on the NPU. */
export function exportRecipeFor(device: DeviceKind, { parameters, rowChannels }: WeightSizes): ExportRecipe {
  const { recipe, largeModel } = DEVICE_PROFILES[device].exports;
  const chosen = parameters > LARGE_MODEL_PARAMETERS ? largeModel : recipe;
  const { groupSize = -1 } = chosen;
  const divides = groupSize === -1 || rowChannels.every((channels) => channels % groupSize === 0);
  return divides || chosen.groupSizeFallback !== undefined ? chosen : { ...chosen, groupSize: -1 };
}
