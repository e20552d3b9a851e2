/**
 * What loadModel() asks of a runtime: a folder that it can run, and an engine on that folder.
 * onnxruntime-model.ts and openvino-model.ts implement it.
 */
import type { Engine } from '../engine/engine.js';
import type { SearchDefaults } from '../engine/onnxruntime/genai-config.js';
import { OptionError } from '../errors.js';
import type { ResolvedModel } from '../models/resolve.js';
import type { LoadModelOptions } from './load-options.js';
import type { Target } from './target.js';

export interface OpenedModel {
  /** The caller disposes it. */
  readonly engine: Engine;
  readonly bosTokenId: number | null;
  readonly endTokenIds: readonly number[];
  /** Null for a ready-made folder that does not say. */
  readonly weightFormat: string | null;
  /** What the model's folder asks of an answer where the caller does not. */
  readonly search?: SearchDefaults;
}

export interface ModelRuntime<R extends Target['runtime']> {
  /** The model's own folder, or that of its conversion, which is made where the cache does not hold it. */
  prepare(model: ResolvedModel, target: Extract<Target, { runtime: R }>, options: LoadModelOptions): Promise<string>;
  open(folder: string, target: Extract<Target, { runtime: R }>, options: LoadModelOptions): Promise<OpenedModel>;
}

/** Throws OPTION_INVALID where a weight format is asked of a folder that is converted already, and not known to have it. */
export function refuseWeightFormat(model: ResolvedModel, options: LoadModelOptions): void {
  if (options.weightFormat === undefined || options.weightFormat === model.storedWeightFormat) return;
  throw new OptionError(
    'OPTION_INVALID',
    `loadModel: weightFormat applies where aipc converts weights; ${model.path} is ` +
      `${model.kind === 'onnx' ? 'an ONNX' : 'an OpenVINO'} folder already. Leave it out.`,
    { details: { option: 'weightFormat' } },
  );
}
