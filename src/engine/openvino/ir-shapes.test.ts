import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OptimumFolder } from '../../../test/contract/optimum-models.js';
import { ConstantNumbers } from './ir-constants.js';
import { checkShapes } from './ir-shapes.js';
import { readIrXml, type IrLayer, type IrXml } from './ir-xml.js';

describe('checkShapes', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-shapes-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const layer = (id: string, type: string, dims: readonly number[], data = {}): [string, IrLayer] => [
    id,
    { id, name: id, type, data, outputs: [{ id: '0', precision: 'FP32', names: [], dims }] },
  ];

  /** A layer that takes x and constants. */
  async function run(type: string, x: readonly number[], constants: readonly number[][], said: readonly number[]) {
    const binFile = path.join(folder, 'openvino_model.bin');
    await writeFile(binFile, BigInt64Array.from(constants.flat().map(BigInt)));
    let offset = 0;
    const layers = constants.map((numbers, index) => {
      const size = numbers.length * 8;
      const data = { element_type: 'i64', shape: String(numbers.length), offset: String(offset), size: String(size) };
      offset += size;
      return layer(`c${index}`, 'Const', [numbers.length], data);
    });
    const xml: IrXml = {
      file: 'model.xml',
      xmlBytes: 0,
      version: 11,
      layers: new Map([layer('x', 'Parameter', x), ...layers, layer('y', type, said)]),
      sources: new Map([['y:0', 'x'], ...constants.map((_, index) => [`y:${index + 1}`, `c${index}`] as const)]),
      sourcePorts: new Map(),
      constants: [],
      rtInfo: new Map(),
    };
    await using numbers = await ConstantNumbers.open(binFile);
    await checkShapes(xml, numbers);
  }

  /** A slice of [2, whole] along its last axis, whose result is said to have `said` columns. */
  const check = (whole: number, bounds: readonly number[], said: number): Promise<void> =>
    run(
      'Slice',
      [2, whole],
      [...bounds, -1].map((number) => [number]),
      [2, said],
    );

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

  it.each([
    [
      [0, 0, 4, 16],
      [-1, -1, 4, 16],
    ],
    [
      [0, -1, 64],
      [-1, -1, 64],
    ],
    [
      [1, 64],
      [1, 64],
    ],
  ])('takes a reshape to %o that is said to give %o', async (shape, said) => {
    await expect(run('Reshape', [-1, -1, 64], [shape], said)).resolves.toBeUndefined();
  });

  it.each([
    [
      [0, 1, 4, 16],
      [-1, -1, 4, 16],
    ],
    [
      [0, 0, 4, 17],
      [-1, -1, 4, 16],
    ],
    [
      [0, 0, 64],
      [-1, -1, 4, 16],
    ],
  ])('refuses a reshape to %o that is said to give %o', async (shape, said) => {
    await expect(run('Reshape', [-1, -1, 64], [shape], said)).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
  });

  it.each(['optimum-int4-asym-gs32-ratio06', 'optimum-fp16'] as const)(
    'takes %s as optimum-cli wrote it',
    async (name) => {
      await using unpacked = await OptimumFolder.unpack(name);
      const xml = await readIrXml(path.join(unpacked.path, 'openvino_model.xml'));
      await using numbers = await ConstantNumbers.open(path.join(unpacked.path, 'openvino_model.bin'));
      await expect(checkShapes(xml, numbers)).resolves.toBeUndefined();
    },
  );
});
