/**
 * A provider that the caller brings as a library: which library the name stands for and which of its devices is meant. For
 * everything else such a model is one of ONNX Runtime's CPU provider: its graph is, and what a plug-in does not run is
 * refused when it is loaded. It loads nothing.
 */
import type { PluginQuery } from '../engine/onnxruntime/plugin-provider.js';
import { OptionError } from '../errors.js';
import type { PluginLibrary } from '../machine/plugin-libraries.js';
import type { LoadModelOptions } from './load-options.js';
import { parseDevice } from './target.js';

/** Undefined: the provider is auto. Throws OPTION_INVALID for libraries that no provider names. */
export function namedPlugin(
  libraries: readonly PluginLibrary[],
  { device = 'auto', provider = 'auto' }: Pick<LoadModelOptions, 'device' | 'provider'>,
): PluginLibrary | undefined {
  const named = libraries.find(({ name }) => name.toLowerCase() === provider.toLowerCase());
  if (named !== undefined) return named;
  const isShort = ['dml', 'webgpu', 'cuda'].includes(device.toLowerCase());
  if (provider.toLowerCase() === 'auto' && !isShort) return undefined;
  const names = libraries.map(({ name }) => name);
  throw new OptionError(
    'OPTION_INVALID',
    `epLibraries names ${names.join(', ')}, the provider is ${isShort ? device : provider}. Set the provider to the name of one ` +
      'of them or to auto, or leave the libraries out.',
    { details: { option: 'provider', found: provider, allowed: names } },
  );
}

/** A device by the plug-in's own counting: `npu`, `gpu`, `gpu.1`; auto: the first. Throws OPTION_INVALID. */
export function pluginQuery({ name, library }: PluginLibrary, device: string): PluginQuery {
  if (device.toLowerCase() === 'auto') return { name, library };
  const [kind, index] = device.toLowerCase().split('.');
  if (index !== undefined && /^\d{1,2}$/u.test(index) && (kind === 'cpu' || kind === 'gpu' || kind === 'npu')) {
    return { name, library, kind, index: Number(index) };
  }
  const parsed = parseDevice(device, 'cpu');
  return { name, library, kind: parsed === 'cpu' || parsed === 'npu' ? parsed : 'gpu' };
}

/** What is left to choose the rest by. */
export function forPlugin(given: LoadModelOptions): LoadModelOptions {
  const { epLibraries: _, ...others } = given;
  return { ...others, provider: 'cpu', device: 'cpu' };
}
