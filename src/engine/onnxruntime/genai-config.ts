/**
 * Reads genai_config.json, the description that onnxruntime-genai's model builder and aipc's exporter put beside a
 * decoder: file name, sizes, names of inputs and outputs, session options. The folder may come from a stranger:
 * everything is checked. It does not look into the ONNX file.
 * Format: onnxruntime-genai, src/config.h and the builder's make_genai_config.
 */
import path from 'node:path';
import { UnsupportedError } from '../../errors.js';
import { JsonFields, MAX_CONTEXT_TOKENS, MAX_VOCABULARY_SIZE, readModelJson, resolveInside } from '../model-json.js';

/** Above every published decoder, low enough that products of them stay exact. */
export const MAX_LAYERS = 1024;
export const MAX_HEADS = 1024;
export const MAX_HEAD_SIZE = 4096;
/** ONNX Runtime has about twenty. */
const MAX_PROVIDERS = 64;

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
  /** Options of execution providers as strings, unchecked, by the provider's name in lower case: dml, webgpu, cuda... */
  readonly providerOptions: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly search: SearchDefaults;
  /** Lengths at which the rope factors change, as far as the configuration tells; the graph may tell more. */
  readonly ropeBoundaries: readonly number[];
}

/** What an answer is sampled with unless the caller says otherwise; undefined: the folder does not say. */
export interface SearchDefaults {
  readonly doSample: boolean | undefined;
  readonly temperature: number | undefined;
  /** 0 or 1 and up. */
  readonly topK: number | undefined;
  readonly topP: number | undefined;
  readonly repetitionPenalty: number | undefined;
  /** Of prompt and answer together, in tokens. */
  readonly maxLength: number | undefined;
  /** Tokens of a prompt in one run. */
  readonly chunkTokens: number | undefined;
}

export const NO_SEARCH_DEFAULTS: SearchDefaults = {
  doSample: undefined,
  temperature: undefined,
  topK: undefined,
  topP: undefined,
  repetitionPenalty: undefined,
  maxLength: undefined,
  chunkTokens: undefined,
};

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
  for (const part of ['vision', 'speech', 'embedding', 'encoder']) {
    if (!model.hasValue(part)) continue;
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${file}: the model has a part '${part}'; aipc runs models of text alone, whose decoder takes token ids. ` +
        'Take a text model of the family, such as Phi-3.5-mini or Phi-4-mini.',
      { details: { file, part } },
    );
  }
  refuseSlidingInputs(file, decoder);
  const inputs = decoder.has('inputs') ? decoder.object('inputs') : new JsonFields(file, 'model.decoder.inputs', {});
  const outputs = decoder.has('outputs')
    ? decoder.object('outputs')
    : new JsonFields(file, 'model.decoder.outputs', {});
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
    providerOptions: decoder.has('session_options')
      ? readProviderOptions(decoder.object('session_options'))
      : new Map(),
    search: top.hasValue('search') ? readSearch(top.object('search')) : NO_SEARCH_DEFAULTS,
    ropeBoundaries: [],
  };
}

/**
 * The block `sliding_window` is there for every model that has a window, which the graph itself applies. Only where it
 * asks the caller to move the cache or the inputs is it a model of fixed shapes, made for some NPU.
 */
function refuseSlidingInputs(file: string, decoder: JsonFields): void {
  if (!decoder.hasValue('sliding_window')) return;
  const window = decoder.object('sliding_window');
  const asked = ['slide_key_value_cache', 'slide_inputs'].filter((key) => window.boolean(key) === true);
  if (asked.length === 0) return;
  throw new UnsupportedError(
    'MODEL_FEATURE_UNSUPPORTED',
    `${file}: decoder.sliding_window asks for ${asked.join(' and ')}: a graph of fixed shapes, made for one kind of NPU. ` +
      'Take the folder for the CPU, or the model as weights or as an OpenVINO folder.',
    { details: { file, asked } },
  );
}

/** A list of objects of one key, the provider's name, whose value holds its options. */
function readProviderOptions(session: JsonFields): ReadonlyMap<string, Readonly<Record<string, string>>> {
  const options = new Map<string, Readonly<Record<string, string>>>();
  for (const entry of session.objects('provider_options', MAX_PROVIDERS)) {
    for (const name of entry.keys()) options.set(name.toLowerCase(), entry.object(name).scalars());
  }
  return options;
}

function readSearch(search: JsonFields): SearchDefaults {
  return {
    doSample: search.boolean('do_sample'),
    temperature: search.number('temperature', { min: 0, max: 100 }),
    topK: search.number('top_k', { min: 0, max: MAX_VOCABULARY_SIZE, integer: true }),
    topP: search.number('top_p', { min: 0, max: 1 }),
    repetitionPenalty: search.number('repetition_penalty', { min: 0.01, max: 100 }),
    maxLength: search.number('max_length', { min: 1, max: MAX_CONTEXT_TOKENS, integer: true }),
    chunkTokens: search.number('chunk_size', { min: 1, max: MAX_CONTEXT_TOKENS, integer: true }),
  };
}
