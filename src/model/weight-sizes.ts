/** What the choice of an export for a device depends on, counted from a model's configuration. */
import type { WeightSizes } from '../engine/openvino/device-profiles.js';
import type { ModelConfig } from '../weights/weights.js';

export function weightSizes(config: ModelConfig): WeightSizes {
  const { hiddenSize, intermediateSize, headCount, kvHeadCount, headSize, layerCount, vocabularySize } = config;
  const attention = hiddenSize * headSize * (2 * headCount + 2 * kvHeadCount);
  const mlp = 3 * hiddenSize * intermediateSize;
  const ends = vocabularySize * hiddenSize * (config.tiedEmbeddings ? 1 : 2);
  return {
    parameters: layerCount * (attention + mlp) + ends,
    rowChannels: [...new Set([hiddenSize, intermediateSize, headCount * headSize])],
  };
}
