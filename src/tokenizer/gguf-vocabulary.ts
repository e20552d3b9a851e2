/**
 * The vocabulary inside a GGUF file as a Hugging Face tokenizer.json and tokenizer_config.json: one tokenizer then
 * serves both kinds of files, and folders that aipc writes carry one that other programs load, too.
 * It does not read GGUF files. Metadata: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (tokenizer.ggml.*)
 */
import { ModelFormatError, UnsupportedError } from '../errors.js';
import { addedTokens, TokenType } from './gguf-added-tokens.js';
import { MAX_MERGES, MAX_TOKEN_CHARACTERS, MAX_VOCABULARY_TOKENS } from './limits.js';
import { mergesFromScores } from './sentencepiece-merges.js';
import { CL100K_EXPRESSION, O200K_EXPRESSION, QWEN2_EXPRESSION } from './word-scanner.js';

/** The `tokenizer.ggml.*` metadata (and `tokenizer.chat_template`) of a GGUF file. */
export interface GgufVocabulary {
  /** `llama`: SentencePiece with scores; `gpt2`: byte-level BPE with merges. */
  readonly model: string;
  /** How text is cut into words. */
  readonly pre?: string;
  readonly tokens: readonly string[];
  readonly scores?: Float32Array;
  readonly tokenTypes?: Int32Array;
  readonly merges?: readonly string[];
  readonly bosTokenId?: number;
  readonly eosTokenId?: number;
  readonly eotTokenId?: number;
  readonly unknownTokenId?: number;
  readonly paddingTokenId?: number;
  readonly addBosToken?: boolean;
  readonly addEosToken?: boolean;
  readonly addSpacePrefix?: boolean;
  readonly chatTemplate?: string;
}

/** A tokenizer.json and a tokenizer_config.json, ready for JSON.stringify. */
export interface TokenizerFiles {
  readonly tokenizerJson: Readonly<Record<string, unknown>>;
  readonly tokenizerConfig: Readonly<Record<string, unknown>>;
}

/** All tokens together. The 32,064 of Phi-3 have 190,000, Gemma's 262,144 have 1.8 million. */
const MAX_VOCABULARY_CHARACTERS = 1 << 22;
/** SentencePiece's own default is 16 (max_sentencepiece_length). Every place where a token can be cut is tried. */
const MAX_SENTENCEPIECE_CHARACTERS = 128;

const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };

function splitBy(expression: string): Readonly<Record<string, unknown>> {
  const split = { type: 'Split', pattern: { Regex: expression }, behavior: 'Isolated', invert: false };
  return { type: 'Sequence', pretokenizers: [split, { ...BYTE_LEVEL, use_regex: false }] };
}

const SINGLE_DIGITS = {
  type: 'Sequence',
  pretokenizers: [{ type: 'Digits', individual_digits: true }, BYTE_LEVEL],
};
const LLAMA3 = { preTokenizer: splitBy(CL100K_EXPRESSION), ignoresMerges: true, addsBos: true };

/** What `pre` of a `gpt2` vocabulary stands for. Names and what they share: llama.cpp, llama-vocab.cpp. */
interface Pre {
  /** tokenizer.json's pre_tokenizer. */
  readonly preTokenizer: Readonly<Record<string, unknown>>;
  readonly normalizer?: Readonly<Record<string, unknown>>;
  readonly ignoresMerges?: boolean;
  /** Where the file does not say. */
  readonly addsBos?: boolean;
}

const PRE_TOKENIZERS: ReadonlyMap<string, Pre> = new Map<string, Pre>([
  ['gpt-2', { preTokenizer: BYTE_LEVEL }],
  ['phi-2', { preTokenizer: BYTE_LEVEL }],
  ['smollm', { preTokenizer: SINGLE_DIGITS }],
  ['starcoder', { preTokenizer: SINGLE_DIGITS }],
  ['refact', { preTokenizer: SINGLE_DIGITS }],
  ['command-r', { preTokenizer: SINGLE_DIGITS }],
  // phi-4
  ['dbrx', { preTokenizer: splitBy(CL100K_EXPRESSION) }],
  ['smaug-bpe', { preTokenizer: splitBy(CL100K_EXPRESSION) }],
  // Phi-4-mini
  ['gpt-4o', { preTokenizer: splitBy(O200K_EXPRESSION) }],
  ['llama-bpe', LLAMA3],
  ['llama3', LLAMA3],
  ['llama-v3', LLAMA3],
  ['qwen2', { preTokenizer: splitBy(QWEN2_EXPRESSION), normalizer: { type: 'NFC' } }],
]);

