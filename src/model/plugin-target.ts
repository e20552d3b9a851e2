/**
 * A provider that the caller brings as a library: which library the name stands for and which of its devices is meant. For
 * everything else such a model is one of ONNX Runtime's CPU provider: its graph is, and what a plug-in does not run is
 * refused when it is loaded.
 */
import type { PluginQuery } from '../engine/onnxruntime/plugin-provider.js';
import { OptionError } from '../errors.js';
import type { LoadModelOptions } from './load-options.js';

export interface PluginRequest {
  /** undefined: the provider is none of the caller's libraries. */
  readonly plugin: PluginQuery | undefined;
  /** What is left to choose the rest by. */
  readonly options: LoadModelOptions;
}

/** Throws OPTION_INVALID for libraries that no provider names, and for a device that means nothing. */
export function splitPlugin(given: LoadModelOptions): PluginRequest {
  const { epLibraries = {}, epOptions, ...others } = given;
  const names = Object.keys(epLibraries);
  const name = names.find((known) => known.toLowerCase() === given.provider?.toLowerCase());
  if (name === undefined) {
    if (names.length === 0 && epOptions === undefined) return { plugin: undefined, options: given };
    throw new OptionError(
      'OPTION_INVALID',
      `loadModel: epLibraries names ${names.join(', ') || 'nothing'}, the provider is ${given.provider ?? 'auto'}. ` +
        'Set the provider to the name of one of them.',
      { details: { option: 'provider', found: given.provider ?? 'auto', allowed: names } },
    );
  }
  const plugin: PluginQuery = { name, library: epLibraries[name] ?? '', ...deviceOf(given.device ?? 'auto') };
  return { plugin, options: { ...others, provider: 'cpu', device: 'cpu' } };
}

function deviceOf(device: string): Pick<PluginQuery, 'kind' | 'index'> {
  const match = /^(cpu|gpu|npu)(?:\.(\d{1,2}))?$/u.exec(device.toLowerCase());
  if (match !== null) {
    const kind = match[1] === 'cpu' ? 'cpu' : match[1] === 'gpu' ? 'gpu' : 'npu';
    return match[2] === undefined ? { kind } : { kind, index: Number(match[2]) };
  }
  if (device.toLowerCase() === 'auto') return {};
  throw new OptionError('OPTION_INVALID', `device '${device}' is none of auto, cpu, gpu, gpu.N, npu.`, {
    details: { option: 'device', found: device },
  });
}
