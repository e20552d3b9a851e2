import { describe, expect, it } from 'vitest';
import { resolveWeightRecipe, type WeightOptions } from './recipe.js';

describe('resolveWeightRecipe', () => {
  it('defaults to symmetric int4 in blocks of 32 at accuracy level 4', () => {
    expect(resolveWeightRecipe('test', {})).toEqual({
      target: 'cpu',
      activations: 'fp32',
      weightFormat: 'int4',
      block: { bits: 4, blockSize: 32, symmetric: true },
      accuracyLevel: 4,
    });
  });

  it('takes options that are there but undefined for left out', () => {
    expect(resolveWeightRecipe('test', { weightFormat: 'fp16', blockSize: undefined, symmetric: undefined })).toEqual({
      target: 'cpu',
      activations: 'fp32',
      weightFormat: 'fp16',
    });
  });

  it.each([
    ['cpu', 'fp32', 4],
    ['dml', 'fp16', 0],
    ['webgpu', 'fp16', 4],
    ['cuda', 'fp16', 0],
  ] as const)('gives the target %s activations in %s at accuracy level %i', (target, activations, accuracyLevel) => {
    expect(resolveWeightRecipe('test', { target })).toMatchObject({ target, activations, accuracyLevel });
  });

  it('gives WebGPU without f16 fp32', () => {
    expect(resolveWeightRecipe('test', { target: 'webgpu', activations: 'fp32' })).toMatchObject({
      activations: 'fp32',
    });
  });

  it.each([
    ['a format it does not know', { weightFormat: 'int3' }],
    ['a block size that is no power of two', { blockSize: 48 }],
    ['a block size over 256', { blockSize: 512 }],
    ['an accuracy level over 4', { accuracyLevel: 5 }],
    ['symmetric that is not a boolean', { symmetric: 'yes' }],
    ['a block size for fp16', { weightFormat: 'fp16', blockSize: 32 }],
    ['a target it does not know', { target: 'npu' }],
    ['fp32 on DirectML', { target: 'dml', activations: 'fp32' }],
    ['fp16 on the CPU', { activations: 'fp16' }],
    ['fp32 weights in fp16', { target: 'cuda', weightFormat: 'fp32' }],
    ['an accuracy level for fp32', { weightFormat: 'fp32', accuracyLevel: 4 }],
  ])('refuses %s', (_, options) => {
    expect(() => resolveWeightRecipe('test', options as WeightOptions)).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    );
  });
});
