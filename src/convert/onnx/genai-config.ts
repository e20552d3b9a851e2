/**
 * genai_config.json, as onnxruntime-genai's model builder writes it (base.py, make_genai_config): the file that makes
 * the folder loadable by onnxruntime-genai, and that aipc's own engine reads too. It does not write files.
 */
import type { Decoder } from '../decoder.js';
import type { OnnxTarget } from '../recipe.js';

/** onnxruntime-genai's name for a model of each family. */
const GENAI_TYPE = { phi3: 'phi3', llama: 'llama' } as const;

/**
 * Options of onnxruntime-genai's execution provider for each target (ep_attrs in base.py). DirectML's graph capture is
 * the builder's default, though onnxruntime-genai knows of devices on which it gives wrong logits (src/config.cpp).
 */
const PROVIDER_OPTIONS: Readonly<Record<OnnxTarget, readonly object[]>> = {
  cpu: [],
  dml: [{ dml: { enable_graph_capture: '1' } }],
  webgpu: [{ webgpu: { enableGraphCapture: '0', validationMode: 'basic' } }],
  cuda: [{ cuda: { enable_cuda_graph: '0' } }],
};

/**
 * The sliding window is an attribute of the graph's attention nodes; a `sliding_window` block here would make
 * onnxruntime-genai manage the cache itself, which needs another graph.
 */
export function genaiConfig(decoder: Decoder, modelFile: string, target: OnnxTarget): object {
  const [firstEos] = decoder.eosTokenIds;
  return {
    model: {
      bos_token_id: decoder.bosTokenId ?? 1,
      context_length: decoder.contextTokens,
      decoder: {
        session_options: { log_id: 'onnxruntime-genai', provider_options: PROVIDER_OPTIONS[target] },
        filename: modelFile,
        head_size: decoder.attention.headSize,
        hidden_size: decoder.hiddenSize,
        inputs: {
          input_ids: 'input_ids',
          attention_mask: 'attention_mask',
          ...(target === 'dml' ? { position_ids: 'position_ids' } : {}),
          past_key_names: 'past_key_values.%d.key',
          past_value_names: 'past_key_values.%d.value',
        },
        outputs: {
          logits: 'logits',
          present_key_names: 'present.%d.key',
          present_value_names: 'present.%d.value',
        },
        num_attention_heads: decoder.attention.headCount,
        num_hidden_layers: decoder.layers.length,
        num_key_value_heads: decoder.attention.kvHeadCount,
      },
      eos_token_id: decoder.eosTokenIds.length === 1 ? firstEos : decoder.eosTokenIds,
      pad_token_id: decoder.padTokenId ?? firstEos,
      type: GENAI_TYPE[decoder.architecture],
      vocab_size: decoder.vocabularySize,
    },
    search: {
      diversity_penalty: 0.0,
      do_sample: false,
      early_stopping: true,
      length_penalty: 1.0,
      max_length: decoder.contextTokens,
      min_length: 0,
      no_repeat_ngram_size: 0,
      num_beams: 1,
      num_return_sequences: 1,
      past_present_share_buffer: true,
      repetition_penalty: 1.0,
      temperature: 1.0,
      top_k: 50,
      top_p: 1.0,
    },
  };
}