function malformed(problem: string): ModelFormatError {
  return new ModelFormatError(
    'TOKENIZER_MALFORMED',
    `The GGUF file's vocabulary: ${problem}. Get the file again from its source.`,
  );
}

function unsupported(field: string, found: string, supported: readonly string[]): UnsupportedError {
  return new UnsupportedError(
    'TOKENIZER_UNSUPPORTED',
    `The GGUF file's tokenizer.ggml.${field} '${found}' is not supported. Supported: ${supported.join(', ')}. ` +
      "Use the model's safetensors folder, which has a tokenizer.json.",
    { details: { field, found, supported } },
  );
}

/** The tokens that exist: without those which only fill the vocabulary up to a round number. Ascending ids. */
function readTokens(vocabulary: GgufVocabulary): Map<string, number> {
  const { tokens, tokenTypes, unknownTokenId } = vocabulary;
  if (tokens.length === 0 || tokens.length > MAX_VOCABULARY_TOKENS) {
    throw malformed(`${tokens.length} tokens, allowed are 1 to ${MAX_VOCABULARY_TOKENS}`);
  }
  const ids = new Map<string, number>();
  let characters = 0;
  for (const [id, token] of tokens.entries()) {
    characters += token.length;
    if (token.length > MAX_TOKEN_CHARACTERS || characters > MAX_VOCABULARY_CHARACTERS) {
      throw malformed(`its tokens are too long (at most ${MAX_TOKEN_CHARACTERS} characters each)`);
    }
    const type = tokenTypes?.[id] ?? TokenType.normal;
    if (type === TokenType.unused || (type === TokenType.unknown && id !== unknownTokenId)) continue;
    if (ids.has(token)) throw malformed(`token ${JSON.stringify(token)} stands there twice`);
    ids.set(token, id);
  }
  return ids;
}

function tokenAt(vocabulary: GgufVocabulary, field: string, id: number | undefined): string | undefined {
  if (id === undefined) return undefined;
  const token = vocabulary.tokens[id];
  if (token === undefined) throw malformed(`${field} is ${id}, and there are ${vocabulary.tokens.length} tokens`);
  return token;
}

function postProcessor(bosToken: string, bosTokenId: number): Readonly<Record<string, unknown>> {
  const bos = { SpecialToken: { id: bosToken, type_id: 0 } };
  const sequence = (id: 'A' | 'B', typeId: number): object => ({ Sequence: { id, type_id: typeId } });
  return {
    type: 'TemplateProcessing',
    single: [bos, sequence('A', 0)],
    pair: [bos, sequence('A', 0), { SpecialToken: { id: bosToken, type_id: 1 } }, sequence('B', 1)],
    special_tokens: { [bosToken]: { id: bosToken, ids: [bosTokenId], tokens: [bosToken] } },
  };
}

/** The fields of tokenizer.json that depend on the kind of vocabulary. */
interface Kind {
  readonly normalizer: unknown;
  readonly preTokenizer: unknown;
  readonly decoder: unknown;
  readonly merges: readonly (readonly [string, string] | string)[];
  readonly byteFallback: boolean;
  readonly ignoresMerges: boolean;
  /** Where the file does not say. */
  readonly addsBos: boolean;
}

function sentencePiece(vocabulary: GgufVocabulary, ids: ReadonlyMap<string, number>): Kind {
  const { scores, tokenTypes } = vocabulary;
  const pre = vocabulary.pre ?? 'default';
  if (pre !== 'default') throw unsupported('pre', pre, ['default']);
  if (scores === undefined) throw malformed('a SentencePiece vocabulary without scores');
  const isNormal = (id: number): boolean => (tokenTypes?.[id] ?? TokenType.normal) === TokenType.normal;
  const mergeable = new Map([...ids].filter(([, id]) => isNormal(id)));
  for (const [token, id] of mergeable) {
    if (token.length > MAX_SENTENCEPIECE_CHARACTERS) {
      throw malformed(`token ${id} has ${token.length} characters, more than ${MAX_SENTENCEPIECE_CHARACTERS}`);
    }
    if (Number.isNaN(scores[id])) throw malformed(`the score of token ${id} is not a number`);
  }
  const addsSpace = vocabulary.addSpacePrefix ?? true;
  const toMeta = { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' };
  const fromMeta = { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' };
  const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 };
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: addsSpace ? [{ type: 'Prepend', prepend: '\u2581' }, toMeta] : [toMeta],
    },
    preTokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [fromMeta, { type: 'ByteFallback' }, { type: 'Fuse' }, ...(addsSpace ? [strip] : [])],
    },
    merges: scoredMerges(mergeable, scores),
    byteFallback: ids.has('<0x00>'),
    ignoresMerges: false,
    addsBos: true,
  };
}

