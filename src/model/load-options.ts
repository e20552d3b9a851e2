/** The options of loadModel(), documented once. Each runtime checks those that are its own. */
import type { Activations, WeightFormat } from '../convert/recipe.js';
import type { DeviceSelection } from '../devices/recommend.js';
import type { Preference } from '../devices/recommendation-rules.js';
import type { OnLoadProgress } from '../models/progress.js';

export interface LoadModelOptions {
  /**
   * The hardware: auto, cpu, gpu, gpu.N, npu; dml, webgpu, cuda are short for gpu with that provider. Default auto: what recommendDevices() puts first, chosen before anything is
   * loaded. A device that then fails is an error, never another device.
   */
  readonly device?: string;
  /**
   * The software way to it: auto, cpu, dml, webgpu, cuda (ONNX Runtime's providers), openvino. Default auto: OpenVINO for
   * gpu, npu and OpenVINO folders, else ONNX Runtime.
   */
  readonly provider?: string;
  /**
   * Execution providers of ONNX Runtime that come as libraries: name -> path. The provider is then one of the names, or auto,
   * which counts their devices with the others. docs/gpu.md says where they come from.
   */
  readonly epLibraries?: Readonly<Record<string, string>>;
  /** Where aipc converts: int4, int8, fp16, fp32. Default: the catalogue's choice, else int4; on the NPU int4. */
  readonly weightFormat?: WeightFormat;
  /**
   * Where aipc converts for a GPU of ONNX Runtime: fp16 (default), or fp32 on webgpu for devices without f16.
   */
  readonly activations?: Activations;
  /** Most tokens that prompt and answer can have together; default: what the model was made for. */
  readonly contextTokens?: number;
  /** CPU threads of one native run; default: the engine's. */
  readonly threads?: number;
  /** Conversations that can hold a KV cache, and answer, at the same time. Default 4; memory is taken as they grow. */
  readonly maxSlots?: number;
  /** Options of ONNX Runtime's execution provider, a plug-in or not, by its own names; they win over aipc's. */
  readonly providerOptions?: Readonly<Record<string, string>>;
  /** ONNX Runtime session configuration entries. */
  readonly sessionOptions?: Readonly<Record<string, string>>;
  /** OpenVINO properties, e.g. PERFORMANCE_HINT, NUM_STREAMS, CACHE_DIR; they win over aipc's choices. */
  readonly ovConfig?: Readonly<Record<string, string>>;
  /** npu: the longest prompt that is computed at once; the model is compiled for it. */
  readonly maxPromptTokens?: number;
  /** npu: room for the answer beyond the longest prompt. */
  readonly minResponseTokens?: number;
  /** npu: try weights that Intel does not support there. Default false. */
  readonly allowUnsupported?: boolean;
  /**
   * Let `aipc top` and monitorLoad() see this model: names and counts in a file of aipc's cache, nothing of prompts or
   * answers. Default true, unless the environment says AIPC_PUBLISH=no.
   */
  readonly publish?: boolean;
  /** For auto: balanced (default; the NPU where it serves, then the fastest), speed, power. */
  readonly prefer?: Preference;
  /** For auto: how long the prompts will be, about; an NPU takes no longer ones than it was compiled for. */
  readonly promptTokens?: number;
  /** For auto: told what was chosen, why, and why each other was not, before anything is loaded. */
  readonly onDeviceChoice?: (selection: DeviceSelection) => void;
  /** Told, in words, what went otherwise than expected though the model runs: a damaged cache, say. */
  readonly onWarning?: (message: string) => void;
  /** Of a model on the hub: a branch, tag or commit. Default: main, or what the reference itself names. */
  readonly revision?: string;
  /** Default if-missing; never where HF_HUB_OFFLINE is set. */
  readonly download?: 'never' | 'if-missing';
  readonly onProgress?: OnLoadProgress;
  /** Stops downloading, converting or loading; nothing half-written stays. */
  readonly signal?: AbortSignal;
}

/**
 * Those that say how a model is loaded once it is known which and where: plain values, which the command line, benchModel() and
 * pullModel() take as loadModel() does.
 */
export const LOADING_KEYS = [
  'epLibraries',
  'activations',
  'contextTokens',
  'threads',
  'providerOptions',
  'sessionOptions',
  'ovConfig',
  'maxPromptTokens',
  'minResponseTokens',
  'allowUnsupported',
  'revision',
] as const satisfies readonly (keyof LoadModelOptions)[];

export type LoadingOptions = Pick<LoadModelOptions, (typeof LOADING_KEYS)[number]>;

export const LOAD_MODEL_KEYS = [
  ...LOADING_KEYS,
  'device',
  'provider',
  'weightFormat',
  'maxSlots',
  'publish',
  'prefer',
  'promptTokens',
  'onDeviceChoice',
  'onWarning',
  'download',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof LoadModelOptions)[];
