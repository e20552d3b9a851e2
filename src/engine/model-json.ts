/**
 * Reads the JSON files that lie beside a model, which may come from a stranger: size, types and ranges are checked, and
 * an error names the file and the field. It knows no particular file.
 */
import { open } from 'node:fs/promises';
import path from 'node:path';
import { ModelFormatError, NotFoundError } from '../errors.js';

/** Real files have about 2 KiB. */
export const MAX_CONFIG_BYTES = 2 ** 20;
export const MAX_VOCABULARY_SIZE = 2 ** 22;
export const MAX_CONTEXT_TOKENS = 2 ** 24;
/** Families name one to five. */
const MAX_END_TOKENS = 64;

type Json = Readonly<Record<string, unknown>>;

/** Reads one object and names the place of whatever is wrong in it. */
export class JsonFields {
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

  /** Present and not null. */
  hasValue(key: string): boolean {
    return (this.#json[key] ?? null) !== null;
  }

  object(key: string): JsonFields {
    return new JsonFields(this.#file, [this.#where, key].filter((part) => part !== '').join('.'), this.#json[key]);
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

/** Reads a JSON file of a model. Throws MODEL_FILE_MISSING with `remedy`, FILE_LIMIT_EXCEEDED, FILE_MALFORMED. */
export async function readModelJson(file: string, remedy: string): Promise<JsonFields> {
  let handle;
  try {
    handle = await open(file);
  } catch (cause) {
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `${file} cannot be opened (${(cause as NodeJS.ErrnoException).code ?? 'unknown'}). ${remedy}`,
      { cause, details: { file } },
    );
  }
  try {
    const { size } = await handle.stat();
    if (size > MAX_CONFIG_BYTES) {
      throw new ModelFormatError(
        'FILE_LIMIT_EXCEEDED',
        `${file}: ${size} bytes, at most ${MAX_CONFIG_BYTES} are read. This is not a model's configuration.`,
        { details: { file, size, limit: MAX_CONFIG_BYTES } },
      );
    }
    const text = await handle.readFile('utf8');
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (cause) {
      throw new ModelFormatError('FILE_MALFORMED', `${file}: not JSON (${String(cause)}). Export the model anew.`, {
        cause,
        details: { file },
      });
    }
    return new JsonFields(file, '', json);
  } finally {
    await handle.close();
  }
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
