import { describe, expect, it } from 'vitest';
import { MergeQueue } from './merge-queue.js';
import { RankBuckets } from './rank-buckets.js';

function drain(queue: MergeQueue | RankBuckets): string[] {
  const found: string[] = [];
  while (queue.pop()) found.push(`${queue.rank}@${queue.position}`);
  return found;
}

describe('RankBuckets', () => {
  it('gives what was pushed in the order of MergeQueue, with pushes in between', () => {
    const heap = new MergeQueue();
    const buckets = new RankBuckets(50);
    let state = 7;
    const below = (limit: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    for (let round = 0; round < 200; round += 1) {
      for (let n = below(60); n > 0; n -= 1) {
        const [rank, position] = [below(50), below(10_000)];
        heap.push(rank, position);
        buckets.push(rank, position);
      }
      for (let n = below(60); n > 0; n -= 1) {
        expect(buckets.pop()).toBe(heap.pop());
        expect([buckets.rank, buckets.position]).toEqual([heap.rank, heap.position]);
      }
    }
    expect(drain(buckets)).toEqual(drain(heap));
  });

  it('can be used again after it gave its memory back', () => {
    const buckets = new RankBuckets(3);
    for (let position = 5000; position > 0; position -= 1) buckets.push(1, position);
    expect(drain(buckets).slice(0, 2)).toEqual(['1@1', '1@2']);
    buckets.shrink();
    buckets.push(2, 9);
    buckets.push(0, 9);
    expect(drain(buckets)).toEqual(['0@9', '2@9']);
  });
});
