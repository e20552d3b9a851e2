/**
 * The options of an execution provider that a model folder may set: those that say how it computes. Which device is used
 * is the caller's choice, captured graphs need fixed inputs that aipc does not have, and addresses and files are nobody's
 * to give. It appends nothing.
 * Source: genai_config.json's provider_options, as onnxruntime-genai's model builder writes them (base.py, ep_attrs).
 */
import type { GenaiConfig } from './genai-config.js';
import type { ProviderName } from './providers.js';

const ALLOWED: Readonly<Record<ProviderName, readonly string[]>> = {
  cpu: [],
  dml: ['disable_metacommands'],
  webgpu: ['validationMode', 'preferredLayout', 'storageBufferCacheMode', 'multiRotaryCacheConcatOffset'],
  cuda: ['use_tf32', 'prefer_nhwc', 'cudnn_conv_algo_search', 'enable_skip_layer_norm_strict_mode', 'sdpa_kernel'],
};

export function folderProviderOptions(
  { providerOptions }: Pick<GenaiConfig, 'providerOptions'>,
  provider: ProviderName,
): Readonly<Record<string, string>> {
  const given = Object.entries(providerOptions.get(provider) ?? {});
  return Object.fromEntries(
    ALLOWED[provider].flatMap((name) => {
      const found = given.find(([key]) => key.toLowerCase() === name.toLowerCase());
      return found === undefined ? [] : [[name, found[1]]];
    }),
  );
}

/**
 * The length up to which the graph's rotary table serves where WebGPU's kernel chooses between two joined ones
 * (multiRotaryCacheConcatOffset); undefined: the graph has one table, or chooses itself.
 */
export function joinedTableOffset(config: Pick<GenaiConfig, 'providerOptions'>): number | undefined {
  const text = folderProviderOptions(config, 'webgpu')['multiRotaryCacheConcatOffset'];
  const offset = text !== undefined && /^\d{1,8}$/u.test(text) ? Number(text) : 0;
  return offset > 0 ? offset : undefined;
}
