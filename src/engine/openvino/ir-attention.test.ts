import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OptimumFolder } from '../../../test/contract/optimum-models.js';
import { tinyModelFolder } from '../../../test/golden/vectors.js';
import { exportOpenvinoModel } from '../../model/export-openvino-model.js';
import { readIr } from './ir-outline.js';
import { readIrXml, type IrXml } from './ir-xml.js';

const ROWS_XML = 'openvino_model_logits_rows.xml';

/** The model has heads of `headSize`; its graph is aipc's, which states no shapes. */
describe.each([
  ['llama-tiny', 16],
  ['phi3-gqa', 16],
] as const)('the attention of %s, as aipc exports it', (model, headSize) => {
  let folder: string;
  let xml: IrXml;
  let bin: Buffer;
  beforeAll(async () => {
    folder = path.join(await mkdtemp(path.join(tmpdir(), 'aipc-attention-')), 'model');
    await exportOpenvinoModel(tinyModelFolder(model), folder, { weightFormat: 'int8', workers: 0 });
    xml = await readIrXml(path.join(folder, ROWS_XML));
    bin = await readFile(path.join(folder, 'openvino_model.bin'));
  });
  afterAll(() => rm(path.dirname(folder), { recursive: true }));

  /** Place in the .bin of the constant that feeds `port` of the first layer of `type` for which `is` holds. */
  function placeOf(type: string, port: number, is: (numbers: readonly number[]) => boolean): number {
    for (const layer of xml.layers.values()) {
      const constant = xml.layers.get(xml.sources.get(`${layer.id}:${port}`) ?? '');
      if (layer.type !== type || constant?.data['element_type'] !== 'i64') continue;
      const [offset, size] = [Number(constant.data['offset']), Number(constant.data['size'])];
      const numbers = Array.from({ length: size / 8 }, (_, i) => Number(bin.readBigInt64LE(offset + 8 * i)));
      if (is(numbers)) return offset;
    }
    throw new RangeError(`No ${type} like this.`);
  }

  async function readWith(offset: number, value: number): Promise<unknown> {
    const changed = Buffer.from(bin);
    changed.writeBigInt64LE(BigInt(value), offset);
    await writeFile(path.join(folder, 'openvino_model.bin'), changed);
    return readIr(folder, ROWS_XML);
  }

  it('is taken as it is', async () => {
    await writeFile(path.join(folder, 'openvino_model.bin'), bin);
    await expect(readIr(folder, ROWS_XML)).resolves.toBeDefined();
  });

  // Each of these ended the process inside OpenVINO 2026.4.
  it.each([-1, -2, headSize / 2 + 1])('is refused where a half of a rotation ends at %d', async (value) => {
    const offset = placeOf('Slice', 2, ([stop]) => stop === headSize / 2);
    await expect(readWith(offset, value)).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
      message: expect.stringContaining('not the two halves') as string,
    });
  });

  it.each([
    [1, 1],
    [1, -1],
    [3, 7],
    [3, 0],
    [0, 2],
  ])('is refused where number %d of the shape of its heads is %d', async (index, value) => {
    const offset = placeOf('Reshape', 1, (shape) => shape.length === 4 && shape[1] === 0);
    await expect(readWith(offset + 8 * index, value)).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
      message: expect.stringContaining('of heads') as string,
    });
  });
});

describe('attention as optimum-cli exports it', () => {
  it.each(['optimum-int4-asym-gs32-ratio06', 'optimum-int4-sym-channel', 'optimum-fp16', 'optimum-int8'] as const)(
    'is taken: %s',
    async (name) => {
      await using unpacked = await OptimumFolder.unpack(name);
      await expect(readIr(unpacked.path, 'openvino_model.xml')).resolves.toBeDefined();
    },
  );
});
