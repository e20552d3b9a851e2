/**
 * The golden vectors of test/golden/vectors: what Hugging Face transformers computes with a model, read and measured
 * against. It runs no model. Paths are relative to the repository's root, where the tests run.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

export const GOLDEN_FOLDER = path.join('test', 'golden');

/** The tiny random models that make_golden.py made. */
export const TINY_MODELS = [
  'phi3-window',
  'phi3-gqa',
  'phi3-deep',
  'llama-tiny',
  'phi3-longrope',
  'phi4-mini',
  'phi4',
] as const;
export type TinyModel = (typeof TINY_MODELS)[number];

/** A Hugging Face folder. */
export const tinyModelFolder = (model: TinyModel): string => path.join(GOLDEN_FOLDER, 'models', model);

/** `llama-tiny` once more, as llama.cpp stores it. */
export const LLAMA_TINY_GGUF = path.join(GOLDEN_FOLDER, 'models', 'llama-tiny.f16.gguf');

/** The built-in model, a Hugging Face folder. */
export const DEMO_FOLDER = path.join('models', 'demo');

export interface GoldenPrompt {
  /** Of a model with a vocabulary of text. */
  readonly text?: string;
  readonly tokenIds: readonly number[];
  /** The first 64, end-of-text tokens not heeded (the script keeps prompts without any). */
  readonly greedyTokenIds: readonly number[];
  readonly greedyText?: string;
}

export interface Int4Case {
  readonly blockSize: 16 | 32 | 64 | 128 | 256;
  readonly symmetric: boolean;
  /** Index of the first of prompts.length rows: the last row of logits of each prompt. */
  readonly lastRowsAt: number;
}

interface VectorFile {
  readonly vocabularySize: number;
  readonly slidingWindow?: number | null;
  /** The longest sequence that takes the short factors. */
  readonly longropeBoundary?: number | null;
  /** Of each row of logits the columns 0, n, 2n... are kept. Default 1: all. */
  readonly columnStep?: number;
  readonly prompts: readonly GoldenPrompt[];
  /** A short answer, its end-of-turn token included. */
  readonly endsWithStop?: { readonly tokenIds: readonly number[]; readonly greedyTokenIds: readonly number[] };
  readonly logits: {
    readonly file: string;
    readonly lastRowsAt: number;
    readonly allRows: { readonly promptIndex: number; readonly at: number };
  };
  readonly perplexity: { readonly text?: string; readonly tokenIds: readonly number[]; readonly perplexity: number };
  readonly int4?: readonly Int4Case[];
  /** A conversation over one KV cache, of models with longrope. */
  readonly turns?: readonly GoldenTurn[];
}

export interface GoldenTurn {
  /** The whole of it: the turns before, or a part of them, among it. */
  readonly promptTokenIds: readonly number[];
  readonly greedyTokenIds: readonly number[];
}

export class GoldenVectors {
  readonly file: VectorFile;
  /** fp32, little-endian, all golden rows one after the other. */
  readonly #rows: Float32Array;
  readonly #columnStep: number;

  constructor(model: string) {
    const folder = path.join(GOLDEN_FOLDER, 'vectors');
    this.file = JSON.parse(readFileSync(path.join(folder, `${model}.json`), 'utf8')) as VectorFile;
    const bytes = readFileSync(path.join(folder, this.file.logits.file));
    this.#rows = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    this.#columnStep = this.file.columnStep ?? 1;
  }

  get columnCount(): number {
    return Math.ceil(this.file.vocabularySize / this.#columnStep);
  }

  rows(first: number, count: number): Float32Array {
    const rows = this.#rows.subarray(first * this.columnCount, (first + count) * this.columnCount);
    if (rows.length !== count * this.columnCount) throw new RangeError(`There are no ${count} rows from ${first} on.`);
    return rows;
  }

  /** The last row of each prompt. */
  get lastRows(): Float32Array {
    return this.rows(this.file.logits.lastRowsAt, this.file.prompts.length);
  }

  /** One prompt with every row of its logits. */
  get allRows(): { readonly prompt: GoldenPrompt; readonly rows: Float32Array } {
    const { promptIndex, at } = this.file.logits.allRows;
    const prompt = this.file.prompts[promptIndex];
    if (prompt === undefined) throw new RangeError(`There is no prompt ${promptIndex}.`);
    return { prompt, rows: this.rows(at, prompt.tokenIds.length) };
  }

  /** The columns that the vectors keep, of whole rows of logits. */
  keptColumns(logits: Float32Array): Float32Array {
    const { vocabularySize } = this.file;
    const rowCount = logits.length / vocabularySize;
    const kept = new Float32Array(rowCount * this.columnCount);
    for (let row = 0; row < rowCount; row++) {
      for (let column = 0; column < this.columnCount; column++) {
        kept[row * this.columnCount + column] = logits[row * vocabularySize + column * this.#columnStep] ?? NaN;
      }
    }
    return kept;
  }
}

/** NaN where either has one, so that no comparison passes. */
export function maxAbsoluteDifference(found: Float32Array, expected: Float32Array): number {
  requireSameLength(found, expected);
  return found.reduce((max, value, index) => Math.max(max, Math.abs(value - (expected[index] ?? NaN))), 0);
}

/** Root mean square of the difference over that of what was expected. */
export function relativeRms(found: Float32Array, expected: Float32Array): number {
  requireSameLength(found, expected);
  let error = 0;
  let size = 0;
  for (const [index, value] of expected.entries()) {
    error += ((found[index] ?? NaN) - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(error / size);
}

function requireSameLength(found: Float32Array, expected: Float32Array): void {
  if (found.length !== expected.length) {
    throw new RangeError(`${found.length} values cannot be compared with ${expected.length}.`);
  }
}
