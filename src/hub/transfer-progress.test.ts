import { describe, expect, it } from 'vitest';
import { TransferProgress, type SnapshotProgress } from './transfer-progress.js';

describe('TransferProgress', () => {
  const start = (totalBytes: number, finishedBytes: number) => {
    const seen: SnapshotProgress[] = [];
    const clock = { ms: 0 };
    const progress = new TransferProgress(
      totalBytes,
      finishedBytes,
      (one) => seen.push(one),
      () => clock.ms,
    );
    return { progress, seen, clock };
  };
  const loading = (doneBytes: number) => ({ state: 'downloading', doneBytes }) as const;
  const waiting = { state: 'waiting', doneBytes: 0 } as const;

  it('adds up the files, tells the speed once it is known, and the time that is left', () => {
    const { progress, seen, clock } = start(10_000, 1_000);
    progress.update('a', loading(0));
    clock.ms = 1000;
    progress.update('a', loading(2_000));
    expect(seen).toEqual([
      {
        state: 'downloading',
        doneBytes: 1_000,
        totalBytes: 10_000,
        bytesPerSecond: null,
        remainingMs: null,
        file: 'a',
      },
      {
        state: 'downloading',
        doneBytes: 3_000,
        totalBytes: 10_000,
        bytesPerSecond: 2000,
        remainingMs: 3500,
        file: 'a',
      },
    ]);
  });

  it('counts what an earlier call brought as done, but not as speed', () => {
    const { progress, seen, clock } = start(10_000, 0);
    progress.update('a', loading(9_000));
    clock.ms = 1000;
    progress.update('a', loading(9_500));
    expect(seen.at(-1)).toMatchObject({ doneBytes: 9_500, bytesPerSecond: 500, remainingMs: 1000 });
  });

  it('forgets how fast it once was', () => {
    const { progress, seen, clock } = start(1_000_000, 0);
    for (let second = 0; second <= 20; second += 1) {
      clock.ms = second * 1000;
      progress.update('a', loading(Math.min(second, 10) * 1000));
    }
    expect(seen.at(-1)).toMatchObject({ doneBytes: 10_000, bytesPerSecond: 0, remainingMs: null });
  });

  it('is waiting only while all that is on the way waits', () => {
    const { progress, seen, clock } = start(100, 0);
    progress.update('a', waiting);
    progress.update('b', loading(10));
    progress.finish('b', 50);
    clock.ms = 200;
    progress.finish('a', 50);
    expect(seen.map(({ state }) => state)).toEqual(['waiting', 'downloading', 'waiting', 'downloading']);
    expect(seen.at(-1)).toMatchObject({ doneBytes: 100 });
  });

  it('reports ten times a second at most, and the end in any case', () => {
    const { progress, seen, clock } = start(1000, 0);
    for (let ms = 0; ms < 1000; ms += 1) {
      clock.ms = ms;
      progress.update('a', loading(ms));
    }
    progress.finish('a', 1000);
    expect(seen).toHaveLength(11);
    expect(seen.at(-1)).toMatchObject({ doneBytes: 1000 });
  });
});
