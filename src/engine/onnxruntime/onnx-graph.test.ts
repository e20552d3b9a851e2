import { copyFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ELEMENT_TYPE } from './c-api.js';
import { editOnnx, messageIn, type Field, type Message } from '../../../test/hostile/mutate/onnx.js';
import { MAX_INITIALISERS, MAX_NODES, readOnnxGraph } from './onnx-graph.js';
import { MAX_TEXT_BYTES } from './proto-reader.js';

const builderModel = path.join('test', 'contract', 'models', 'builder-dml-fp16');
let folder: string;
let modelFile: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-outline-'));
  modelFile = path.join(folder, 'model.onnx');
  for (const name of ['model.onnx', 'model.onnx.data']) {
    await copyFile(path.join(builderModel, name), path.join(folder, name));
  }
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Writes the model with `from` replaced by `to` of the same length. */
async function patchModel(from: string, to: string): Promise<void> {
  expect(to).toHaveLength(from.length);
  const text = await readFile(modelFile, 'latin1');
  expect(text).toContain(from);
  await writeFile(modelFile, text.replaceAll(from, to), 'latin1');
}

describe('readOnnxGraph', () => {
  it('reads input types, operators and sizes', async () => {
    const graph = await readOnnxGraph(modelFile);
    expect(graph.inputTypes.get('input_ids')).toBe(ELEMENT_TYPE.i64);
    expect(graph.inputTypes.get('past_key_values.1.value')).toBe(ELEMENT_TYPE.f16);
    expect(graph.operators).toContain('GroupQueryAttention');
    expect(graph.operators).not.toContain('If');
    const sizes = await Promise.all([modelFile, `${modelFile}.data`].map(async (file) => (await stat(file)).size));
    expect(graph.fileBytes).toBe((sizes[0] ?? 0) + (sizes[1] ?? 0));
    expect(graph.weightBytes.get(ELEMENT_TYPE.f16)).toBe(sizes[1]);
  });

  it('refuses a file cut at any place', async () => {
    const whole = await readFile(modelFile);
    for (let i = 1; i < 40; i += 1) {
      await writeFile(modelFile, whole.subarray(0, Math.floor((whole.length * i) / 40)));
      await expect(readOnnxGraph(modelFile)).rejects.toMatchObject({ name: 'ModelFormatError' });
    }
  });

  it('refuses a data file that is shorter than the model says', async () => {
    await truncate(`${modelFile}.data`, 1000);
    await expect(readOnnxGraph(modelFile)).rejects.toMatchObject({ code: 'FILE_TRUNCATED' });
  });

  it('refuses a missing data file', async () => {
    await rm(`${modelFile}.data`);
    await expect(readOnnxGraph(modelFile)).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
  });

  it.each(['../../some.data', '/etc/passwd.dat', 'C:\\a\\model.data'])('refuses weights in %s', async (location) => {
    await patchModel('model.onnx.data', location);
    await expect(readOnnxGraph(modelFile)).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
  });

  /** An initialiser of one f32 that is changed so, in front of the others. */
  const initialiser = (...changes: readonly [number: number, value: Field['value']][]): Field => {
    const fields = new Map<number, Field['value']>([
      [1, 1n],
      [2, 1n],
      [8, Buffer.from('added')],
      [9, Buffer.alloc(4)],
      ...changes,
    ]);
    const message: Message = {
      kind: 'tensor',
      fields: [...fields].map(([number, value]) => ({ number, value, isFixed: false })),
    };
    return { number: 5, value: message, isFixed: false };
  };
  const external = (key: string, value: string): Buffer =>
    Buffer.concat([Buffer.of(10, key.length), Buffer.from(key), Buffer.of(18, value.length), Buffer.from(value)]);

  it.each([
    ['that its bytes fill', initialiser(), undefined],
    ['without bytes', initialiser([9, Buffer.alloc(0)]), 'TENSOR_SHAPE_MISMATCH'],
    ['of 2^62 elements', initialiser([1, 2n ** 62n]), 'TENSOR_SHAPE_MISMATCH'],
    ['of -1 elements', initialiser([1, 2n ** 64n - 1n]), 'TENSOR_SHAPE_MISMATCH'],
    ['of text', initialiser([6, Buffer.from('text')]), 'DTYPE_UNSUPPORTED'],
    ['of a type that does not exist', initialiser([2, 99n]), 'DTYPE_UNSUPPORTED'],
    ['at an address in memory', initialiser([13, external('location', '*/_ORT_MEM_ADDR_/*')]), 'FILE_MALFORMED'],
    ['in a folder', initialiser([13, external('location', '.')]), 'FILE_MALFORMED'],
  ])('judges an initialiser %s', async (_, added, code) => {
    const model = editOnnx(await readFile(modelFile), (found) => messageIn(found, 7).fields.unshift(added));
    await writeFile(modelFile, model);
    const read = readOnnxGraph(modelFile);
    if (code === undefined) await expect(read).resolves.toBeDefined();
    else await expect(read).rejects.toMatchObject({ code });
  });

  it('reads numbers of a shape wherever they are', async () => {
    const inside = initialiser(
      [2, 7n],
      [8, Buffer.from('inside')],
      [1, 2n],
      [9, Buffer.from([1, ...Array<number>(15).fill(255)])],
    );
    const narrow = initialiser([2, 6n], [8, Buffer.from('narrow')], [9, Buffer.alloc(4, 1)]);
    const places = [
      { number: 13, value: external('location', 'shape.data'), isFixed: false },
      { number: 13, value: external('offset', '3'), isFixed: false },
    ];
    const outside = initialiser([2, 7n], [8, Buffer.from('outside')]);
    const message = outside.value as Message;
    const elsewhere = {
      ...outside,
      value: { ...message, fields: [...message.fields.filter(({ number }) => number !== 9), ...places] },
    };
    await writeFile(path.join(folder, 'shape.data'), Buffer.from([9, 9, 9, 0, 1, 0, 0, 0, 0, 0, 0]));
    const added = [inside, narrow, elsewhere];
    await writeFile(
      modelFile,
      editOnnx(await readFile(modelFile), (model) => messageIn(model, 7).fields.unshift(...added)),
    );
    const { initialisers } = await readOnnxGraph(modelFile);
    expect(initialisers.get('inside')).toMatchObject({ dims: [2], integers: [-255, -1] });
    expect(initialisers.get('outside')).toMatchObject({ dims: [1], integers: [256] });
    // They overflow sooner than what is computed of them.
    expect(initialisers.get('narrow')).toMatchObject({ integers: undefined, values: [0x01010101] });
  });

  it.each<[string, number, readonly Field[]]>([
    ['nodes', MAX_NODES + 1, [{ number: 4, value: Buffer.from('Neg'), isFixed: false }]],
    [
      'initialisers',
      MAX_INITIALISERS + 1,
      [
        { number: 2, value: 1n, isFixed: false },
        { number: 9, value: Buffer.alloc(4), isFixed: false },
      ],
    ],
    [
      'bytes of names',
      MAX_TEXT_BYTES / 4096 + 1,
      [{ number: 4, value: Buffer.from('N'.repeat(4096)), isFixed: false }],
    ],
  ])('refuses a file of too many %s', async (what, count, fields) => {
    const kind = what === 'initialisers' ? 'tensor' : 'node';
    const one = { number: kind === 'tensor' ? 5 : 1, value: { kind, fields }, isFixed: false } as unknown as Field;
    const model = editOnnx(await readFile(modelFile), (found) =>
      messageIn(found, 7).fields.unshift(...Array<Field>(count).fill(one)),
    );
    await writeFile(modelFile, model);
    await expect(readOnnxGraph(modelFile)).rejects.toMatchObject({
      code: 'FILE_LIMIT_EXCEEDED',
      message: expect.stringContaining(what) as unknown,
    });
  });

  it.each([
    ['functions', (model: Message) => model.fields.push({ number: 25, value: Buffer.alloc(0), isFixed: false })],
    [
      'sparse weights',
      (model: Message) => messageIn(model, 7).fields.push({ number: 15, value: Buffer.alloc(0), isFixed: false }),
    ],
  ])('refuses %s', async (_, edit) => {
    await writeFile(
      modelFile,
      editOnnx(await readFile(modelFile), (model) => void edit(model)),
    );
    await expect(readOnnxGraph(modelFile)).rejects.toMatchObject({ code: 'MODEL_FEATURE_UNSUPPORTED' });
  });

  it.each([
    ['text', Buffer.from('this is not a model, only some text')],
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(100)],
    ['a number without an end', Buffer.alloc(20, 0xff)],
    ['a group of the old wire format', Buffer.from([0x3b, 0, 0])],
  ])('refuses %s', async (_, bytes) => {
    await writeFile(modelFile, bytes);
    await expect(readOnnxGraph(modelFile)).rejects.toMatchObject({ name: 'ModelFormatError' });
  });

  it('says when there is no file', async () => {
    await expect(readOnnxGraph(path.join(folder, 'other.onnx'))).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
    });
  });
});
