/** bench/lib: what benchmarks say of time, memory and spread is so. */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

interface MeasuredRun {
  readonly wallMs: number;
  readonly stdout: string;
  readonly peakResidentBytes?: number;
  readonly peakPrivateBytes?: number;
}
interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

// The benchmarks are plain JavaScript: what is used of them is typed here.
const importFromBench = (name: string): Promise<unknown> =>
  import(pathToFileURL(path.resolve('bench', 'lib', name)).href) as Promise<unknown>;
const { runMeasured } = (await importFromBench('measured-process.mjs')) as {
  runMeasured: (command: string, args: readonly string[], options?: { input?: string }) => Promise<MeasuredRun>;
};
const { pairRatios, summarise } = (await importFromBench('statistics.mjs')) as {
  pairRatios: (numerators: readonly number[], denominators: readonly number[]) => Summary;
  summarise: (values: readonly number[]) => Summary;
};

const MEBIBYTE = 2 ** 20;
const HELD = 200 * MEBIBYTE;
const hold = `const held = Buffer.alloc(${HELD}, 1); setTimeout(() => process.stdout.write(String(held[5])), 400);`;
const asChild = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(hold)}], { stdio: 'inherit' });`;
const asThread = `new (require('node:worker_threads').Worker)(${JSON.stringify(hold)}, { eval: true, stdout: false });`;

describe('runMeasured', () => {
  it('waits for the end and gives output and time', async () => {
    const run = await runMeasured(process.execPath, ['-e', 'process.stdin.pipe(process.stdout)'], { input: 'hello' });
    expect(run.stdout).toBe('hello');
    expect(run.wallMs).toBeGreaterThan(5);
  });

  it.skipIf(process.platform !== 'linux').each([
    { where: 'the process', script: hold },
    { where: 'a child of the process', script: asChild },
    { where: 'a worker thread', script: asThread },
  ])('counts memory that $where holds (on Linux)', async ({ script }) => {
    const run = await runMeasured(process.execPath, ['-e', script]);
    expect(run.peakPrivateBytes).toBeGreaterThan(HELD);
    expect(run.peakPrivateBytes).toBeLessThan(2 * HELD);
    expect(run.peakResidentBytes).toBeGreaterThanOrEqual(run.peakPrivateBytes ?? Infinity);
  });

  it('rejects with what a failing command said', async () => {
    await expect(runMeasured(process.execPath, ['-e', 'console.error("no luck"); process.exit(3)'])).rejects.toThrow(
      /ended with 3:[^]*no luck/,
    );
    await expect(runMeasured('no-such-command-of-aipc', [])).rejects.toThrow(/ENOENT/);
  });
});

describe('summaries', () => {
  it('take the middle, or the mean of the two middle ones', () => {
    expect(summarise([3, 1, 2])).toMatchObject({ median: 2, least: 1, most: 3 });
    expect(summarise([4, 1, 2, 3])).toMatchObject({ median: 2.5 });
    expect(() => summarise([])).toThrow(RangeError);
  });

  it('compare pair by pair: a slow minute that struck both of a pair does not count', () => {
    expect(pairRatios([10, 100, 10], [20, 200, 20])).toMatchObject({ median: 0.5, least: 0.5, most: 0.5 });
  });
});