function scoredMerges(vocabulary: ReadonlyMap<string, number>, scores: Float32Array): Kind['merges'] {
  const merges = mergesFromScores(vocabulary, scores, MAX_MERGES);
  if (merges === null) throw malformed(`more than ${MAX_MERGES} pairs of its tokens make another`);
  return merges;
}

function byteLevel(vocabulary: GgufVocabulary): Kind {
  const { merges } = vocabulary;
  const pre = vocabulary.pre ?? 'default';
  const found = PRE_TOKENIZERS.get(pre);
  if (found === undefined) throw unsupported('pre', pre, [...PRE_TOKENIZERS.keys()]);
  if (merges === undefined) throw malformed('a byte-level vocabulary without merges');
  const decoder = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };
  const { preTokenizer, normalizer = null, ignoresMerges = false, addsBos = false } = found;
  return { normalizer, preTokenizer, decoder, merges, byteFallback: false, ignoresMerges, addsBos };
}

/**
 * Builds the two Hugging Face files. Tokens of type CONTROL become special added tokens, USER_DEFINED other added
 * tokens; UNUSED ones and fillers of type UNKNOWN are left out.
 *
 * Throws TOKENIZER_UNSUPPORTED for a kind or `pre` that is not known, TOKENIZER_MALFORMED for an inconsistent
 * vocabulary.
 */
export function tokenizerJsonFromGguf(vocabulary: GgufVocabulary): TokenizerFiles {
  const { model, tokens, scores, tokenTypes, bosTokenId } = vocabulary;
  for (const [field, values] of Object.entries({ scores, token_type: tokenTypes })) {
    if (values !== undefined && values.length !== tokens.length) {
      throw malformed(`${values.length} entries in ${field} for ${tokens.length} tokens`);
    }
  }
  if (model !== 'llama' && model !== 'gpt2') throw unsupported('model', model, ['llama', 'gpt2']);
  const ids = readTokens(vocabulary);
  const kind = model === 'llama' ? sentencePiece(vocabulary, ids) : byteLevel(vocabulary);
  const bosToken = tokenAt(vocabulary, 'bos_token_id', bosTokenId);
  const eosToken = tokenAt(vocabulary, 'eos_token_id', vocabulary.eosTokenId);
  const paddingToken = tokenAt(vocabulary, 'padding_token_id', vocabulary.paddingTokenId);
  const unknownToken = tokenAt(vocabulary, 'unknown_token_id', vocabulary.unknownTokenId);
  const addsBos = (vocabulary.addBosToken ?? kind.addsBos) && bosToken !== undefined;
  return {
    tokenizerJson: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens(model, vocabulary.pre ?? 'default', tokenTypes, ids),
      normalizer: kind.normalizer,
      pre_tokenizer: kind.preTokenizer,
      post_processor: addsBos && bosTokenId !== undefined ? postProcessor(bosToken, bosTokenId) : null,
      decoder: kind.decoder,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: model === 'llama' ? (unknownToken ?? null) : null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: model === 'llama',
        byte_fallback: kind.byteFallback,
        ignore_merges: kind.ignoresMerges,
        vocab: Object.fromEntries(ids),
        merges: kind.merges,
      },
    },
    tokenizerConfig: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      clean_up_tokenization_spaces: false,
      add_bos_token: addsBos,
      add_eos_token: vocabulary.addEosToken ?? false,
      ...(bosToken === undefined ? {} : { bos_token: bosToken }),
      ...(eosToken === undefined ? {} : { eos_token: eosToken }),
      ...(paddingToken === undefined ? {} : { pad_token: paddingToken }),
      ...(unknownToken === undefined ? {} : { unk_token: unknownToken }),
      ...(vocabulary.chatTemplate === undefined ? {} : { chat_template: vocabulary.chatTemplate }),
    },
  };
}
