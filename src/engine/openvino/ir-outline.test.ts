import { appendFile, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OptimumFolder, type OptimumModel } from '../../../test/contract/optimum-models.js';
import { readIrOutline } from './ir-outline.js';
import { MAX_ATTRIBUTE_LENGTH, MAX_DEPTH, MAX_LAYERS, MAX_XML_BYTES } from './ir-xml.js';

const plain = { groupSize: undefined, scheme: 'symmetric' };
const int8 = { elementType: 'u8', groupSize: -1, scheme: 'asymmetric' };

describe('readIrOutline', () => {
  const shapes = {
    'optimum-int4-sym-gs16': { layers: 2, kvHeads: 2, headSize: 16, vocabularySize: 320 },
    'optimum-int4-sym-channel': { layers: 8, kvHeads: 1, headSize: 16, vocabularySize: 320 },
    'optimum-int4-asym-gs32-ratio06': { layers: 2, kvHeads: 4, headSize: 16, vocabularySize: 320 },
    'optimum-fp16': { layers: 2, kvHeads: 4, headSize: 16, vocabularySize: 320 },
  } satisfies Partial<Record<OptimumModel, object>>;

  it.each(Object.entries(shapes))('knows the inputs and states of %s', async (model, shape) => {
    await using folder = await OptimumFolder.unpack(model as OptimumModel);
    const outline = await readIrOutline(folder.path);
    expect(outline).toMatchObject(shape);
    expect([...outline.inputs.values()]).toEqual([
      { name: 'input_ids', elementType: 'i64' },
      { name: 'attention_mask', elementType: 'i64' },
      { name: 'position_ids', elementType: 'i64' },
      { name: 'beam_idx', elementType: 'i32' },
    ]);
    expect(outline.rtInfo.get('optimum/optimum_intel_version')).toBe('2.2.0');
  });

  it.each([
    ['optimum-int4-sym-gs16', [{ elementType: 'i4', groupSize: 16, scheme: 'symmetric' }], int8],
    ['optimum-int4-sym-channel', [{ elementType: 'i4', groupSize: -1, scheme: 'symmetric' }], int8],
    ['optimum-int4-asym-gs32-ratio06', [{ elementType: 'u4', groupSize: 32, scheme: 'asymmetric' }, int8], int8],
    ['optimum-int8', [int8], int8],
    ['optimum-fp16', [{ elementType: 'f16', ...plain }], { elementType: 'f16', ...plain }],
  ] as const)('knows how the weights of %s are stored', async (model, layers, rest) => {
    await using folder = await OptimumFolder.unpack(model);
    const { weights } = await readIrOutline(folder.path);
    expect(weights.layers).toMatchObject(layers);
    expect([weights.embedding, weights.lmHead]).toEqual([rest, rest]);
    const matrices = weights.layers.reduce((sum, storage) => sum + storage.matrices, 0);
    expect(matrices).toBe(model === 'optimum-int4-sym-channel' ? 32 : model.includes('gs16') ? 14 : 8);
  });

  describe('on a damaged or foreign folder', () => {
    let folder: OptimumFolder;
    beforeEach(async () => {
      folder = await OptimumFolder.unpack('optimum-int4-sym-gs16');
    });
    afterEach(() => folder[Symbol.asyncDispose]());
    const file = (name: string): string => path.join(folder.path, name);
    const edit = async (from: string | RegExp, to: string): Promise<void> => {
      const text = await readFile(file('openvino_model.xml'), 'utf8');
      expect(text.search(from)).toBeGreaterThanOrEqual(0);
      await writeFile(file('openvino_model.xml'), text.replace(from, to));
    };
    const refused = (code: string, words = ''): Promise<void> =>
      expect(readIrOutline(folder.path)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(words) as string,
      });

    it('names a missing .bin', async () => {
      await rm(file('openvino_model.bin'));
      await refused('MODEL_FILE_MISSING', 'openvino_model.bin');
    });

    it('names a missing .xml', async () => {
      await rm(file('openvino_model.xml'));
      await refused('MODEL_FILE_MISSING', 'openvino_model.xml');
    });

    it('refuses a .bin that is cut off', async () => {
      await truncate(file('openvino_model.bin'), 1000);
      await refused('FILE_TRUNCATED', '1000 bytes');
    });

    it("refuses another model's longer .bin", async () => {
      await appendFile(file('openvino_model.bin'), Buffer.alloc(100_000));
      await refused('FILE_MALFORMED', 'do not belong together');
    });

    it('refuses an .xml that is cut off', async () => {
      await truncate(file('openvino_model.xml'), 50_000);
      await refused('FILE_TRUNCATED', '</net>');
    });

    it('refuses an .xml that is none', async () => {
      await writeFile(file('openvino_model.xml'), '\0\0not XML');
      await refused('FILE_MALFORMED');
      await writeFile(file('openvino_model.xml'), '<html><body/></html>');
      await refused('FILE_MALFORMED', '<html>');
    });

    it('refuses an IR from before stateful decoders', async () => {
      await edit('<net name="Model0" version="11">', '<net name="Model0" version="10">');
      await refused('MODEL_FEATURE_UNSUPPORTED', 'version 10');
    });

    it('refuses a constant whose size is not that of its shape', async () => {
      await edit(/element_type="i4" shape="64, /, 'element_type="i4" shape="65, ');
      await refused('TENSOR_SHAPE_MISMATCH', 'i4 [65');
    });

    it.each(['-1', '1e9', '99999999999999999999', 'x', ''])('refuses an offset of %j', async (offset) => {
      await edit(/offset="\d+"/, `offset="${offset}"`);
      await refused('FILE_MALFORMED', 'offset');
    });

    it('refuses a graph without a KV cache inside', async () => {
      await edit(/[^]+/, '<net name="n" version="11"><layers/><edges/></net>');
      await rm(file('openvino_model.bin'));
      await writeFile(file('openvino_model.bin'), '');
      await refused('MODEL_FEATURE_UNSUPPORTED', 'KV cache');
    });

    it('refuses too many layers, levels and characters, before they take memory', async () => {
      const layer = (id: number): string => `<layer id="${id}" name="n" type="T" version="o"/>`;
      const layers = Array.from({ length: MAX_LAYERS + 1 }, (_, id) => layer(id)).join('');
      await writeFile(file('openvino_model.xml'), `<net version="11"><layers>${layers}</layers></net>`);
      await refused('FILE_LIMIT_EXCEEDED', 'layers');
      await writeFile(file('openvino_model.xml'), `<net version="11">${'<a>'.repeat(MAX_DEPTH)}`);
      await refused('FILE_LIMIT_EXCEEDED', 'levels');
      const name = 'n'.repeat(MAX_ATTRIBUTE_LENGTH + 1);
      await writeFile(
        file('openvino_model.xml'),
        `<net version="11"><layers><layer id="0" name="${name}" type="T"/></layers></net>`,
      );
      await refused('FILE_LIMIT_EXCEEDED', 'characters');
      await truncate(file('openvino_model.xml'), MAX_XML_BYTES + 1);
      await refused('FILE_LIMIT_EXCEEDED', String(MAX_XML_BYTES));
    });

    it.each([
      ['an edge twice', /<edge [^>]*>/, '$&$&', 'two edges'],
      ['an edge from a layer that is not there', /from-layer="\d+"/, 'from-layer="99999"', 'not there'],
      ['an id written another way', /<layer id="(\d+)"/, '<layer id="0$1"', "'00'"],
      ['a constant of unknown type', /element_type="i4"/, 'element_type="toString"', 'toString'],
      ['preprocessing of old versions', '</layers>', '</layers><pre-process/>', 'pre-process'],
      [
        "a place in the runtime's own cache",
        '<output>',
        '<rt_info><attribute name="WeightlessCacheAttribute" bin_offset="99999999"/></rt_info><output>',
        'attribute',
      ],
    ])('refuses %s', async (_, from, to, words) => {
      await edit(from, to);
      await expect(readIrOutline(folder.path)).rejects.toMatchObject({
        code: expect.stringMatching(/^(FILE_MALFORMED|DTYPE_UNSUPPORTED)$/) as string,
        message: expect.stringContaining(words) as string,
      });
    });

    it('expands no entities', async () => {
      const lol = '<!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>';
      await writeFile(
        file('openvino_model.xml'),
        `${lol}<net version="11"><layers><layer id="0" name="&b;" type="T"/></layers></net>`,
      );
      await refused('FILE_MALFORMED', 'entity');
    });
  });
});
