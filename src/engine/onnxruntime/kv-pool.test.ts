import koffi from 'koffi';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadOrtApi } from './c-api.js';
import { kvBytesPerPosition } from './kv-memory.js';
import { KvPool } from './kv-pool.js';

const shape = { layers: 2, kvHeads: 3, headSize: 4, type: 'f32' } as const;
let pool: KvPool;
beforeEach(async () => {
  pool = new KvPool(await loadOrtApi(), shape, 1000);
});
afterEach(() => pool.release());

/** f32 view of one position of one head: [headSize]. */
function at(buffer: number, row: number, head: number, position: number): Float32Array {
  const { data, rows, capacity } = pool.buffers[buffer] ?? { data: 0n, rows: 0, capacity: 0 };
  const all = new Float32Array(koffi.view(data, rows * shape.kvHeads * capacity * shape.headSize * 4));
  const start = ((row * shape.kvHeads + head) * capacity + position) * shape.headSize;
  return all.subarray(start, start + shape.headSize);
}

function eachVector(lengths: readonly number[], visit: (vector: Float32Array, mark: number) => void): void {
  for (let buffer = 0; buffer < 2 * shape.layers; buffer += 1) {
    for (const [row, length] of lengths.entries()) {
      for (let head = 0; head < shape.kvHeads; head += 1) {
        for (let position = 0; position < length; position += 1) {
          visit(at(buffer, row, head, position), ((buffer * 10 + row) * 10 + head) * 1000 + position);
        }
      }
    }
  }
}

describe('KvPool', () => {
  it('counts keys and values of all layers and heads', () => {
    expect(kvBytesPerPosition({ layers: 32, kvHeads: 32, headSize: 96, type: 'f32' })).toBe(786_432);
    expect(kvBytesPerPosition({ layers: 32, kvHeads: 8, headSize: 128, type: 'f16' })).toBe(131_072);
  });

  it('grows in doubling steps up to the context, and by rows', async () => {
    const sizes = [];
    for (const [rows, positions] of [
      [1, 1],
      [1, 256],
      [1, 257],
      [2, 257],
      [1, 600],
      [2, 1000],
    ] as const) {
      await pool.reserve({ firstRow: 0, rows, positions }, [], []);
      sizes.push(pool.buffers.map(({ rows: r, capacity }) => `${r}x${capacity}`));
    }
    expect(sizes.map((each) => [...new Set(each)].join())).toEqual([
      ...['1x256', '1x256', '1x512', '2x512', '2x1000', '2x1000'],
    ]);
    expect(pool.buffers).toHaveLength(4);
    expect(pool.bytes).toBe(2 * 1000 * kvBytesPerPosition(shape));
  });

  it('keeps the valid positions of every row, head and layer when it grows', async () => {
    const lengths = [250, 0, 13];
    await pool.reserve({ firstRow: 0, rows: 3, positions: 250 }, [], []);
    eachVector(lengths, (vector, mark) => vector.fill(mark));
    await pool.reserve({ firstRow: 0, rows: 4, positions: 300 }, [], lengths);
    let wrong = 0;
    eachVector(lengths, (vector, mark) => {
      if (vector.some((value) => value !== mark)) wrong += 1;
    });
    expect(wrong).toBe(0);
  });

  it('tells by its generation when what is bound to its memory is void', async () => {
    const generations = [];
    for (const positions of [10, 200, 300]) {
      await pool.reserve({ firstRow: 0, rows: 1, positions }, [], []);
      generations.push(pool.generation);
    }
    pool.release();
    generations.push(pool.generation);
    expect(generations[1]).toBe(generations[0]);
    expect(new Set(generations).size).toBe(3);
    expect([pool.buffers.length, pool.bytes]).toEqual([0, 0]);
  });

  it('refuses what does not fit before it claims anything, and keeps what it holds', async () => {
    const lengths = [20];
    await pool.reserve({ firstRow: 0, rows: 1, positions: 20 }, [], []);
    eachVector(lengths, (vector, mark) => vector.fill(mark));
    const before = [pool.generation, pool.bytes];
    await expect(pool.reserve({ firstRow: 0, rows: 2 ** 40, positions: 20 }, [], lengths)).rejects.toMatchObject({
      code: 'MEMORY_INSUFFICIENT',
    });
    expect([pool.generation, pool.bytes]).toEqual(before);
    eachVector(lengths, (vector, mark) => expect(vector[0]).toBe(mark));
  });
});
