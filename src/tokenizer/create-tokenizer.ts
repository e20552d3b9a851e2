/**
 * A tokenizer out of a parsed tokenizer.json. Ids equal those of Hugging Face's `tokenizers` library (Rust).
 *
 * Why an implementation of our own: that library's Node binding (npm `tokenizers` 0.23) encodes only asynchronously,
 * cannot keep control tokens typed by a person as text, and runs any regular expression of the file: an exponential
 * one ends the whole process. `@huggingface/tokenizers` (JavaScript) is much slower, and differs for some characters.
 *
 * Not here: bos and eos (post-processor), truncation, padding, offsets; models other than BPE.
 */
import { refuseUnknownKeys } from '../options.js';
import { type AddedToken, isOrdinary, parseAddedTokens } from './added-tokens.js';
import { BpeTokenizer } from './bpe-tokenizer.js';
import { type BpeVocabulary } from './bpe.js';
import { parseDecoder } from './decoder.js';
import { JsonReader } from './json-reader.js';
import { parseNormalizer } from './normalizer.js';
import { parseModel } from './parse-model.js';
import { parsePrependsBos } from './post-processor.js';
import { parsePreTokenizer } from './pre-tokenizer.js';
import { type Tokenizer } from './tokenizer.js';

/** Checks the ids of the added tokens against each other and the model's vocabulary. */
function checkIds(json: JsonReader, addedTokens: readonly AddedToken[], { ids, tokens }: BpeVocabulary): void {
  const added = new Map<number, string>();
  for (const { id, content } of addedTokens) {
    const holder = tokens[id] ?? added.get(id) ?? content;
    const known = ids.get(content) ?? id;
    if (holder !== content || known !== id) {
      throw json.malformed(
        `added token ${JSON.stringify(content)} has id ${id}, but ` +
          (holder === content ? `the vocabulary gives it ${known}` : `that is ${JSON.stringify(holder.slice(0, 60))}`),
      );
    }
    added.set(id, content);
  }
}

export interface TokenizerSource {
  /** The parsed tokenizer.json. */
  readonly tokenizerJson: unknown;
  /** The parsed tokenizer_config.json, if there is one. */
  readonly tokenizerConfig?: unknown;
  /** Where the files are, for messages. */
  readonly location?: string;
}

/**
 * Makes a tokenizer in steps of a few milliseconds: a caller with other things to do takes a turn at each `yield`. Large
 * vocabularies take a second in all.
 */
export function* tokenizerSteps(source: TokenizerSource): Generator<void, Tokenizer> {
  const prefix = source.location === undefined ? '' : `${source.location}: `;
  const json = new JsonReader(source.tokenizerJson, `${prefix}tokenizer.json`);
  const config = new JsonReader(source.tokenizerConfig, `${prefix}tokenizer_config.json`);
  const addedField = json.get('added_tokens');
  const addedTokens = parseAddedTokens(addedField);
  const normalizer = parseNormalizer(json.get('normalizer'));
  const positional = addedTokens.find((token) => token.normalized && !isOrdinary(token));
  if (positional !== undefined && !normalizer.tracksPositions) {
    throw addedField.unsupported(
      `control token ${JSON.stringify(positional.content)}, looked for in Unicode-normalised text,`,
      ['"normalized": false', 'the normalizers Prepend and Replace'],
    );
  }
  const vocabulary = yield* parseModel(json.get('model'), addedTokens);
  checkIds(addedField, addedTokens, vocabulary);
  return new BpeTokenizer({
    addedTokens,
    normalizer,
    preTokenizer: parsePreTokenizer(json.get('pre_tokenizer')),
    vocabulary,
    createDecoderChain: parseDecoder(json.get('decoder')),
    prependsBos: parsePrependsBos(json.get('post_processor'), config),
  });
}

/**
 * Makes a tokenizer of a parsed tokenizer.json, at once. The object is not kept.
 *
 * Throws TOKENIZER_MALFORMED with the place that is wrong, TOKENIZER_UNSUPPORTED with the component that is not
 * supported.
 */
export function createTokenizer(source: TokenizerSource): Tokenizer {
  refuseUnknownKeys('createTokenizer', source, ['tokenizerJson', 'tokenizerConfig', 'location']);
  const steps = tokenizerSteps(source);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}
