/**
 * Reading a stranger's JSON field by field: a value with the path that leads to it, so that every refusal names the
 * place. It knows nothing of tokenizers but their two error codes.
 */
import { ModelFormatError, UnsupportedError } from '../errors.js';

/** What is wrong with a value, for a message: `found` is shown shortly. */
function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value !== null && typeof value === 'object') return 'an object';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

export class JsonReader {
  readonly value: unknown;
  /** Such as `tokenizer.json: model.merges[3]`. */
  readonly path: string;

  constructor(value: unknown, path: string) {
    this.value = value;
    this.path = path;
  }

  /** True for null and for a missing field. */
  get isNull(): boolean {
    return this.value === null || this.value === undefined;
  }

  malformed(problem: string): ModelFormatError {
    return new ModelFormatError(
      'TOKENIZER_MALFORMED',
      `${this.path}: ${problem}. Get the file again from its source.`,
      {
        details: { path: this.path },
      },
    );
  }

  /** `component` names what is not supported, such as "pre-tokenizer 'BertPreTokenizer'". */
  unsupported(component: string, supported: readonly string[]): UnsupportedError {
    return new UnsupportedError(
      'TOKENIZER_UNSUPPORTED',
      `${this.path}: ${component} is not supported. Supported: ${supported.join(', ')}.`,
      { details: { path: this.path, component, supported } },
    );
  }

  private expected(what: string): ModelFormatError {
    return this.malformed(`expected ${what}, found ${describe(this.value)}`);
  }

  /** A field of an object; its value is undefined when the field is missing. */
  get(key: string): JsonReader {
    const object = this.object();
    return new JsonReader(Object.hasOwn(object, key) ? object[key] : undefined, `${this.path}.${key}`);
  }

  object(): Readonly<Record<string, unknown>> {
    if (this.value === null || typeof this.value !== 'object' || Array.isArray(this.value)) {
      throw this.expected('an object');
    }
    return this.value as Record<string, unknown>;
  }

  /** The elements of an array of at most `maxLength`. */
  array(maxLength: number): readonly unknown[] {
    if (!Array.isArray(this.value)) throw this.expected('an array');
    if (this.value.length > maxLength) {
      throw this.malformed(`${this.value.length} elements, more than the limit of ${maxLength}`);
    }
    return this.value;
  }

  elements(maxLength: number): JsonReader[] {
    return this.array(maxLength).map((element, index) => new JsonReader(element, `${this.path}[${index}]`));
  }

  /** A string of at most `maxCharacters` UTF-16 code units. */
  string(maxCharacters: number): string {
    if (typeof this.value !== 'string') throw this.expected('a string');
    if (this.value.length > maxCharacters) {
      throw this.malformed(`${this.value.length} characters, more than the limit of ${maxCharacters}`);
    }
    if (/\p{Surrogate}/u.test(this.value)) throw this.malformed('half a surrogate pair, which no text can hold');
    return this.value;
  }

  boolean(fallback: boolean): boolean {
    if (this.isNull) return fallback;
    if (typeof this.value !== 'boolean') throw this.expected('true or false');
    return this.value;
  }

  /** An integer from 0 to `max`. */
  index(max: number): number {
    if (typeof this.value !== 'number' || !Number.isInteger(this.value) || this.value < 0 || this.value > max) {
      throw this.expected(`an integer from 0 to ${max}`);
    }
    return this.value;
  }
}
