/** bench/core and bench/lib: the comparisons say what the measurements say, and interruptions are told as they were. */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

interface Summary {
  readonly median: number;
}
interface Context {
  readonly contextTokens: number;
  readonly tokens: number;
  readonly firstMs: number;
  readonly decodeMs: number;
  readonly outsideNativeMs: number;
  readonly secondTurn: { readonly historyTokens: number; readonly tokens: number; readonly firstMs: number };
}
interface Program {
  readonly runs: readonly object[];
  readonly coldStarts: Readonly<Record<string, readonly number[]>>;
  readonly summary: { readonly loadedResidentBytes: { readonly least: number }; readonly matrixBytes: number };
}
interface Comparison {
  readonly what: string;
  readonly value: Summary;
  readonly met: boolean;
}
interface InterruptedRun {
  readonly exitCode: number | null;
  readonly endedMs: number | null;
  readonly percentages: number;
  readonly lastText: string;
}

// The benchmarks are plain JavaScript: what is used of them is typed here.
const importFromBench = (...names: string[]): Promise<unknown> =>
  import(pathToFileURL(path.resolve('bench', ...names)).href) as Promise<unknown>;
const { summariseProgram, checkLoaded, compareAll } = (await importFromBench('core', 'comparisons.mjs')) as {
  summariseProgram: (taken: object) => Program['summary'];
  checkLoaded: (name: string, summary: Program['summary']) => void;
  compareAll: (taken: Readonly<Record<string, Program>>) => readonly Comparison[];
};
const { canInterrupt, runInterrupted } = (await importFromBench('lib', 'interrupted-process.mjs')) as {
  canInterrupt: boolean;
  runInterrupted: (command: string, args: readonly string[], options: { afterMs: number }) => Promise<InterruptedRun>;
};

const GIGABYTE = 1e9;

/** A program's rounds, each so many times as slow as the first one: what slow minutes do. */
function program(
  speeds: { decodeMs: number; prefillMs: number },
  slowness: readonly number[],
  peakBytes: number,
): Program {
  const context = (contextTokens: number, factor: number): Context => ({
    contextTokens,
    tokens: 100,
    firstMs: speeds.prefillMs * factor,
    decodeMs: speeds.decodeMs * factor,
    outsideNativeMs: 0.5,
    secondTurn: { historyTokens: contextTokens, tokens: 32, firstMs: 300 * factor },
  });
  const delay = { p50: 1, p99: 5, max: 9 };
  const runs = slowness.map((factor) => ({
    contexts: [context(128, factor), context(900, factor)],
    loadMs: 1000,
    loadedResidentBytes: 2 * GIGABYTE,
    kvBytes: 0.5 * GIGABYTE,
    peakResidentBytes: peakBytes,
    peakPrivateBytes: peakBytes,
    eventLoop: { loading: delay, prefill: delay, decode: delay },
  }));
  const coldStarts = { 'block 128': slowness.map((factor) => 5000 * factor) };
  const model = { bytes: 3 * GIGABYTE, matrixBytes: 2.5 * GIGABYTE };
  return { runs, coldStarts, summary: summariseProgram({ runs, coldStarts, model }) };
}

const find = (comparisons: readonly Comparison[], text: string): Comparison => {
  const found = comparisons.filter(({ what }) => what.includes(text));
  expect(found, text).toHaveLength(1);
  return found[0] as Comparison;
};

describe('comparisons of bench/core', () => {
  const slowness = [1, 3, 1.5];
  const comparisons = compareAll({
    'aipc-onnxruntime': program({ decodeMs: 100, prefillMs: 2000 }, slowness, 4 * GIGABYTE),
    'onnxruntime-node': program({ decodeMs: 200, prefillMs: 2000 }, slowness, 5 * GIGABYTE),
    'node-llama-cpp': program({ decodeMs: 110, prefillMs: 1600 }, slowness, 3 * GIGABYTE),
  });

  it('give how many times as fast aipc is, within each round', () => {
    expect(find(comparisons, "decode at 128 tokens, times onnxruntime-node's")).toMatchObject({
      value: { median: 2, least: 2, most: 2 },
      aim: { least: 1.4 },
      met: true,
    });
    expect(find(comparisons, "decode at 900 tokens, times onnxruntime-node's")).toMatchObject({ met: false });
    expect(find(comparisons, "decode at 900 tokens, times node-llama-cpp's")).toMatchObject({ value: { median: 1.1 } });
    expect(find(comparisons, "prefill to 128 tokens, times node-llama-cpp's")).toMatchObject({
      value: { median: 0.8 },
      met: false,
    });
  });

  it('give how much of its peer aipc needs', () => {
    expect(find(comparisons, 'cold start')).toMatchObject({ value: { median: 1 }, met: true });
    expect(find(comparisons, "peak memory, of node-llama-cpp's")).toMatchObject({
      value: { median: 1.333 },
      met: false,
    });
    // 4 GB of 1.3 * 3 + 0.5 + 0.3
    expect(find(comparisons, 'times the model folder')).toMatchObject({ value: { median: 0.851 }, met: true });
  });

  it('say nothing of programs that were not measured', () => {
    const alone = compareAll({ 'aipc-onnxruntime': program({ decodeMs: 1, prefillMs: 1 }, [1], GIGABYTE) });
    expect(alone.filter(({ what }) => /node-llama-cpp|onnxruntime-node|genai/.test(what))).toEqual([]);
    expect(alone.length).toBeGreaterThan(5);
  });

  it('stand on weights that were really loaded', () => {
    const { summary } = program({ decodeMs: 1, prefillMs: 1 }, [1], GIGABYTE);
    expect(() => checkLoaded('it', summary)).not.toThrow();
    expect(() => checkLoaded('it', { ...summary, matrixBytes: 3 * GIGABYTE })).toThrow(/not really loaded/);
  });
});

describe.skipIf(!canInterrupt)('runInterrupted (on Linux)', () => {
  const bar = 'let n = 0; setInterval(() => process.stdout.write("\\r" + ++n + "%"), 20);';
  const run = (script: string, afterMs = 1500) => runInterrupted(process.execPath, ['-e', script], { afterMs });

  it('tells what was shown before Ctrl-C, and how the program ended', async () => {
    const end = await run(`process.on('SIGINT', () => process.exit(7)); ${bar}`);
    expect(end).toMatchObject({ exitCode: 7, lastText: expect.stringMatching(/^\d+%$/) as string });
    expect(end.percentages).toBeGreaterThan(3);
    expect(end.endedMs).toBeGreaterThan(0);
  });

  it('gives 130 where Ctrl-C ended the program itself', async () => {
    expect(await run(bar)).toMatchObject({ exitCode: 130 });
  });

  it('rejects where the program had ended before', async () => {
    await expect(run('console.error("no luck"); process.exit(3)', 20_000)).rejects.toThrow(/ended with 3[^]*no luck/);
  });
});
