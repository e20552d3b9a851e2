import { copyFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ELEMENT_TYPE } from './c-api.js';
import { editOnnx, messageIn, type Field, type Message } from '../../../test/hostile/mutate/onnx.js';
import { readModelOutline } from './model-outline.js';

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

describe('readModelOutline', () => {
  it('reads input types, operators and sizes', async () => {
    const outline = await readModelOutline(modelFile);
    expect(outline.inputTypes.get('input_ids')).toBe(ELEMENT_TYPE.i64);
    expect(outline.inputTypes.get('past_key_values.1.value')).toBe(ELEMENT_TYPE.f16);
    expect(outline.operators).toContain('GroupQueryAttention');
    expect(outline.operators).not.toContain('If');
    const sizes = await Promise.all([modelFile, `${modelFile}.data`].map(async (file) => (await stat(file)).size));
    expect(outline.fileBytes).toBe((sizes[0] ?? 0) + (sizes[1] ?? 0));
    expect(outline.weightBytes.get(ELEMENT_TYPE.f16)).toBe(sizes[1]);
  });

  it('refuses a file cut at any place', async () => {
    const whole = await readFile(modelFile);
    for (let i = 1; i < 40; i += 1) {
      await writeFile(modelFile, whole.subarray(0, Math.floor((whole.length * i) / 40)));
      await expect(readModelOutline(modelFile)).rejects.toMatchObject({ name: 'ModelFormatError' });
    }
  });

  it('refuses a data file that is shorter than the model says', async () => {
    await truncate(`${modelFile}.data`, 1000);
    await expect(readModelOutline(modelFile)).rejects.toMatchObject({ code: 'FILE_TRUNCATED' });
  });

  it('refuses a missing data file', async () => {
    await rm(`${modelFile}.data`);
    await expect(readModelOutline(modelFile)).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
  });

  it.each(['../../some.data', '/etc/passwd.dat', 'C:\\a\\model.data'])('refuses weights in %s', async (location) => {
    await patchModel('model.onnx.data', location);
    await expect(readModelOutline(modelFile)).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
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
    const read = readModelOutline(modelFile);
    if (code === undefined) await expect(read).resolves.toBeDefined();
    else await expect(read).rejects.toMatchObject({ code });
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
    await expect(readModelOutline(modelFile)).rejects.toMatchObject({ code: 'MODEL_FEATURE_UNSUPPORTED' });
  });

  it.each([
    ['text', Buffer.from('this is not a model, only some text')],
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(100)],
    ['a number without an end', Buffer.alloc(20, 0xff)],
    ['a group of the old wire format', Buffer.from([0x3b, 0, 0])],
  ])('refuses %s', async (_, bytes) => {
    await writeFile(modelFile, bytes);
    await expect(readModelOutline(modelFile)).rejects.toMatchObject({ name: 'ModelFormatError' });
  });

  it('says when there is no file', async () => {
    await expect(readModelOutline(path.join(folder, 'other.onnx'))).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
    });
  });
});
