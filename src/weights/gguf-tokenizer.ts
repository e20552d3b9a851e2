/**
 * The vocabulary that a GGUF file carries, as typed plain data. It does not tokenise and checks only types and sizes:
 * what the entries mean is the tokenizer's concern. Keys: ggml, docs/gguf.md, "Tokenizer".
 */
import { resolve } from 'node:path';
import { ModelFormatError } from '../errors.js';
import { CONFIG_LIMITS } from './config-fields.js';
import { quoted } from './format-error.js';
import { readGgufHead, type GgufValue } from './gguf.js';
import { ModelFile } from './model-file.js';

export interface GgufTokenizerMetadata {
  /** tokenizer.ggml.model: 'llama' (SentencePiece), 'gpt2' (byte-level BPE)... */
  readonly model: string;
  /** tokenizer.ggml.pre: which pre-tokenizer llama.cpp would use; 'default' where the file does not say. */
  readonly pre: string;
  readonly tokens: readonly string[];
  /** One for each token. */
  readonly scores?: Float32Array;
  /** One for each token: llama.h's LLAMA_TOKEN_TYPE_* (1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte). */
  readonly tokenTypes?: Int32Array;
  /** Pairs with a space between, best first. */
  readonly merges?: readonly string[];
  readonly bosTokenId?: number;
  readonly eosTokenId?: number;
  readonly eotTokenId?: number;
  readonly unknownTokenId?: number;
  readonly paddingTokenId?: number;
  readonly addBosToken?: boolean;
  readonly addEosToken?: boolean;
  readonly addSpacePrefix?: boolean;
  /** Jinja, from a stranger. */
  readonly chatTemplate?: string;
}

const PREFIX = 'tokenizer.';

/**
 * Reads the tokenizer metadata of a .gguf file. Throws MODEL_FILE_MISSING, TOKENIZER_MALFORMED (missing or of the wrong
 * type), the errors of readGgufHead(), or the signal's reason.
 */
export async function readGgufTokenizer(
  path: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<GgufTokenizerMetadata> {
  options.signal?.throwIfAborted();
  await using file = await ModelFile.open(resolve(path));
  const { metadata } = await readGgufHead(file, (key) => key.startsWith(PREFIX), options.signal);
  return tokenizerFromGguf(file.path, metadata);
}

function tokenizerFromGguf(file: string, metadata: ReadonlyMap<string, GgufValue>): GgufTokenizerMetadata {
  const fields = new TokenizerFields(file, metadata);
  const tokens = fields.strings('ggml.tokens');
  const { max } = CONFIG_LIMITS.vocabularySize;
  if (tokens === undefined || tokens.length === 0 || tokens.length > max) {
    throw fields.refuse('ggml.tokens', `a list of 1 to ${max} strings`);
  }
  const model = fields.string('ggml.model');
  if (model === undefined) throw fields.refuse('ggml.model', 'a string');
  return withoutUndefined({
    model,
    pre: fields.string('ggml.pre') ?? 'default',
    tokens,
    scores: fields.floats('ggml.scores', tokens.length),
    tokenTypes: fields.integers('ggml.token_type', tokens.length),
    merges: fields.strings('ggml.merges'),
    bosTokenId: fields.tokenId('ggml.bos_token_id', tokens.length),
    eosTokenId: fields.tokenId('ggml.eos_token_id', tokens.length),
    eotTokenId: fields.tokenId('ggml.eot_token_id', tokens.length),
    unknownTokenId: fields.tokenId('ggml.unknown_token_id', tokens.length),
    paddingTokenId: fields.tokenId('ggml.padding_token_id', tokens.length),
    addBosToken: fields.boolean('ggml.add_bos_token'),
    addEosToken: fields.boolean('ggml.add_eos_token'),
    addSpacePrefix: fields.boolean('ggml.add_space_prefix'),
    chatTemplate: fields.string('chat_template'),
  });
}

/** Typed access; each method returns undefined where the key is absent and throws TOKENIZER_MALFORMED otherwise. */
class TokenizerFields {
  readonly #file: string;
  readonly #metadata: ReadonlyMap<string, GgufValue>;

  constructor(file: string, metadata: ReadonlyMap<string, GgufValue>) {
    this.#file = file;
    this.#metadata = metadata;
  }

  string(name: string): string | undefined {
    const value = this.#get(name);
    if (value === undefined || typeof value === 'string') return value;
    throw this.refuse(name, 'a string');
  }

  boolean(name: string): boolean | undefined {
    const value = this.#get(name);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.refuse(name, 'a boolean');
  }

  tokenId(name: string, tokenCount: number): number | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < tokenCount) return value;
    throw this.refuse(name, `a token id from 0 to ${tokenCount - 1}`);
  }

  strings(name: string): readonly string[] | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (isStrings(value)) return value;
    throw this.refuse(name, 'a list of strings');
  }

  floats(name: string, length: number): Float32Array | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (value instanceof Float32Array && value.length === length) return value;
    throw this.refuse(name, `a list of ${length} float32`);
  }

  integers(name: string, length: number): Int32Array | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (value instanceof Int32Array && value.length === length) return value;
    // Some writers use unsigned integers; the format says int32.
    if (value instanceof Uint32Array && value.length === length) return Int32Array.from(value);
    throw this.refuse(name, `a list of ${length} int32`);
  }

  refuse(name: string, allowed: string): ModelFormatError {
    const value = this.#get(name);
    const found =
      value === undefined
        ? 'nothing'
        : typeof value === 'object'
          ? `a list of ${value.length} (${value.constructor.name})`
          : quoted(value);
    return new ModelFormatError(
      'TOKENIZER_MALFORMED',
      `${this.#file}: ${PREFIX}${name} must be ${allowed}, found ${found}. Convert the model again with its tokenizer.`,
      { details: { file: this.#file, key: PREFIX + name, found } },
    );
  }

  #get(name: string): GgufValue | undefined {
    return this.#metadata.get(PREFIX + name);
  }
}

function isStrings(value: GgufValue): value is readonly string[] {
  return Array.isArray(value);
}

type WithoutUndefined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

function withoutUndefined<T extends object>(value: T): WithoutUndefined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as WithoutUndefined<T>;
}
