/**
 * The seam between opening a model and the devices: what a kind of device makes of a model and the caller's options.
 * It holds no behaviour.
 */
import type { Engine, EngineInfo } from '../engine.js';
import type { OvApi, Pointer, Properties } from './c-api.js';
import type { CompiledFacts } from './compile.js';
import type { OpenvinoWarning } from './compiled-cache.js';
import type { IrOutline } from './ir-outline.js';
import type { OpenvinoModelConfig } from './model-config.js';
import type { OvConfig } from './ov-config.js';

/** Sizes that the caller may choose; undefined: the device's own. */
export interface SizeOptions {
  readonly contextTokens?: number;
  readonly maxSlots?: number;
  readonly prefillChunkTokens?: number;
  readonly threads?: number;
}

export interface PlanRequest {
  /** Names the function in messages. */
  readonly where: string;
  /** OpenVINO's name. */
  readonly device: string;
  readonly sizes: SizeOptions;
  readonly ovConfig: OvConfig;
  readonly config: OpenvinoModelConfig;
  readonly outline: IrOutline;
}

export interface CompiledParts {
  readonly api: OvApi;
  /** The engine frees it. */
  readonly compiledModel: Pointer;
  readonly info: EngineInfo;
}

export interface DevicePlan {
  /** What to compile with, the caller's properties among them. */
  readonly properties: Properties;
  /** Properties that the device takes though it does not list them. */
  readonly unlistedProperties: readonly string[];
  /** Whether other hardware than the device computes. */
  readonly isEmulated: boolean;
  /**
   * The property that is lost where a kept compiled model is loaded again; undefined: none is. What was compiled with it
   * cannot be kept.
   */
  readonly lostInCache?: string | undefined;
  /** Memory that the device claims with the model for its KV caches; 0 where they grow with the sequences. */
  readonly cacheBytes: number;
  /** What the caller is to be told before the model is compiled. */
  readonly warnings: readonly OpenvinoWarning[];
  /** Throws DEVICE_NOT_FOUND where what is to compute is not there, RUNTIME_INCOMPATIBLE where its driver is too old. */
  requireDevice(api: OvApi): Promise<void>;
  readFacts(api: OvApi, compiledModel: Pointer): Promise<CompiledFacts>;
  /** Makes it ready to run: what the device does only once, it has done when this resolves. */
  createEngine(parts: CompiledParts): Promise<Engine>;
}
