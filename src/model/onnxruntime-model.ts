/** ONNX Runtime's part of loadModel(): conversions to ONNX folders, and engines on them. */
import path from 'node:path';
import { createOnnxRuntimeEngine, onnxRuntimeVersion } from '../engine/onnxruntime/onnxruntime-engine.js';
import { readOnnxFolder } from '../engine/onnxruntime/onnx-folder.js';
import { loadOrtApi } from '../engine/onnxruntime/c-api.js';
import { openPlugin, type PluginQuery } from '../engine/onnxruntime/plugin-provider.js';
import { checkProvider } from '../engine/onnxruntime/append-provider.js';
import { PROVIDER_PROFILES } from '../engine/onnxruntime/providers.js';
import { OptionError } from '../errors.js';
import { ensureConverted } from '../models/conversion-cache.js';
import { refuseWeightFormat, type ModelRuntime } from './model-runtime.js';
import { readWeightFormat } from './provenance.js';
import type { LoadModelOptions } from './load-options.js';
import { gpuIndex, type Target } from './target.js';

const OPENVINO_ONLY = ['ovConfig', 'maxPromptTokens', 'minResponseTokens', 'allowUnsupported'] as const;

type Runtime = ModelRuntime<'onnxruntime'>;
type OnnxRuntimeTarget = Extract<Target, { runtime: 'onnxruntime' }>;

export const onnxRuntimeModels: Omit<Runtime, 'open'> & {
  /** `plugin`: the provider that runs it, in place of the target's. */
  open(...parameters: [...Parameters<Runtime['open']>, plugin?: PluginQuery]): ReturnType<Runtime['open']>;
  /** Loads a plug-in into this process: it is refused where that fails, or where it offers no such device. */
  requirePlugin(plugin: PluginQuery): Promise<void>;
  /** Refuses a provider that is not there or does not start, before a model is at hand. */
  requireRuntime(target: OnnxRuntimeTarget, options: LoadModelOptions): Promise<void>;
} = {
  async requireRuntime({ provider, device }, { providerOptions = {} }) {
    const index = device === 'cpu' ? undefined : gpuIndex(device);
    await checkProvider(PROVIDER_PROFILES[provider], { index, options: providerOptions });
  },

  async requirePlugin(plugin) {
    await openPlugin(await loadOrtApi(), plugin);
  },

  async prepare(model, target, options) {
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
      refuseActivations(model.path, options.activations);
      return model.path;
    }
    await this.requireRuntime(target, options); // before minutes of converting for it
    return ensureConverted(model, {
      conversion: {
        runtime: 'onnxruntime',
        weights: {
          target: target.provider,
          activations: options.activations,
          weightFormat: options.weightFormat ?? model.defaultWeightFormat,
        },
      },
      runtimeVersion: await onnxRuntimeVersion(),
      onProgress: options.onProgress,
      signal: options.signal,
    });
  },

  async open(folder, { provider, device }, options, plugin) {
    const { file, bosTokenId, endTokenIds, search } = await readOnnxFolder(folder);
    const weightFormat = await readWeightFormat(path.dirname(file));
    const index = device === 'cpu' ? undefined : gpuIndex(device);
    const { providerOptions } = options;
    const engine = await createOnnxRuntimeEngine(folder, {
      ...(plugin === undefined ? { provider } : { plugin }),
      ...(index === undefined ? {} : { deviceIndex: index }),
      ...(providerOptions === undefined ? {} : { providerOptions }),
      ...(options.maxSlots === undefined ? {} : { maxSlots: options.maxSlots }),
      ...(options.contextTokens === undefined ? {} : { contextTokens: options.contextTokens }),
      ...(options.threads === undefined ? {} : { threads: options.threads }),
      ...(options.sessionOptions === undefined ? {} : { sessionOptions: options.sessionOptions }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    return { engine, bosTokenId, endTokenIds, weightFormat, search };
  },
};

function refuseActivations(folder: string, activations: string | undefined): void {
  if (activations === undefined) return;
  throw new OptionError(
    'OPTION_INVALID',
    `loadModel: activations applies where aipc converts weights; ${folder} is an ONNX folder already. Leave it out.`,
    { details: { option: 'activations' } },
  );
}
