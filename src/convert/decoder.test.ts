import { describe, expect, it } from 'vitest';
import type { ModelConfig, TensorInfo } from '../weights/weights.js';
import { describeDecoder, type Decoder } from './decoder.js';
import { TINY_CONFIG, tensorShapes } from './testing/memory-source.js';

function describeShapes(config: ModelConfig, shapes = tensorShapes(config)): Decoder {
  const tensors = new Map<string, TensorInfo>();
  for (const [name, shape] of shapes) tensors.set(name, { name, shape, dtype: 'F32' });
  return describeDecoder(config, tensors, '/models/tiny');
}

describe('describeDecoder', () => {
  it('puts the rows of q, k and v below each other', () => {
    const [layer] = describeShapes(TINY_CONFIG).layers;
    expect(layer?.qkv).toEqual({
      inputSize: 32,
      outputSize: 64,
      parts: [
        { tensor: 'model.layers.0.self_attn.q_proj.weight', rowCount: 32 },
        { tensor: 'model.layers.0.self_attn.k_proj.weight', rowCount: 16 },
        { tensor: 'model.layers.0.self_attn.v_proj.weight', rowCount: 16 },
      ],
    });
  });

  it('lets the head read the embedding when the two are tied, even if the file has a head', () => {
    const shapes = tensorShapes(TINY_CONFIG);
    const tied = describeShapes({ ...TINY_CONFIG, tiedEmbeddings: true }, shapes);
    expect(tied.head.parts).toEqual([tied.embedding]);
    expect(describeShapes(TINY_CONFIG).head.parts).toEqual([{ tensor: 'lm_head.weight', rowCount: 64 }]);
  });

  it('names the tensor that is missing', () => {
    const shapes = tensorShapes(TINY_CONFIG);
    shapes.delete('model.layers.1.mlp.up_proj.weight');
    expect(() => describeShapes(TINY_CONFIG, shapes)).toThrow(
      expect.objectContaining({
        code: 'TENSOR_MISSING',
        message: expect.stringContaining("/models/tiny: tensor 'model.layers.1.mlp.up_proj.weight'") as string,
      }),
    );
  });

  it('names the tensor whose shape contradicts the configuration, with both shapes', () => {
    const shapes = tensorShapes(TINY_CONFIG).set('model.norm.weight', [33]);
    expect(() => describeShapes(TINY_CONFIG, shapes)).toThrow(
      expect.objectContaining({
        code: 'TENSOR_SHAPE_MISMATCH',
        details: { tensor: 'model.norm.weight', found: [33], expected: [32], location: '/models/tiny' },
      }),
    );
  });

  it('refuses a tensor that it would leave out, such as a bias, but not one that only repeats the configuration', () => {
    const shapes = tensorShapes(TINY_CONFIG).set('model.layers.0.self_attn.rotary_emb.inv_freq', [8]);
    expect(describeShapes(TINY_CONFIG, shapes).layers).toHaveLength(2);
    shapes.set('model.layers.0.self_attn.q_proj.bias', [32]);
    expect(() => describeShapes(TINY_CONFIG, shapes)).toThrow(
      expect.objectContaining({ code: 'MODEL_FEATURE_UNSUPPORTED' }),
    );
  });
});
