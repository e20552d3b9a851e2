/**
 * Reads genai_config.json, the description that onnxruntime-genai's model builder and aipc's exporter put beside a
 * decoder: file name, sizes, names of inputs and outputs, session options. The folder may come from a stranger:
 * everything is checked. It does not look into the ONNX file.
 * Format: onnxruntime-genai, src/config.h and the builder's make_genai_config.
 */
import path from 'node:path';
import { UnsupportedError } from '../../errors.js';
import { MAX_CONTEXT_TOKENS, MAX_VOCABULARY_SIZE, readModelJson, resolveInside } from '../model-json.js';

/** Above every published decoder, low enough that products of them stay exact. */
const MAX_LAYERS = 1024;
const MAX_HEADS = 1024;
const MAX_HEAD_SIZE = 4096;

export interface GenaiConfig {
  /** Path of the configuration, for messages. */
  readonly file: string;
  readonly modelFile: string;
  readonly contextTokens: number;
  readonly vocabularySize: number;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly inputIds: string;
  readonly attentionMask: string;
  readonly positionIds: string;
  readonly logits: string;
  /** Names with %d for the layer. */
  readonly pastKey: string;
  readonly pastValue: string;
  readonly presentKey: string;
  readonly presentValue: string;
  /** Any of them ends an answer. */
  readonly endTokenIds: readonly number[];
  readonly bosTokenId: number | null;
  /** The scalar entries of decoder.session_options as strings, unchecked. */
  readonly sessionOptions: Readonly<Record<string, string>>;
}

/** Reads and checks `folder`/genai_config.json. Throws MODEL_FILE_MISSING, FILE_* and MODEL_FEATURE_UNSUPPORTED. */
export async function readGenaiConfig(folder: string): Promise<GenaiConfig> {
  const file = path.join(folder, 'genai_config.json');
  const top = await readModelJson(file, 'An ONNX model folder needs one: give the folder that the export made.');
  const model = top.object('model');
  const decoder = model.object('decoder');
  if (decoder.has('pipeline')) {
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${file}: the decoder is split into a pipeline of several graphs; aipc runs decoders of one graph.`,
      { details: { file } },
    );
  }
  const inputs = decoder.object('inputs');
  const outputs = decoder.object('outputs');
  return {
    file,
    modelFile: resolveInside(folder, decoder.name('filename', 'model.onnx'), (found) =>
      decoder.malformed('filename', 'a path inside the folder', found),
    ),
    contextTokens: model.count('context_length', MAX_CONTEXT_TOKENS),
    vocabularySize: model.count('vocab_size', MAX_VOCABULARY_SIZE),
    layers: decoder.count('num_hidden_layers', MAX_LAYERS),
    kvHeads: decoder.count('num_key_value_heads', MAX_HEADS),
    headSize: decoder.count('head_size', MAX_HEAD_SIZE),
    inputIds: inputs.name('input_ids', 'input_ids'),
    attentionMask: inputs.name('attention_mask', 'attention_mask'),
    positionIds: inputs.name('position_ids', 'position_ids'),
    logits: outputs.name('logits', 'logits'),
    pastKey: inputs.template('past_key_names', 'past_key_values.%d.key'),
    pastValue: inputs.template('past_value_names', 'past_key_values.%d.value'),
    presentKey: outputs.template('present_key_names', 'present.%d.key'),
    presentValue: outputs.template('present_value_names', 'present.%d.value'),
    endTokenIds: model.tokenIds('eos_token_id'),
    bosTokenId: model.tokenIds('bos_token_id')[0] ?? null,
    sessionOptions: decoder.has('session_options') ? decoder.object('session_options').scalars() : {},
  };
}
