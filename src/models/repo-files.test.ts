import { describe, expect, it } from 'vitest';
import { findRepoModel } from './repo-files.js';

const listing = (...paths: readonly string[]) => paths.map((path) => ({ path, sizeBytes: 1 }));
const CONFIGS = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'];
const CLUTTER = ['.gitattributes', 'README.md', 'LICENSE', 'modeling_phi3.py', 'tokenizer.model', 'sample_finetune.py'];

describe('the files that are fetched', () => {
  it('are configuration, tokenizer and all shards of Hugging Face weights, and their index first', () => {
    const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const found = findRepoModel(
      'org/name',
      listing(
        ...CONFIGS,
        ...CLUTTER,
        ...shards,
        'model.safetensors.index.json',
        'pytorch_model-00001-of-00002.bin',
        'consolidated.safetensors',
        'original/model-00001-of-00002.safetensors',
      ),
      '',
    );
    expect(found).toMatchObject({ kind: 'weights', path: '', tokenizerFolder: '' });
    expect([...found.small].sort()).toEqual([...CONFIGS, 'model.safetensors.index.json'].sort());
    expect([...found.wanted].sort()).toEqual([...CONFIGS, 'model.safetensors.index.json', ...shards].sort());
  });

  it('are one file of weights where they come whole and in shards', () => {
    const found = findRepoModel(
      'org/name',
      listing(...CONFIGS, 'model.safetensors', 'model-00001-of-00002.safetensors', 'model.safetensors.index.json'),
      '',
    );
    expect([...found.wanted].filter((name) => name.includes('safetensors'))).toEqual(['model.safetensors']);
  });

  const community = listing(
    ...CONFIGS,
    'README.md',
    'quantize_config.json',
    'onnx/model_fp16.onnx',
    'onnx/model_fp16.onnx_data',
    'onnx/model_q4f16.onnx',
    'onnx/model_q4f16.onnx_data',
    'onnx/model_q4f16.onnx_data_1',
  );

  it("are one of onnx-community's graphs with its data files, by weight format or by name", () => {
    const wanted = ['onnx/model_q4f16.onnx', 'onnx/model_q4f16.onnx_data', 'onnx/model_q4f16.onnx_data_1'];
    for (const found of [
      findRepoModel('org/name', community, '', 'int4'),
      findRepoModel('org/name', community, 'onnx/model_q4f16.onnx'),
    ]) {
      expect(found).toMatchObject({ kind: 'onnx', path: 'onnx/model_q4f16.onnx', tokenizerFolder: '' });
      expect([...found.small].sort()).toEqual([...CONFIGS].sort());
      expect([...found.wanted].sort()).toEqual([...CONFIGS, ...wanted].sort());
    }
    expect(() => findRepoModel('org/name', community, '')).toThrow(
      /several ONNX files.*onnx\/model_fp16\.onnx \(fp16\).*--weight-format fp16\|int4/u,
    );
  });

  const onnxRepo = listing(
    'README.md',
    'config.json',
    'cpu/int4/genai_config.json',
    'cpu/int4/phi3.onnx',
    'cpu/int4/phi3.onnx.data',
    'cpu/int4/tokenizer.json',
    'cpu/int4/tokenizer_config.json',
    'cpu/int4/configuration_phi3.py',
    'gpu/genai_config.json',
    'gpu/model.onnx',
    'gpu/model.onnx_data_1',
    'tokenizer.json',
    'special_tokens_map.json',
  );

  it('are one ONNX folder, by name', () => {
    const found = findRepoModel('org/name', onnxRepo, 'cpu/int4');
    expect(found).toMatchObject({ kind: 'onnx', path: 'cpu/int4', tokenizerFolder: 'cpu/int4' });
    expect([...found.wanted].sort()).toEqual(
      ['genai_config.json', 'phi3.onnx', 'phi3.onnx.data', 'tokenizer.json', 'tokenizer_config.json'].map(
        (name) => `cpu/int4/${name}`,
      ),
    );
  });

  it('are the only folder for the CPU where none is named', () => {
    expect(findRepoModel('org/name', onnxRepo, '').path).toBe('cpu/int4');
  });

  it("are the repository's tokenizer too, where the folder has none", () => {
    const found = findRepoModel('org/name', onnxRepo, 'gpu');
    expect(found.tokenizerFolder).toBe('');
    expect([...found.wanted].sort()).toEqual([
      'gpu/genai_config.json',
      'gpu/model.onnx',
      'gpu/model.onnx_data_1',
      'special_tokens_map.json',
      'tokenizer.json',
    ]);
  });

  it('are an OpenVINO model without the tokenizers that it has as models', () => {
    const found = findRepoModel(
      'org/name',
      listing(...CONFIGS, 'openvino_model.xml', 'openvino_model.bin', 'openvino_tokenizer.bin', 'openvino_config.json'),
      '',
    );
    expect(found.kind).toBe('openvino');
    expect([...found.wanted].sort()).toEqual(
      [...CONFIGS, 'openvino_config.json', 'openvino_model.bin', 'openvino_model.xml'].sort(),
    );
  });

  it('are one .gguf file', () => {
    const files = listing('README.md', 'a-q4.gguf', 'b-fp16.gguf');
    expect([...findRepoModel('org/name', files, 'b-fp16.gguf').wanted]).toEqual(['b-fp16.gguf']);
    expect([...findRepoModel('org/name', files.slice(0, 2), '').wanted]).toEqual(['a-q4.gguf']);
  });
});

describe('a repository with no model, or several', () => {
  it.each([
    [listing('README.md', 'pytorch_model.bin', 'config.json'), '', 'no model that aipc reads'],
    [listing('a.gguf', 'b.gguf'), '', 'Name one: org/name:a.gguf, org/name:b.gguf'],
    [listing('cpu-a/genai_config.json', 'cpu-b/genai_config.json'), '', 'org/name:cpu-a, org/name:cpu-b'],
    [listing('a.gguf'), 'b.gguf', 'org/name:a.gguf'],
    [listing('a/genai_config.json'), 'b', 'org/name:a'],
    [[], '', 'no model that aipc reads'],
  ])('is refused with what there is (%j, %j)', (files, inside, message) => {
    expect(() => findRepoModel('org/name', files, inside)).toThrow(
      expect.objectContaining({ code: 'MODEL_FILE_MISSING', message: expect.stringContaining(message) as string }),
    );
  });
});
