import { describe, expect, it } from 'vitest';
import type { WeightSource } from '../weights/weights.js';
import { MAX_SLICE_ELEMENTS, runSlice, sliceBytes, sliceTasks, type TensorTask } from './tensor-task.js';
import { memorySource, TINY_CONFIG } from './testing/memory-source.js';

const EMBEDDING = 'model.embed_tokens.weight';
const source = memorySource(TINY_CONFIG);

/** What a task leaves in a data file of this size, done in slices of `rowsPerSlice`. */
async function run(task: TensorTask, fileBytes: number, rowsPerSlice = task.rowCount): Promise<DataView> {
  const file = new Uint8Array(fileBytes);
  for (let firstRow = 0; firstRow < task.rowCount; firstRow += rowsPerSlice) {
    const rowCount = Math.min(rowsPerSlice, task.rowCount - firstRow);
    await runSlice({ task, firstRow, rowCount }, source, (bytes, offset) => file.set(bytes, offset));
  }
  return new DataView(file.buffer);
}

/** The tiny source with one value of the embedding replaced. */
function withValue(value: number): WeightSource {
  return {
    ...source,
    async readRows(name, firstRow, rowCount) {
      const rows = await source.readRows(name, firstRow, rowCount);
      rows[5] = value;
      return rows;
    },
  };
}

const ROPE = {
  kind: 'rope',
  dtype: 'fp32',
  theta: 500,
  factors: null,
  magnitude: 1,
  rowCount: 50,
  columnCount: 8,
  offsetBytes: 0,
} as const;

describe('sliceTasks', () => {
  it('covers every row once, within the limit, and a row over the limit by itself', () => {
    const wide = MAX_SLICE_ELEMENTS + 1;
    const tasks: TensorTask[] = [
      { kind: 'copy', tensor: 'a', rowCount: 1000, columnCount: 3072, dtype: 'fp32', offsetBytes: 0 },
      { kind: 'copy', tensor: 'b', rowCount: 2, columnCount: wide, dtype: 'fp32', offsetBytes: 0 },
    ];
    const slices = [...sliceTasks(tasks)];
    const rows = slices.flatMap(({ task, firstRow, rowCount }) =>
      Array.from({ length: rowCount }, (_, i) => [task, firstRow + i]),
    );
    expect(rows).toEqual(tasks.flatMap((task) => Array.from({ length: task.rowCount }, (_, row) => [task, row])));
    for (const { task, rowCount } of slices) {
      expect(rowCount === 1 || rowCount * task.columnCount <= MAX_SLICE_ELEMENTS).toBe(true);
    }
  });
});

describe('runSlice', () => {
  it('copies rows as fp32', async () => {
    const view = await run(
      { kind: 'copy', tensor: EMBEDDING, rowCount: 64, columnCount: 32, dtype: 'fp32', offsetBytes: 8 },
      8 + 64 * 32 * 4,
      10,
    );
    const weights = await source.readRows(EMBEDDING, 0, 64);
    const found = Array.from(weights, (_, i) => view.getFloat32(8 + i * 4, true));
    expect(found).toEqual([...weights]);
  });

  it('turns rows into columns beside those of another part', async () => {
    const task = {
      kind: 'transpose',
      tensor: EMBEDDING,
      rowCount: 64,
      columnCount: 32,
      dtype: 'fp32',
      offsetBytes: 0,
      firstColumn: 3,
      outputColumnCount: 70,
    } as const;
    const view = await run(task, 32 * 70 * 4, 20);
    const weights = await source.readRows(EMBEDDING, 0, 64);
    for (const [row, column] of [
      [0, 0],
      [63, 31],
      [20, 7],
      [19, 8],
    ] as const) {
      expect(view.getFloat32((column * 70 + 3 + row) * 4, true)).toBe(weights[row * 32 + column]);
    }
  });

  it('writes as many bytes as sliceBytes says', async () => {
    const rows = { tensor: EMBEDDING, rowCount: 64, columnCount: 32 };
    const block = { bits: 4, blockSize: 16, symmetric: false } as const;
    const tasks: TensorTask[] = [
      { ...rows, kind: 'copy', dtype: 'fp16', offsetBytes: 0 },
      { ...rows, kind: 'transpose', dtype: 'fp16', offsetBytes: 0, firstColumn: 0, outputColumnCount: 64 },
      {
        ...rows,
        kind: 'quantise',
        block,
        scaleDtype: 'fp32',
        valuesOffsetBytes: 0,
        scalesOffsetBytes: 0,
        zeroPointsOffsetBytes: 0,
      },
      { ...ROPE, function: 'sin', theta: 10_000, rowCount: 20 },
    ];
    for (const task of tasks) {
      let written = 0;
      const slice = { task, firstRow: 0, rowCount: task.rowCount };
      await runSlice(slice, source, (bytes) => {
        written += bytes.length;
      });
      expect(written).toBe(sliceBytes(slice));
    }
  });

  it('tabulates cos and sin of position / theta^(2i / rotarySize), each position in its row', async () => {
    for (const fn of ['cos', 'sin'] as const) {
      const task = { ...ROPE, function: fn };
      const view = await run(task, 50 * 8 * 4, 7);
      for (const [position, i] of [
        [0, 0],
        [49, 0],
        [13, 3],
        [49, 7],
      ] as const) {
        const exact = Math[fn](position / 500 ** ((2 * i) / 16));
        expect(view.getFloat32((position * 8 + i) * 4, true)).toBeCloseTo(exact, 5);
      }
    }
  });

  it('divides the frequencies by factors and multiplies cos and sin by the magnitude, as longrope does', async () => {
    const factors = [1, 1.25, 1.5, 2, 4, 8, 16, 40.5];
    const view = await run({ ...ROPE, function: 'cos', factors, magnitude: 1.19 }, 50 * 8 * 4, 7);
    for (const i of [0, 3, 7]) {
      const exact = 1.19 * Math.cos(37 / ((factors[i] ?? NaN) * 500 ** ((2 * i) / 16)));
      expect(view.getFloat32((37 * 8 + i) * 4, true)).toBeCloseTo(exact, 5);
    }
  });

  it.each(['copy', 'quantise'] as const)('refuses NaN in the weights and names the tensor (%s)', async (kind) => {
    const rows = { tensor: EMBEDDING, rowCount: 64, columnCount: 32 };
    const task: TensorTask =
      kind === 'copy'
        ? { ...rows, kind, dtype: 'fp32', offsetBytes: 0 }
        : {
            ...rows,
            scaleDtype: 'fp32',
            kind,
            block: { bits: 4, blockSize: 32, symmetric: true },
            valuesOffsetBytes: 0,
            scalesOffsetBytes: 0,
            zeroPointsOffsetBytes: 0,
          };
    await expect(runSlice({ task, firstRow: 0, rowCount: 64 }, withValue(NaN), () => undefined)).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
      details: { tensor: EMBEDDING },
    });
  });

  it('refuses for fp16 what fp16 cannot hold, and takes it for fp32', async () => {
    const rows = { kind: 'copy', tensor: EMBEDDING, rowCount: 64, columnCount: 32, offsetBytes: 0 } as const;
    const big = withValue(70_000);
    const slice = { firstRow: 0, rowCount: 64 };
    await expect(runSlice({ ...slice, task: { ...rows, dtype: 'fp16' } }, big, () => undefined)).rejects.toMatchObject({
      code: 'DTYPE_UNSUPPORTED',
    });
    await runSlice({ ...slice, task: { ...rows, dtype: 'fp32' } }, big, () => undefined);
  });
});
