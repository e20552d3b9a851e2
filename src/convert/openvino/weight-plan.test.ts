import { describe, expect, it } from 'vitest';
import { describeDecoder, type Linear } from '../decoder.js';
import { memorySource, TINY_CONFIG } from '../testing/memory-source.js';
import type { Int4Recipe } from './recipe.js';
import { allMatrices, decoderMatrices, int4Candidates, planWeights, type WeightMatrix } from './weight-plan.js';

const RECIPE: Int4Recipe = {
  weightFormat: 'int4',
  symmetric: true,
  groupSize: 16,
  ratio: 1,
  allLayers: false,
  groupSizeFallback: 'error',
};

const linear = (inputSize: number, outputSize: number): Linear => ({ inputSize, outputSize, parts: [] });
const matrix = (name: string, inputSize: number, outputSize = 10): WeightMatrix => ({
  name,
  role: 'projection',
  linear: linear(inputSize, outputSize),
  floatFormat: 'fp16',
});

const EMBEDDING: WeightMatrix = { ...matrix('embedding', 32), role: 'embedding' };
const HEAD: WeightMatrix = { ...matrix('head', 32), role: 'head' };

/** Names of those that become int4. */
function int4(
  matrices: readonly WeightMatrix[],
  recipe: Partial<Int4Recipe>,
  errors: Record<string, number> = {},
): string[] {
  const plan = planWeights('test', matrices, { ...RECIPE, ...recipe }, new Map(Object.entries(errors)));
  return [...plan].filter(([, format]) => typeof format === 'object' && format.bits === 4).map(([name]) => name);
}

function names(architecture: 'phi3' | 'llama', tiedEmbeddings: boolean): string[] {
  const source = memorySource({ ...TINY_CONFIG, layerCount: 1, architecture, tiedEmbeddings });
  const decoder = describeDecoder(source.config, source.tensors, 'memory');
  return allMatrices(decoderMatrices(decoder, () => 'fp16')).map(({ name }) => name);
}

describe('decoderMatrices', () => {
  it('joins q, k, v and gate, up for Phi-3 and keeps them apart for Llama', () => {
    const layer = (...parts: string[]): string[] => parts.map((part) => `model.layers.0.${part}.weight`);
    expect(names('phi3', false)).toEqual([
      'model.embed_tokens.weight',
      ...layer('self_attn.qkv_proj', 'self_attn.o_proj', 'mlp.gate_up_proj', 'mlp.down_proj'),
      'lm_head.weight',
    ]);
    expect(names('llama', true)).toEqual([
      'model.embed_tokens.weight',
      ...layer('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj'),
      ...layer('mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'),
    ]);
  });
});

describe('planWeights', () => {
  it('keeps embedding and head in int8 with zero points, unless all layers are asked for', () => {
    const all = [EMBEDDING, matrix('a', 32), HEAD];
    expect(int4(all, {})).toEqual(['a']);
    expect(planWeights('test', all, RECIPE).get('head')).toEqual({ bits: 8, symmetric: false, groupSize: -1 });
    expect(int4(all, { allLayers: true })).toEqual(['embedding', 'a', 'head']);
  });

  it('gives int8 and float recipes to everything', () => {
    const all = [EMBEDDING, matrix('a', 30)];
    const int8 = planWeights('test', all, { weightFormat: 'int8', symmetric: true });
    expect([...int8.values()]).toEqual(Array(2).fill({ bits: 8, symmetric: true, groupSize: -1 }));
    expect([...planWeights('test', all, { weightFormat: 'fp16' }).values()]).toEqual(['fp16', 'fp16']);
  });

  it('takes the largest int8 errors first and stops before the share is reached', () => {
    const all = ['a', 'b', 'c', 'd'].map((name) => matrix(name, 32));
    const errors = { a: 1, b: 4, c: 2, d: 3 };
    expect(int4(all, { ratio: 0.51 }, errors)).toEqual(['b', 'd']);
    // Reaching the share is too much already.
    expect(int4(all, { ratio: 0.5 }, errors)).toEqual(['b']);
    expect(int4(all, { ratio: 0 }, errors)).toEqual([]);
    // A large matrix ends the choice; smaller ones after it do not slip in.
    expect(int4([matrix('big', 32, 100), ...all], { ratio: 0.5 }, { ...errors, big: 3.5 })).toEqual(['b']);
  });

  it('lets the first of equals win, and the embedding lose', () => {
    const errors = { a: 1, b: 1, head: 1, embedding: 1 };
    expect(int4([EMBEDDING, matrix('a', 32), matrix('b', 32), HEAD], { ratio: 0.8, allLayers: true }, errors)).toEqual([
      'a',
      'b',
      'head',
    ]);
  });

  it('refuses a group size that does not divide a row, naming layers, sizes and what to do', () => {
    const all = [matrix('fits', 32), matrix('unfit', 40), ...['v', 'w', 'x', 'y'].map((name) => matrix(name, 24))];
    expect(() => planWeights('test', all, RECIPE)).toThrow(
      expect.objectContaining({
        code: 'OPTION_INVALID',
        message: expect.stringMatching(/unfit \(channel size 40\).* and 1 more.*-1.*'adjust'.*'ignore'/) as string,
      }),
    );
  });

  it('does not mind rows that the group size does not divide where int8 is chosen anyway', () => {
    expect(int4([matrix('a', 32), matrix('b', 40)], { ratio: 0.6 }, { a: 2, b: 1 })).toEqual(['a']);
  });

  it('adjusts to the largest power of two from 32 on, even a larger one, else to int8, which then counts for nothing', () => {
    const all = [matrix('a', 96), matrix('b', 128), matrix('c', 48), matrix('d', 64)];
    const recipe = { ...RECIPE, groupSize: 48, groupSizeFallback: 'adjust' } as const;
    const plan = planWeights('test', all, recipe);
    expect([...plan].map(([name, format]) => [name, typeof format === 'object' ? format.groupSize : format])).toEqual([
      ['a', 48],
      ['b', 128],
      ['c', 48],
      ['d', 64],
    ]);
    const small = [matrix('a', 96), matrix('odd', 80)];
    expect(int4(small, { groupSize: 32, groupSizeFallback: 'adjust' })).toEqual(['a']);
    expect(int4Candidates(small, { ...RECIPE, groupSize: 32, groupSizeFallback: 'adjust' }).candidates).toHaveLength(1);
  });

  it('leaves what it ignores as it was stored', () => {
    const all = [matrix('a', 32), { ...matrix('b', 40), floatFormat: 'fp32' } as const];
    const plan = planWeights('test', all, { ...RECIPE, groupSizeFallback: 'ignore' });
    expect(plan.get('b')).toBe('fp32');
    expect(plan.get('a')).toMatchObject({ bits: 4 });
  });
});
