/** OpenVINO's part of loadModel(): conversions to IR folders as the device wants them, and engines on them. */
import type { OpenvinoWeightOptions } from '../convert/openvino/recipe.js';
import type { WeightFormat } from '../convert/recipe.js';
import { exportRecipeFor, type DeviceKind } from '../engine/openvino/device-profiles.js';
import {
  checkOpenvinoDevice,
  createOpenvinoEngine,
  openvinoVersion,
  type OpenvinoEngineOptions,
} from '../engine/openvino/openvino-engine.js';
import { readOpenvinoModelConfig } from '../engine/openvino/model-config.js';
import { OptionError } from '../errors.js';
import { ensureConverted } from '../models/conversion-cache.js';
import { openWeights } from '../weights/open-weights.js';
import type { LoadModelOptions } from './load-options.js';
import { refuseWeightFormat, type ModelRuntime } from './model-runtime.js';
import { readWeightFormat } from './provenance.js';
import type { OpenvinoDevice } from './target.js';
import { weightSizes } from './weight-sizes.js';

export const openvinoModels: ModelRuntime<'openvino'> & {
  /** Refuses a device or a property that is not there, or a missing OpenVINO, before a model is at hand. */
  requireRuntime(target: { readonly device: OpenvinoDevice }, options: LoadModelOptions): Promise<void>;
} = {
  async requireRuntime({ device }, options) {
    await checkOpenvinoDevice(engineOptions(device, options));
  },

  async prepare(model, { device }, options) {
    for (const option of ['sessionOptions', 'providerOptions', 'activations'] as const) {
      if (options[option] === undefined) continue;
      throw new OptionError(
        'OPTION_INVALID',
        `loadModel: ${option} applies to ONNX Runtime, but this model would run on OpenVINO. Use ovConfig.`,
        { details: { option } },
      );
    }
    if (model.kind !== 'weights') {
      refuseWeightFormat(model, options);
      return model.path;
    }
    await this.requireRuntime({ device }, options); // before minutes of converting for it
    return ensureConverted(model, {
      conversion: { runtime: 'openvino', weights: await weightOptions(model.path, device, options.weightFormat) },
      runtimeVersion: await openvinoVersion(),
      onProgress: options.onProgress,
      signal: options.signal,
    });
  },

  async open(folder, { device }, options) {
    const { bosTokenId, endTokenIds } = await readOpenvinoModelConfig(folder);
    const weightFormat = await readWeightFormat(folder);
    const { onProgress } = options;
    const engine = await createOpenvinoEngine(folder, {
      ...engineOptions(device, options),
      onProgress: ({ phase, modelBytes }) => {
        if (phase !== 'compile') return;
        const label = `${(modelBytes / 1e6).toFixed(0)} MB for ${device.toUpperCase()}`;
        onProgress?.({ phase, label, doneBytes: null, totalBytes: null });
      },
    });
    return { engine, bosTokenId, endTokenIds, weightFormat };
  },
};

function engineOptions(device: OpenvinoDevice, options: LoadModelOptions): OpenvinoEngineOptions {
  const { maxPromptTokens, minResponseTokens, allowUnsupported, onWarning } = options;
  const npu = {
    ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }),
    ...(minResponseTokens === undefined ? {} : { minResponseTokens }),
    ...(allowUnsupported === undefined ? {} : { allowUnsupported }),
  };
  return {
    device,
    ...(options.maxSlots === undefined ? {} : { maxSlots: options.maxSlots }),
    ...(options.contextTokens === undefined ? {} : { contextTokens: options.contextTokens }),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.ovConfig === undefined ? {} : { ovConfig: options.ovConfig }),
    ...(device === 'npu' || Object.keys(npu).length > 0 ? { npu } : {}),
    ...(onWarning === undefined ? {} : { onWarning: ({ message }) => onWarning(message) }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}

/** What the device's profile says, in the format that the caller wants. */
async function weightOptions(
  source: string,
  device: OpenvinoDevice,
  weightFormat: WeightFormat = 'int4',
): Promise<OpenvinoWeightOptions> {
  const kind: DeviceKind = device === 'cpu' || device === 'npu' ? device : 'gpu';
  await using weights = await openWeights(source);
  const recipe = exportRecipeFor(kind, weightSizes(weights.config));
  return recipe.weightFormat === weightFormat ? recipe : { weightFormat };
}
