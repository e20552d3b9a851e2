/**
 * The real path from weights to tokens, for the tests that compare it: exportModel, an engine, the scheduler and its
 * clients. Nothing here stands in for a part of aipc.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { OpenvinoWeightOptions } from '../../src/convert/openvino/recipe.js';
import type { WeightOptions } from '../../src/convert/recipe.js';
import type { Engine } from '../../src/engine/engine.js';
import { createOpenvinoEngine, type OpenvinoEngineOptions } from '../../src/engine/openvino/openvino-engine.js';
import {
  createOnnxRuntimeEngine,
  type OnnxRuntimeEngineOptions,
} from '../../src/engine/onnxruntime/onnxruntime-engine.js';
import { generate } from '../../src/generation/generate.js';
import { Scheduler } from '../../src/generation/scheduler.js';
import { scoreTokens } from '../../src/generation/score.js';
import { exportModel } from '../../src/model/export-model.js';
import { exportOpenvinoModel } from '../../src/model/export-openvino-model.js';
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

  /** The ONNX folder of this source with these weights. `workers: 0`: tiny models take longer to hand out than to write. */
  of(source: string, weights: WeightOptions, workers = 0): Promise<string> {
    return this.#once('onnx', source, weights, async (outputFolder) => {
      await exportModel(source, outputFolder, { ...weights, workers });
    });
  }

  /** Likewise the OpenVINO folder. */
  openvino(source: string, weights: OpenvinoWeightOptions, workers = 0): Promise<string> {
    return this.#once('openvino', source, weights, async (outputFolder) => {
      await exportOpenvinoModel(source, outputFolder, { ...weights, workers });
    });
  }

  #once(
    runtime: string,
    source: string,
    weights: object,
    write: (outputFolder: string) => Promise<void>,
  ): Promise<string> {
    const options = Object.entries<unknown>({ ...weights }).map(([option, value]) => `${option}-${String(value)}`);
    const key = [runtime, path.basename(source), ...options].join('-');
    const folder = path.join(this.#root, key);
    const made = this.#made.get(key) ?? write(folder).then(() => folder);
    this.#made.set(key, made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#made.values());
    await rm(this.#root, { recursive: true, force: true });
  }
}

/** OpenVINO properties of the CPU: f32 inference, f32 KV cache, activations not quantised. */
export const EXACT_OPENVINO = {
  INFERENCE_PRECISION_HINT: 'f32',
  KV_CACHE_PRECISION: 'f32',
  DYNAMIC_QUANTIZATION_GROUP_SIZE: '0',
} as const;

interface Answer {
  readonly tokenIds: readonly number[];
  readonly cachedInputTokens: number;
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

  /**
   * An IR folder on OpenVINO, computing as references do: f32 throughout, on the CPU. By default OpenVINO rounds
   * activations and the KV cache to 8 bits.
   */
  static async openExactOpenvino(
    folder: string,
    options: Omit<OpenvinoEngineOptions, 'device' | 'ovConfig'> = {},
  ): Promise<ModelRunner> {
    const exact = { device: 'cpu', threads: 2, ovConfig: EXACT_OPENVINO } as const;
    return new ModelRunner(await createOpenvinoEngine(folder, { ...exact, ...options }));
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
    const [answer] = await this.converse([tokenIds], count, endTokenIds);
    return answer?.tokenIds ?? [];
  }

  /** As greedy(), for prompts one after the other on one sequence, which keeps its KV cache from one to the next. */
  async converse(
    prompts: readonly (readonly number[])[],
    count: number,
    endTokenIds: readonly number[] = [],
  ): Promise<readonly Answer[]> {
    const sequence = this.#scheduler.createSequence();
    const answers: Answer[] = [];
    try {
      for (const tokenIds of prompts) {
        const parts = generate(this.#scheduler, {
          sequence,
          promptTokens: Int32Array.from(tokenIds),
          sampler: createSampler({}, this.engine.info.vocabularySize),
          decoder: { push: () => '', flush: () => '' },
          endTokenIds: new Set(endTokenIds),
          stopStrings: [],
          maxNewTokens: count,
        });
        for await (const part of parts) {
          if (part.type === 'finish') {
            answers.push({ tokenIds: part.tokenIds, cachedInputTokens: part.usage.cachedInputTokens });
          }
        }
      }
    } finally {
      await sequence.dispose();
    }
    return answers;
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
