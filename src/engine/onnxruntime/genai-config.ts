/**
 * Reads genai_config.json, the description that onnxruntime-genai's model builder and aipc's exporter put beside a
 * decoder: file name, sizes, names of inputs and outputs, session options. The folder may come from a stranger:
 * everything is checked. It does not look into the ONNX file.
 * Format: onnxruntime-genai, src/config.h and the builder's make_genai_config.
 */
import { open } from 'node:fs/promises';
import path from 'node:path';
import { ModelFormatError, NotFoundError, UnsupportedError } from '../../errors.js';

/** Real files have about 2 KiB. */
export const MAX_CONFIG_BYTES = 2 ** 20;
/** Above every published decoder, low enough that products of them stay exact. */
const MAX_LAYERS = 1024;
const MAX_HEADS = 1024;
const MAX_HEAD_SIZE = 4096;
export const MAX_VOCABULARY_SIZE = 2 ** 22;
export const MAX_CONTEXT_TOKENS = 2 ** 24;
/** Families name one to five. */
const MAX_END_TOKENS = 64;

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

type Json = Readonly<Record<string, unknown>>;

/** Reads one object and names the place of whatever is wrong in it. */
class Fields {
  readonly #file: string;
  readonly #where: string;
  readonly #json: Json;

  constructor(file: string, where: string, json: unknown) {
    this.#file = file;
    this.#where = where;
    if (typeof json !== 'object' || json === null || Array.isArray(json)) throw this.malformed('', 'an object', json);
    this.#json = json as Json;
  }

  malformed(key: string, allowed: string, found: unknown): ModelFormatError {
    const place = [this.#where, key].filter((part) => part !== '').join('.');
    return new ModelFormatError(
      'FILE_MALFORMED',
      `${this.#file}: ${place === '' ? 'the file' : place} must be ${allowed}, found ` +
        `${(JSON.stringify(found) as string | undefined)?.slice(0, 80) ?? 'nothing'}. Export the model anew.`,
      { details: { file: this.#file, field: place, allowed } },
    );
  }

  has(key: string): boolean {
    return this.#json[key] !== undefined;
  }

  object(key: string): Fields {
    return new Fields(this.#file, [this.#where, key].filter((part) => part !== '').join('.'), this.#json[key]);
  }

  count(key: string, max: number): number {
    const value = this.#json[key];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > max) {
      throw this.malformed(key, `an integer from 1 to ${max}`, value);
    }
    return value;
  }

  /** Token ids: a number, a list of them, or absent. */
  tokenIds(key: string): readonly number[] {
    const value = this.#json[key] ?? [];
    const ids: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (ids.length > MAX_END_TOKENS) throw this.malformed(key, `at most ${MAX_END_TOKENS} token ids`, ids.length);
    return ids.map((id) => {
      if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < MAX_VOCABULARY_SIZE) return id;
      throw this.malformed(key, `token ids from 0 to ${MAX_VOCABULARY_SIZE - 1}`, value);
    });
  }

  /** A name of an input or output; genai's own default where the file does not give one. */
  name(key: string, fallback: string): string {
    const value = this.#json[key] ?? fallback;
    if (typeof value !== 'string' || value === '' || value.length > 256) {
      throw this.malformed(key, 'a name of 1 to 256 characters', value);
    }
    return value;
  }

  template(key: string, fallback: string): string {
    const value = this.name(key, fallback);
    if (value.split('%').length !== 2 || !value.includes('%d')) {
      throw this.malformed(key, 'a name with one %d for the layer', value);
    }
    return value;
  }

  scalars(): Record<string, string> {
    const scalars = Object.entries(this.#json).filter(([, value]) =>
      ['string', 'number', 'boolean'].includes(typeof value),
    );
    return Object.fromEntries(scalars.map(([key, value]) => [key, String(value)]));
  }
}

/** Reads and checks `folder`/genai_config.json. Throws MODEL_FILE_MISSING, FILE_* and MODEL_FEATURE_UNSUPPORTED. */
export async function readGenaiConfig(folder: string): Promise<GenaiConfig> {
  const file = path.join(folder, 'genai_config.json');
  const top = new Fields(file, '', await readJson(file));
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

/**
 * The path of `name` inside `folder`; throws what `refusal` makes when it leads out of it. Links are followed: the
 * Hugging Face cache consists of them.
 */
export function resolveInside(folder: string, name: string, refusal: (name: string) => Error): string {
  const root = path.resolve(folder);
  const resolved = path.resolve(root, name);
  const isInside = resolved.startsWith(root.endsWith(path.sep) ? root : root + path.sep);
  if (!isInside || name.includes('\0') || path.isAbsolute(name) || path.win32.isAbsolute(name)) throw refusal(name);
  return resolved;
}

async function readJson(file: string): Promise<unknown> {
  let handle;
  try {
    handle = await open(file);
  } catch (cause) {
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `${file} cannot be opened (${(cause as NodeJS.ErrnoException).code ?? 'unknown'}). ` +
        'An ONNX model folder needs one: give the folder that the export made.',
      { cause, details: { file } },
    );
  }
  try {
    const { size } = await handle.stat();
    if (size > MAX_CONFIG_BYTES) {
      throw new ModelFormatError(
        'FILE_LIMIT_EXCEEDED',
        `${file}: ${size} bytes, at most ${MAX_CONFIG_BYTES} are read. This is not a genai_config.json.`,
        { details: { file, size, limit: MAX_CONFIG_BYTES } },
      );
    }
    const text = await handle.readFile('utf8');
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      throw new ModelFormatError('FILE_MALFORMED', `${file}: not JSON (${String(cause)}). Export the model anew.`, {
        cause,
        details: { file },
      });
    }
  } finally {
    await handle.close();
  }
}
