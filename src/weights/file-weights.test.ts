import { cp, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { type FileWeights, reopenWeights } from './file-weights.js';
import { ModelFile } from './model-file.js';
import { openWeights } from './open-weights.js';
import { goldenPath, TemporaryFolder } from './testing/files.js';

const Q = 'model.layers.0.self_attn.q_proj.weight';

describe('FileWeights', () => {
  it.each(['tiny-phi3', 'tiny-phi3-q8_0.gguf', 'tiny-llama-q4_1.gguf'])(
    'gives the same values by ranges of rows as whole: %s',
    async (name) => {
      await using weights = await openWeights(goldenPath(name));
      for (const [tensor, { shape }] of weights.tensors) {
        const [rows = 0, columns = 1] = shape;
        const whole = await weights.readRows(tensor, 0, rows);
        for (const [first, count] of [
          [0, 1],
          [1, 6],
          [rows - 9, 9],
          [rows, 0],
        ] as const) {
          const part = await weights.readRows(tensor, first, count);
          expect(part).toEqual(whole.slice(first * columns, (first + count) * columns));
        }
      }
    },
  );

  /** 3,000 rows of 64 (three slices), row r holding r * 64 and up, stored in order or with heads of 600 interleaved. */
  async function large(folder: TemporaryFolder, interleavedHeadSize: number | null): Promise<FileWeights> {
    const rows = Array.from({ length: 3000 }, (_, row) => Float32Array.from({ length: 64 }, (_, i) => row * 64 + i));
    const size = interleavedHeadSize ?? 2;
    const stored = rows.map((row, at) => {
      const inHead = at % size;
      return interleavedHeadSize === null
        ? row
        : (rows[at - inHead + (inHead % 2) * (size / 2) + (inHead >> 1)] ?? row);
    });
    const path = await folder.write('m.bin', Buffer.concat(stored.map((row) => new Uint8Array(row.buffer))));
    await using file = await ModelFile.open(path);
    await using tiny = await openWeights(goldenPath('tiny-phi3'));
    return reopenWeights({
      ...tiny.index,
      dataFiles: [file.identity],
      tensors: [{ name: 'm', shape: [3000, 64], dtype: 'F32', dataFile: 0, offsetBytes: 0, interleavedHeadSize }],
    });
  }

  it.each([null, 600])('reads across slices, heads of %s rows interleaved', async (interleavedHeadSize) => {
    await using folder = await TemporaryFolder.make();
    await using weights = await large(folder, interleavedHeadSize);
    for (const [first, count] of [
      [0, 3000],
      [1, 2998],
      [599, 2],
      [1023, 1100],
    ] as const) {
      const expected = Float32Array.from({ length: count * 64 }, (_, i) => first * 64 + i);
      expect(
        Buffer.from((await weights.readRows('m', first, count)).buffer).equals(new Uint8Array(expected.buffer)),
      ).toBe(true);
    }
  });

  it('stops within a slice of an abort', async () => {
    await using folder = await TemporaryFolder.make();
    await using weights = await large(folder, null);
    await weights.readRows('m', 0, 1);
    const controller = new AbortController();
    const reading = weights.readRows('m', 0, 3000, controller.signal);
    controller.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
  });

  it.each([
    [-1, 1],
    [0, -1],
    [0, 65],
    [64, 1],
    [0.5, 1],
    [0, NaN],
  ])('refuses rows that are not there: %d, %d', async (first, count) => {
    await using weights = await openWeights(goldenPath('tiny-phi3'));
    await expect(weights.readRows(Q, first, count)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });

  it('says that a tensor is not there', async () => {
    await using weights = await openWeights(goldenPath('tiny-phi3'));
    await expect(weights.readRows('model.layers.0.self_attn.qkv_proj.weight', 0, 1)).rejects.toMatchObject({
      code: 'TENSOR_MISSING',
    });
  });

  it('rejects with the reason of its signal', async () => {
    await using weights = await openWeights(goldenPath('tiny-phi3'));
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(weights.readRows(Q, 0, 1, signal)).rejects.toThrow('enough');
  });

  it('is disposed twice without harm, and reads nothing afterwards', async () => {
    const weights = await openWeights(goldenPath('tiny-phi3'));
    await weights.readRows(Q, 0, 1);
    await weights[Symbol.asyncDispose]();
    await weights[Symbol.asyncDispose]();
    await expect(weights.readRows(Q, 0, 1)).rejects.toMatchObject({ code: 'DISPOSED' });
  });

  it('ends a read that disposal overtakes, with its values or as disposed', async () => {
    const weights = await openWeights(goldenPath('tiny-phi3'));
    const reads = Array.from({ length: 8 }, () =>
      weights.readRows(Q, 0, 64).then(
        (values) => values.length,
        (error: unknown) => (error as { code: string }).code,
      ),
    );
    await weights[Symbol.asyncDispose]();
    for (const outcome of await Promise.all(reads)) expect([64 * 64, 'DISPOSED']).toContain(outcome);
  });

  it('notices that a file was replaced after its header was read', async () => {
    await using folder = await TemporaryFolder.make();
    await cp(goldenPath('tiny-llama-q4_1.gguf'), join(folder.path, 'm.gguf'));
    await using weights = await openWeights(join(folder.path, 'm.gguf'));
    await utimes(join(folder.path, 'm.gguf'), new Date(0), new Date(0));
    await expect(weights.readRows(Q, 0, 1)).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
      message: expect.stringContaining('was changed after its header was read') as string,
    });
  });

  it('is reopened from its index in a worker thread', async () => {
    await using weights = await openWeights(goldenPath('tiny-llama-q4_1.gguf'));
    const source = `
      const { parentPort, workerData } = await import('node:worker_threads');
      const { reopenWeights } = await import(workerData.module);
      const weights = reopenWeights(workerData.index);
      parentPort.postMessage(await weights.readRows(workerData.name, 3, 5));
      await weights[Symbol.asyncDispose]();
    `;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
      workerData: { module: new URL('file-weights.js', import.meta.url).href, index: weights.index, name: Q },
    });
    const values = await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    expect(values).toEqual(await weights.readRows(Q, 3, 5));
    await worker.terminate();
  });

  it('leaves nothing of the first source in one that is reopened', async () => {
    const weights = await openWeights(goldenPath('tiny-phi3'));
    await weights[Symbol.asyncDispose]();
    await using again = reopenWeights(weights.index);
    expect((await again.readRows(Q, 0, 2)).length).toBe(128);
  });
});
