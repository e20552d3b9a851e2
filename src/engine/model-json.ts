/**
 * Reads the JSON files that lie beside a model, which may come from a stranger: size, types and ranges are checked, and
 * an error names the file and the field. It knows no particular file.
 */
import path from 'node:path';
import { inspect } from 'node:util';
import { ModelFormatError } from '../errors.js';
import { isInside, readFolderFile } from '../file-system.js';

/** Real files have about 2 KiB. */
export const MAX_CONFIG_BYTES = 2 ** 20;
export const MAX_VOCABULARY_SIZE = 2 ** 22;
export const MAX_CONTEXT_TOKENS = 2 ** 24;
/** Families name one to five. */
const MAX_END_TOKENS = 64;

type Json = Readonly<Record<string, unknown>>;

/** A value for a message. Not as JSON: values may nest deeper than JSON.stringify() can follow. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  return inspect(value, { breakLength: Infinity, maxStringLength: 80, maxArrayLength: 8, depth: 1 }).slice(0, 200);
}

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
        `${show(found)}. Export the model anew.`,
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

  /** A number in [min, max]; undefined where absent or null. */
  number(
    key: string,
    { min, max, integer = false }: { min: number; max: number; integer?: boolean },
  ): number | undefined {
    const value = this.#json[key] ?? undefined;
    if (value === undefined) return undefined;
    const fits = typeof value === 'number' && value >= min && value <= max && (!integer || Number.isInteger(value));
    if (!fits) throw this.malformed(key, `${integer ? 'an integer' : 'a number'} from ${min} to ${max}`, value);
    return value;
  }

  /** undefined where absent or null. */
  boolean(key: string): boolean | undefined {
    const value = this.#json[key] ?? undefined;
    if (value !== undefined && typeof value !== 'boolean') throw this.malformed(key, 'true or false', value);
    return value;
  }

  /** The objects of a list; none where it is absent. */
  objects(key: string, max: number): readonly JsonFields[] {
    const value = this.#json[key] ?? [];
    if (!Array.isArray(value) || value.length > max)
      throw this.malformed(key, `a list of at most ${max} objects`, value);
    return value.map((item: unknown, at) => new JsonFields(this.#file, `${this.#where}.${key}[${at}]`, item));
  }

  keys(): readonly string[] {
    return Object.keys(this.#json);
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
  const text = (await readFolderFile(file, { maxBytes: MAX_CONFIG_BYTES, remedy })).toString('utf8');
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
}

/**
 * Characters that no file of a model has: control characters, and those that name streams, devices and patterns on
 * Windows. ONNX Runtime takes a location of `*` + `/_ORT_MEM_ADDR_/` + `*` for an address in memory.
 */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const REFUSED_CHARACTERS = /[\0-\x1f<>:"|?*]/;

/**
 * The path of `name` inside `folder`; throws what `refusal` makes when it leads out of it or is no plain file name. Where
 * links lead is refuseStrayLink()'s to judge.
 */
export function resolveInside(folder: string, name: string, refusal: (name: string) => Error): string {
  const root = path.resolve(folder);
  const resolved = path.resolve(root, name);
  const leadsOut = !isInside(root, resolved) || path.win32.normalize(name).startsWith('..');
  if (leadsOut || REFUSED_CHARACTERS.test(name) || path.isAbsolute(name) || path.win32.isAbsolute(name))
    throw refusal(name);
  return resolved;
}
