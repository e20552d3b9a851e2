/** Small random models that exist in memory alone, for tests of the exporter. */
import { ModelFormatError } from '../../errors.js';
import type { ModelConfig, TensorInfo, WeightSource } from '../../weights/weights.js';

export const TINY_CONFIG: ModelConfig = {
  architecture: 'phi3',
  vocabularySize: 64,
  hiddenSize: 32,
  intermediateSize: 48,
  layerCount: 2,
  headCount: 2,
  kvHeadCount: 1,
  headSize: 16,
  rotarySize: 16,
  ropeTheta: 10_000,
  longRope: null,
  rmsNormEpsilon: 1e-5,
  contextTokens: 128,
  slidingWindow: null,
  tiedEmbeddings: false,
  bosTokenId: 1,
  eosTokenIds: [2],
  padTokenId: 2,
};

/** Tensor names and shapes of a decoder of this shape. */
export function tensorShapes(config: ModelConfig): Map<string, readonly number[]> {
  const { hiddenSize, intermediateSize, headSize } = config;
  const heads = config.headCount * headSize;
  const kvHeads = config.kvHeadCount * headSize;
  const shapes = new Map<string, readonly number[]>([
    ['model.embed_tokens.weight', [config.vocabularySize, hiddenSize]],
    ['model.norm.weight', [hiddenSize]],
  ]);
  if (!config.tiedEmbeddings) shapes.set('lm_head.weight', [config.vocabularySize, hiddenSize]);
  for (let layer = 0; layer < config.layerCount; layer++) {
    const prefix = `model.layers.${layer}`;
    shapes.set(`${prefix}.input_layernorm.weight`, [hiddenSize]);
    shapes.set(`${prefix}.post_attention_layernorm.weight`, [hiddenSize]);
    shapes.set(`${prefix}.self_attn.q_proj.weight`, [heads, hiddenSize]);
    shapes.set(`${prefix}.self_attn.k_proj.weight`, [kvHeads, hiddenSize]);
    shapes.set(`${prefix}.self_attn.v_proj.weight`, [kvHeads, hiddenSize]);
    shapes.set(`${prefix}.self_attn.o_proj.weight`, [hiddenSize, heads]);
    shapes.set(`${prefix}.mlp.gate_proj.weight`, [intermediateSize, hiddenSize]);
    shapes.set(`${prefix}.mlp.up_proj.weight`, [intermediateSize, hiddenSize]);
    shapes.set(`${prefix}.mlp.down_proj.weight`, [hiddenSize, intermediateSize]);
  }
  return shapes;
}

/** Uniform in [-amplitude, amplitude), the same for the same seed everywhere (mulberry32). */
export function randomVector(length: number, seed: number, amplitude: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1) * amplitude;
  });
}

/** A random model, with a shape of `overrides` for single tensors and values in memory made when they are read. */
export function memorySource(config: ModelConfig, shapes = tensorShapes(config)): WeightSource {
  const tensors = new Map<string, TensorInfo>();
  for (const [name, shape] of shapes) tensors.set(name, { name, shape, dtype: 'F32' });
  const seeds = new Map([...shapes.keys()].map((name, index) => [name, index + 1]));
  return {
    config,
    tensors,
    location: 'memory',
    files: [],
    readRows(name, firstRow, rowCount, signal) {
      signal?.throwIfAborted();
      const shape = shapes.get(name);
      if (shape === undefined) return Promise.reject(new ModelFormatError('TENSOR_MISSING', name));
      const columns = shape[1] ?? 1;
      const rows = new Float32Array(rowCount * columns);
      for (let row = 0; row < rowCount; row++) {
        const seed = (seeds.get(name) ?? 0) * 1_000_003 + firstRow + row;
        const values = randomVector(columns, seed, 0.3);
        rows.set(name.includes('norm') ? values.map((v) => 1 + v) : values, row * columns);
      }
      return Promise.resolve(rows);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
