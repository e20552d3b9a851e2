/**
 * The real path from weights to tokens, for the tests that compare it: exportModel, an engine, the scheduler and its
 * clients. Nothing here stands in for a part of aipc.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { WeightOptions } from '../../src/convert/recipe.js';
import type { Engine } from '../../src/engine/engine.js';
import {
  createOnnxRuntimeEngine,
  type OnnxRuntimeEngineOptions,
} from '../../src/engine/onnxruntime/onnxruntime-engine.js';
import { generate } from '../../src/generation/generate.js';
import { Scheduler } from '../../src/generation/scheduler.js';
import { scoreTokens } from '../../src/generation/score.js';
import { exportModel, type ExportModelOptions } from '../../src/model/export-model.js';
import { createSampler } from '../../src/sampling/sampling.js';

/** Exported folders, each made once; all removed on disposal. */
export class ExportedFolders implements AsyncDisposable {
  readonly #root: string;
  readonly #made = new Map<string, Promise<string>>();

  private constructor(root: string) {
    this.#root = root;
  }

  static async create(): Promise<ExportedFolders> {
    return new ExportedFolders(await mkdtemp(path.join(tmpdir(), 'aipc-golden-')));
  }

  /** The folder of this source with these weights. `workers: 0`: tiny models take longer to hand out than to write. */
  of(source: string, weights: WeightOptions, workers = 0): Promise<string> {
    const options = Object.entries<unknown>({ ...weights }).map(([option, value]) => `${option}-${String(value)}`);
    const key = [path.basename(source), ...options].join('-');
    const made = this.#made.get(key) ?? exportTo(path.join(this.#root, key), source, { ...weights, workers });
    this.#made.set(key, made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#made.values());
    await rm(this.#root, { recursive: true, force: true });
  }
}

async function exportTo(folder: string, source: string, options: ExportModelOptions): Promise<string> {
  return (await exportModel(source, folder, options)).folder;
}

/** One model on an engine, which it owns. */
export class ModelRunner implements AsyncDisposable {
  readonly engine: Engine;
  readonly #scheduler: Scheduler;

  constructor(engine: Engine) {
    this.engine = engine;
    this.#scheduler = new Scheduler(engine);
  }

  /** An exported folder on ONNX Runtime. */
  static async open(folder: string, options: OnnxRuntimeEngineOptions = {}): Promise<ModelRunner> {
    return new ModelRunner(await createOnnxRuntimeEngine(folder, { threads: 2, ...options }));
  }

  /** f32 [tokens, vocabulary], or [1, vocabulary]. A copy. */
  async logits(tokenIds: readonly number[], rows: 'all' | 'last'): Promise<Float32Array> {
    const sequence = this.#scheduler.createSequence();
    const copies: Float32Array[] = [];
    try {
      await this.#scheduler.run({
        sequence,
        tokens: Int32Array.from(tokenIds),
        logits: rows,
        onLogits: (found) => {
          copies.push(found.slice());
          return undefined;
        },
      });
    } finally {
      await sequence.dispose();
    }
    return concatenate(copies);
  }

  /** Greedy tokens through generate() and the sampler, to `endTokenIds` (excluded) or `count`. */
  async greedy(
    tokenIds: readonly number[],
    count: number,
    endTokenIds: readonly number[] = [],
  ): Promise<readonly number[]> {
    const sequence = this.#scheduler.createSequence();
    try {
      const parts = generate(this.#scheduler, {
        sequence,
        promptTokens: Int32Array.from(tokenIds),
        sampler: createSampler({}, this.engine.info.vocabularySize),
        decoder: { push: () => '', flush: () => '' },
        endTokenIds: new Set(endTokenIds),
        stopStrings: [],
        maxNewTokens: count,
      });
      for await (const part of parts) if (part.type === 'finish') return part.tokenIds;
      throw new Error('The answer ended without a finish part.');
    } finally {
      await sequence.dispose();
    }
  }

  async perplexity(tokenIds: readonly number[]): Promise<number> {
    return (await scoreTokens(this.#scheduler, Int32Array.from(tokenIds))).perplexity;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scheduler[Symbol.asyncDispose]();
    await this.engine.dispose();
  }
}

export function concatenate(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
