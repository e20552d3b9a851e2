import { describe, expect, it } from 'vitest';
import { OptimumFolder, type OptimumModel } from '../../../test/contract/optimum-models.js';
import { readIrOutline } from './ir-outline.js';
import type { StoredMatrices, WeightStorage } from './ir-weights.js';
import { checkSuitedToNpu, judgeSuitability, type WeightFacts } from './suitability.js';

const int4 = (groupSize: number, scheme: WeightStorage['scheme'] = 'symmetric'): WeightStorage => ({
  elementType: scheme === 'symmetric' ? 'i4' : 'u4',
  groupSize,
  scheme,
});
const INT8: WeightStorage = { elementType: 'u8', groupSize: -1, scheme: 'asymmetric' };
const plain = (elementType: string): WeightStorage => ({ elementType, groupSize: undefined, scheme: 'symmetric' });

/** Layers of these storages with so many parameters each. */
function weights(layers: readonly (readonly [WeightStorage, number])[], lmHead: WeightStorage = INT8): WeightFacts {
  return {
    layers: layers.map(([storage, parameters]): StoredMatrices => ({ ...storage, matrices: 1, parameters })),
    embedding: INT8,
    lmHead,
  };
}

describe('judgeSuitability', () => {
  it.each<[string, WeightFacts]>([
    ['symmetric int4 in groups of 128', weights([[int4(128), 1e9]])],
    ['symmetric int4 by rows', weights([[int4(-1), 1e9]])],
    ['int4 in the last layer too', weights([[int4(128), 1e9]], int4(128))],
  ])('finds that %s suits every device', (_, facts) => {
    const yes = { suits: true, reasons: [], notes: [], needs: [] };
    expect(judgeSuitability(facts)).toEqual({ cpu: yes, gpu: yes, npu: yes });
  });

  it.each<[string, WeightFacts, readonly string[], readonly string[]]>([
    [
      "the cookbook's export",
      weights([
        [int4(128), 6e8],
        [INT8, 4e8],
      ]),
      ['--ratio 1.0'],
      ["40 % of its layers' weights are int8"],
    ],
    [
      'zero points',
      weights([[int4(128, 'asymmetric'), 1e9]]),
      ['--sym'],
      ['its int4 weights have zero points (asymmetric)'],
    ],
    [
      'zero points in the last layer alone',
      weights([[int4(128), 1e9]], int4(128, 'asymmetric')),
      ['--sym'],
      ['its int4 weights have zero points (asymmetric)'],
    ],
    ['groups of 64', weights([[int4(64), 1e9]]), ['--group-size 128'], ['it has groups of 64 channels']],
    [
      'groups of 64 in a large model',
      weights([[int4(64), 7e9]]),
      ['--group-size -1'],
      ['it has groups of 64 channels'],
    ],
    [
      'everything at once',
      weights([
        [int4(32, 'asymmetric'), 5e8],
        [INT8, 5e8],
      ]),
      ['--sym', '--group-size 128', '--ratio 1.0'],
      [
        'its int4 weights have zero points (asymmetric)',
        'it has groups of 32 channels',
        "50 % of its layers' weights are int8",
      ],
    ],
  ])('names what the NPU does not run, and what export would: %s', (_, facts, needs, reasons) => {
    const { cpu, gpu, npu } = judgeSuitability(facts);
    expect(npu).toEqual({ suits: false, reasons, notes: [], needs });
    expect([cpu.suits, gpu.suits]).toEqual([true, true]);
  });

  it.each([
    ['int8', INT8],
    ['fp16', plain('f16')],
    ['fp32', plain('f32')],
  ])('lets %s run on the NPU, with a note', (name, storage) => {
    const { npu } = judgeSuitability(weights([[storage, 1e9]], storage));
    expect(npu.suits).toBe(true);
    expect(npu.notes).toEqual([expect.stringMatching(`^${name} weights are outside what Intel supports`)]);
  });

  it('says on which NPUs nf4 runs', () => {
    const { npu } = judgeSuitability(weights([[{ elementType: 'nf4', groupSize: -1, scheme: 'symmetric' }, 1e9]]));
    expect(npu.notes.join()).toContain('Lunar Lake');
  });

  it.each<[OptimumModel, boolean]>([
    ['optimum-int4-sym-channel', true],
    ['optimum-int4-sym-gs16', false],
    ['optimum-int4-asym-gs32-ratio06', false],
    ['optimum-int8', true],
    ['optimum-fp16', true],
  ])('judges the folder %s as optimum-cli wrote it', async (folder, suits) => {
    await using unpacked = await OptimumFolder.unpack(folder);
    const { weights: facts } = await readIrOutline(unpacked.path);
    expect(judgeSuitability(facts).npu.suits).toBe(suits);
  });
});

describe('checkSuitedToNpu', () => {
  const mixed = weights([
    [int4(128), 6e8],
    [INT8, 4e8],
  ]);

  it('refuses what does not suit, with the export that would and the option that overrides', () => {
    expect(() => checkSuitedToNpu('model.xml', mixed, false)).toThrow(
      expect.objectContaining({
        code: 'MODEL_FEATURE_UNSUPPORTED',
        message: expect.stringMatching(
          /40 % .* aipc export openvino --model MODEL --weight-format int4 --sym --group-size 128 --ratio 1\.0 .*allowUnsupported/,
        ) as string,
      }) as Error,
    );
  });

  it('lets it run where that is allowed, and says so', () => {
    expect(checkSuitedToNpu('model.xml', mixed, true)).toEqual([
      expect.stringContaining('outside what Intel supports'),
    ]);
    expect(checkSuitedToNpu('model.xml', weights([[int4(128), 1e9]]), true)).toEqual([]);
  });
});
