/** Runs an exported folder with onnxruntime-node's own API, for tests of the exporter: prefill and decode of one sequence. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';

interface GenaiDecoderConfig {
  readonly model: {
    readonly vocab_size: number;
    readonly decoder: {
      readonly filename: string;
      readonly head_size: number;
      readonly num_hidden_layers: number;
      readonly num_key_value_heads: number;
    };
  };
}

export interface GraphOutput {
  /** f32 [rows, vocabulary] */
  readonly logits: Float32Array;
  readonly rows: number;
  readonly vocabularySize: number;
  /** Cache tensors by the name under which the next run takes them. */
  readonly cache: ReadonlyMap<string, Tensor>;
}

export class ExportedGraph {
  /** Of every graph that was opened and not released. */
  static readonly #open = new Set<InferenceSession>();
  readonly session: InferenceSession;
  readonly #config: GenaiDecoderConfig['model'];

  private constructor(session: InferenceSession, config: GenaiDecoderConfig['model']) {
    this.session = session;
    this.#config = config;
  }

  static async open(folder: string): Promise<ExportedGraph> {
    const { model } = JSON.parse(readFileSync(path.join(folder, 'genai_config.json'), 'utf8')) as GenaiDecoderConfig;
    const session = await InferenceSession.create(path.join(folder, model.decoder.filename), {
      logSeverityLevel: 3,
      intraOpNumThreads: 1,
    });
    ExportedGraph.#open.add(session);
    return new ExportedGraph(session, model);
  }

  /** Lets go of the files of every graph: Windows removes none that is mapped. */
  static async releaseAll(): Promise<void> {
    const sessions = [...ExportedGraph.#open];
    ExportedGraph.#open.clear();
    for (const session of sessions) await session.release();
  }

  /** Appends `tokens` to what `past` holds. */
  async run(tokens: readonly number[], past?: GraphOutput): Promise<GraphOutput> {
    const { decoder, vocab_size: vocabularySize } = this.#config;
    const cache = past?.cache ?? this.#emptyCache();
    const [first] = cache.values();
    const pastTokens = first?.dims[2] ?? 0;
    const int64 = (values: readonly number[], shape: readonly number[]): Tensor =>
      new Tensor('int64', BigInt64Array.from(values, BigInt), shape);
    const total = pastTokens + tokens.length;
    const feeds: Record<string, Tensor> = {
      input_ids: int64(tokens, [1, tokens.length]),
      attention_mask: int64(Array<number>(total).fill(1), [1, total]),
      ...Object.fromEntries(cache),
    };
    const outputs = await this.session.run(feeds);
    const next = new Map<string, Tensor>();
    for (let layer = 0; layer < decoder.num_hidden_layers; layer++) {
      for (const part of ['key', 'value']) {
        next.set(`past_key_values.${layer}.${part}`, floatTensor(outputs[`present.${layer}.${part}`]));
      }
    }
    const logits = floatTensor(outputs['logits']);
    return { logits: logits.data as Float32Array, rows: logits.dims[1] ?? 0, vocabularySize, cache: next };
  }

  #emptyCache(): ReadonlyMap<string, Tensor> {
    const { num_hidden_layers: layers, num_key_value_heads: heads, head_size: size } = this.#config.decoder;
    const names = Array.from({ length: layers }, (_, layer) =>
      ['key', 'value'].map((part) => `past_key_values.${layer}.${part}`),
    );
    return new Map(names.flat().map((name) => [name, new Tensor('float32', new Float32Array(), [1, heads, 0, size])]));
  }
}

function floatTensor(tensor: Tensor | undefined): Tensor {
  if (tensor?.type !== 'float32') throw new TypeError(`The graph gave ${tensor?.type ?? 'nothing'} for float32.`);
  return tensor;
}

/** Largest |a - b|; infinite if the lengths differ. */
export function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Infinity;
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] ?? NaN))), 0);
}

/** sqrt(sum (a - b)^2 / sum b^2) */
export function relativeRms(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let error = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    error += ((a[i] ?? NaN) - (b[i] ?? NaN)) ** 2;
    norm += (b[i] ?? NaN) ** 2;
  }
  return Math.sqrt(error / norm);
}
