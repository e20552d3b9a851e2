import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OptimumFolder } from '../../../test/contract/optimum-models.js';
import { checkSlices } from './ir-slices.js';
import { readIrXml, type IrLayer, type IrXml } from './ir-xml.js';

describe('checkSlices', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-slices-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** A slice of [2, whole] along its last axis, whose result is said to have `said` columns. */
  async function check(whole: number, bounds: readonly number[], said: number): Promise<void> {
    const layer = (id: string, type: string, dims: readonly number[], data = {}): [string, IrLayer] => [
      id,
      { id, name: id, type, data, outputs: [{ id: '0', precision: 'FP32', names: [], dims }] },
    ];
    const numbers = [...bounds, -1]; // start, stop, step, axis
    const binFile = path.join(folder, 'openvino_model.bin');
    await writeFile(binFile, BigInt64Array.from(numbers.map(BigInt)));
    const constants = numbers.map((_, index) =>
      layer(`c${index}`, 'Const', [1], { element_type: 'i64', shape: '1', offset: String(index * 8), size: '8' }),
    );
    const xml: IrXml = {
      file: 'model.xml',
      xmlBytes: 0,
      version: 11,
      layers: new Map([layer('x', 'Parameter', [2, whole]), ...constants, layer('s', 'Slice', [2, said])]),
      sources: new Map([['s:0', 'x'], ...numbers.map((_, index) => [`s:${index + 1}`, `c${index}`] as const)]),
      constants: [],
      rtInfo: new Map(),
    };
    await checkSlices(xml, binFile);
  }

  it.each([
    [16, [0, 8, 1], 8],
    [16, [8, Number.MAX_SAFE_INTEGER, 1], 8],
    [16, [-4, 16, 1], 4],
    [16, [0, -2, 1], 14],
    [16, [0, 16, 3], 6],
    [16, [15, 3, -2], 6],
    [16, [9, 3, 1], 0],
  ])('takes a slice of %d from %o that gives %d, as Slice-8 is defined', async (whole, bounds, said) => {
    await expect(check(whole, bounds, said)).resolves.toBeUndefined();
  });

  it.each([
    [16, [0, -2, 1], 8],
    [16, [-2, 8, 1], 8],
    [16, [0, 8, 0], 8],
    [16, [0, 8, 2], 8],
  ])('refuses a slice of %d from %o that is said to give %d', async (whole, bounds, said) => {
    await expect(check(whole, bounds, said)).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
  });

  it('asks nothing of a dimension that is not known', async () => {
    await expect(check(-1, [0, 8, 1], 5)).resolves.toBeUndefined();
  });

  it.each(['optimum-int4-asym-gs32-ratio06', 'optimum-fp16'] as const)(
    'takes %s as optimum-cli wrote it',
    async (name) => {
      await using unpacked = await OptimumFolder.unpack(name);
      const xml = await readIrXml(path.join(unpacked.path, 'openvino_model.xml'));
      await expect(checkSlices(xml, path.join(unpacked.path, 'openvino_model.bin'))).resolves.toBeUndefined();
    },
  );
});
