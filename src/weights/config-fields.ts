/**
 * Numbers out of a model's configuration, whatever format they came in: type and range checked, defaults applied.
 * The limits are far above every published decoder and keep a hostile file from asking for absurd work.
 */
import { ModelFormatError } from '../errors.js';
import { malformed, quoted } from './format-error.js';
import { type LongRope, type ModelConfig } from './weights.js';

/** Inclusive limits. Largest published dense decoders: 262,144 tokens, 16,384 wide, 126 layers, 128 heads of 256. */
export const CONFIG_LIMITS = {
  vocabularySize: { min: 1, max: 1 << 20 },
  hiddenSize: { min: 1, max: 1 << 16 },
  intermediateSize: { min: 1, max: 1 << 18 },
  layerCount: { min: 1, max: 1024 },
  headCount: { min: 1, max: 1024 },
  headSize: { min: 2, max: 1024 },
  // Eight times the longest Phi; an export writes a rotary table of this many rows.
  contextTokens: { min: 1, max: 1 << 20 },
  slidingWindow: { min: 1, max: 1 << 24 },
  ropeTheta: { min: 1, max: 1e12 },
  // Published ones: 1 to 65. Below 1 would turn faster than without scaling.
  ropeFactor: { min: 1e-3, max: 1e6 },
  attentionFactor: { min: 1e-3, max: 1e3 },
  rmsNormEpsilon: { min: 1e-12, max: 0.1 },
} as const;

export interface Range {
  readonly min: number;
  readonly max: number;
}

export class ConfigFields {
  readonly file: string;
  readonly #read: (key: string) => unknown;

  /** `read` gives a key's value; undefined and null both mean that it is not set. */
  constructor(file: string, read: (key: string) => unknown) {
    this.file = file;
    this.#read = read;
  }

  /** The value, or undefined where the key is absent or null. */
  raw(key: string): unknown {
    return this.#read(key) ?? undefined;
  }

  integer(key: string, range: Range, fallback?: number): number {
    const value = this.number(key, range, fallback);
    if (!Number.isInteger(value)) throw this.#refuse(key, `an integer from ${range.min} to ${range.max}`, value);
    return value;
  }

  number(key: string, range: Range, fallback?: number): number {
    const value = this.raw(key) ?? fallback;
    if (typeof value !== 'number' || !(value >= range.min && value <= range.max)) {
      throw this.#refuse(key, `a number from ${range.min} to ${range.max}`, value);
    }
    return value;
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.raw(key) ?? fallback;
    if (typeof value !== 'boolean') throw this.#refuse(key, 'true or false', value);
    return value;
  }

  /** A list of exactly `count` numbers, each in range. */
  numbers(key: string, count: number, range: Range): number[] {
    const value = this.raw(key);
    if (!Array.isArray(value) || value.length !== count) {
      throw this.#refuse(key, `a list of ${count} numbers`, Array.isArray(value) ? `a list of ${value.length}` : value);
    }
    const list: readonly unknown[] = value;
    return list.map((item, index) => {
      if (typeof item === 'number' && item >= range.min && item <= range.max) return item;
      throw this.#refuse(`${key}[${index}]`, `a number from ${range.min} to ${range.max}`, item);
    });
  }

  /**
   * A token id or a list of them. Ids outside the vocabulary are left out: no text produces them and no logit predicts
   * them (transformers keeps Phi-3's own ids as defaults in models with a smaller vocabulary).
   */
  tokenIds(key: string, vocabularySize: number): number[] {
    const value = this.raw(key);
    const ids: readonly unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
    const found = new Set<number>();
    for (const id of ids) {
      if (typeof id !== 'number' || !Number.isInteger(id)) throw this.#refuse(key, 'a token id', id);
      if (id >= 0 && id < vocabularySize) found.add(id);
    }
    return [...found];
  }

  #refuse(key: string, allowed: string, value: unknown): ModelFormatError {
    const found = value === undefined ? 'nothing' : quoted(value);
    return new ModelFormatError('FILE_MALFORMED', `${this.file}: ${key} must be ${allowed}, found ${found}.`, {
      details: { file: this.file, key, found },
    });
  }
}

/**
 * Longrope out of a configuration's raw parts, whatever format they came in. The attention factor is
 * sqrt(1 + ln(context / original) / ln(original)) unless the file gives `factor` (for the quotient) or
 * `attention_factor` itself (transformers: modeling_rope_utils.py, _compute_longrope_parameters).
 * Throws FILE_MALFORMED.
 */
export function longRope(
  fields: ConfigFields,
  keys: {
    readonly shortFactors: string;
    readonly longFactors: string;
    readonly original: string;
    readonly factor: string;
    readonly attentionFactor: string;
  },
  { rotarySize, contextTokens }: Pick<ModelConfig, 'rotarySize' | 'contextTokens'>,
): LongRope {
  const originalContextTokens = fields.integer(keys.original, { ...CONFIG_LIMITS.contextTokens, min: 2 });
  const extension = fields.number(keys.factor, CONFIG_LIMITS.ropeFactor, contextTokens / originalContextTokens);
  const attentionFactor = extension <= 1 ? 1 : Math.sqrt(1 + Math.log(extension) / Math.log(originalContextTokens));
  const count = Math.floor(rotarySize / 2);
  return {
    originalContextTokens,
    shortFactors: fields.numbers(keys.shortFactors, count, CONFIG_LIMITS.ropeFactor),
    longFactors: fields.numbers(keys.longFactors, count, CONFIG_LIMITS.ropeFactor),
    attentionFactor: fields.number(keys.attentionFactor, CONFIG_LIMITS.attentionFactor, attentionFactor),
  };
}

/** Checks what must hold between the numbers, each of which is in range already. Throws FILE_MALFORMED. */
export function checkConsistency(file: string, config: ModelConfig): ModelConfig {
  const { headCount, kvHeadCount, headSize, rotarySize } = config;
  const problem =
    headCount % kvHeadCount !== 0
      ? `${headCount} attention heads cannot share ${kvHeadCount} key/value heads evenly.`
      : headSize % 2 !== 0
        ? `the head size is ${headSize}; rotary position embedding needs an even one.`
        : rotarySize % 2 !== 0 || rotarySize < 2 || rotarySize > headSize
          ? `${rotarySize} rotated elements for each head must be an even number from 2 to the head size ${headSize}.`
          : undefined;
  if (problem !== undefined) throw malformed(file, problem, { headCount, kvHeadCount, headSize, rotarySize });
  return config;
}
