import { describe, expect, it } from 'vitest';
import { resolveWeightRecipe, type WeightOptions } from './recipe.js';

describe('resolveWeightRecipe', () => {
  it('defaults to symmetric int4 in blocks of 32 at accuracy level 4', () => {
    expect(resolveWeightRecipe('test', {})).toEqual({
      weightFormat: 'int4',
      block: { bits: 4, blockSize: 32, symmetric: true },
      accuracyLevel: 4,
    });
  });

  it('takes options that are there but undefined for left out', () => {
    expect(resolveWeightRecipe('test', { weightFormat: 'fp16', blockSize: undefined, symmetric: undefined })).toEqual({
      weightFormat: 'fp16',
    });
  });

  it.each([
    ['a format it does not know', { weightFormat: 'int3' }],
    ['a block size that is no power of two', { blockSize: 48 }],
    ['a block size over 256', { blockSize: 512 }],
    ['an accuracy level over 4', { accuracyLevel: 5 }],
    ['symmetric that is not a boolean', { symmetric: 'yes' }],
    ['a block size for fp16', { weightFormat: 'fp16', blockSize: 32 }],
    ['an accuracy level for fp32', { weightFormat: 'fp32', accuracyLevel: 4 }],
  ])('refuses %s', (_, options) => {
    expect(() => resolveWeightRecipe('test', options as WeightOptions)).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    );
  });
});
