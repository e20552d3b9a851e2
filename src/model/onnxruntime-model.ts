/** ONNX Runtime's part of loadModel(): conversions to ONNX folders, and engines on them. */
import path from 'node:path';
import { createOnnxRuntimeEngine, onnxRuntimeVersion } from '../engine/onnxruntime/onnxruntime-engine.js';
import { readOnnxFolder } from '../engine/onnxruntime/onnx-folder.js';
import type { PluginQuery } from '../engine/onnxruntime/plugin-provider.js';
import { OptionError } from '../errors.js';
import { ensureConverted } from '../models/conversion-cache.js';
import { refuseWeightFormat, type ModelRuntime } from './model-runtime.js';
import { readWeightFormat } from './provenance.js';

const OPENVINO_ONLY = ['ovConfig', 'maxPromptTokens', 'minResponseTokens', 'allowUnsupported'] as const;

type Runtime = ModelRuntime<'onnxruntime'>;

export const onnxRuntimeModels: Omit<Runtime, 'open'> & {
  /** `plugin`: the provider that runs it, in place of the target's, with its options. */
  open(
    ...parameters: [...Parameters<Runtime['open']>, plugin?: PluginQuery, epOptions?: Readonly<Record<string, string>>]
  ): ReturnType<Runtime['open']>;
} = {
  async prepare(model, _target, options) {
    for (const option of OPENVINO_ONLY) {
      if (options[option] === undefined) continue;
      throw new OptionError(
        'OPTION_INVALID',
        `loadModel: ${option} applies to OpenVINO, but this model would run on ONNX Runtime. ` +
          "Set the provider to 'openvino', or leave the option out.",
        { details: { option } },
      );
    }
    if (model.kind !== 'weights') {
      refuseWeightFormat(model, options);
      return model.path;
    }
    return ensureConverted(model, {
      conversion: {
        runtime: 'onnxruntime',
        weights: { weightFormat: options.weightFormat ?? model.defaultWeightFormat },
      },
      runtimeVersion: await onnxRuntimeVersion(),
      onProgress: options.onProgress,
      signal: options.signal,
    });
  },

  async open(folder, _target, options, plugin, epOptions) {
    const { file, bosTokenId, endTokenIds, search } = await readOnnxFolder(folder);
    const weightFormat = await readWeightFormat(path.dirname(file));
    const engine = await createOnnxRuntimeEngine(folder, {
      ...(plugin === undefined ? {} : { plugin }),
      ...(epOptions === undefined ? {} : { providerOptions: epOptions }),
      ...(options.maxSlots === undefined ? {} : { maxSlots: options.maxSlots }),
      ...(options.contextTokens === undefined ? {} : { contextTokens: options.contextTokens }),
      ...(options.threads === undefined ? {} : { threads: options.threads }),
      ...(options.sessionOptions === undefined ? {} : { sessionOptions: options.sessionOptions }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    return { engine, bosTokenId, endTokenIds, weightFormat, search };
  },
};
