/** The load of this very machine, and of models on it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { LoadMeter } from './load-meter.js';
import { isKnown } from './load-sample.js';
import { monitorLoad } from './monitor.js';
import { ModelPublication } from './publish-model.js';
import { parseStatus, readRunningModels, statusFolder } from './running-models.js';

const before = process.env['AIPC_CACHE'];
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-load-'));
  process.env['AIPC_CACHE'] = folder;
});
afterAll(async () => {
  if (before === undefined) delete process.env['AIPC_CACHE'];
  else process.env['AIPC_CACHE'] = before;
  await rm(folder, { recursive: true });
});

const STATUS = {
  modelId: 'demo',
  weightFormat: 'int4',
  device: 'cpu',
  deviceName: 'a CPU',
  provider: 'cpu',
  emulated: false,
  state: 'decode' as const,
  tokensPerSecond: 41.5,
  outputTokens: 7,
  kvCacheTokens: 30,
  contextTokens: 2048,
};

describe('monitorLoad', () => {
  it('gives samples at its interval until the loop is left', async () => {
    let count = 0;
    for await (const { cpu, memory, intervalMs } of monitorLoad({ intervalMs: 150 })) {
      expect(intervalMs).toBeGreaterThan(100);
      expect(isKnown(cpu.utilizationPercent)).toBe(true);
      expect(cpu.coresPercent.length).toBeGreaterThan(0);
      expect(memory.usedBytes).toBeGreaterThan(0);
      expect(memory.usedBytes).toBeLessThanOrEqual(memory.totalBytes);
      if (++count === 3) break;
    }
    expect(count).toBe(3);
  });

  it("ends with the signal's reason", async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => abort.abort(reason), 50);
    await expect(monitorLoad({ intervalMs: 60_000, signal: abort.signal }).next()).rejects.toBe(reason);
  });

  it('refuses options that are none', () => {
    expect(() => monitorLoad({ intervalMs: 1 })).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }));
    expect(() => monitorLoad({ every: 1 } as object)).toThrow(expect.objectContaining({ code: 'OPTION_UNKNOWN' }));
  });
});

describe('LoadMeter', () => {
  // Wine and most Windows accounts make no links.
  it.skipIf(process.platform === 'win32')('measures where nobody can tell which models run', async () => {
    const cache = await mkdtemp(path.join(tmpdir(), 'aipc-meter-'));
    vi.stubEnv('AIPC_CACHE', cache);
    await symlink('running', path.join(cache, 'running')); // to itself: it cannot be read
    try {
      const meter = new LoadMeter();
      await sleep(1100); // two looks
      expect((await meter.stop()).durationMs).toBeGreaterThan(1000);
    } finally {
      vi.unstubAllEnvs();
      await rm(cache, { recursive: true });
    }
  });

  it('sees a load that is on for 60 % of the time within 5 points of the CPU time that getrusage counts', async () => {
    // A program of its own: the share of the CPU that it got is then known from the system, whatever else runs here.
    const script = `
      const end = performance.now() + 2400, start = process.resourceUsage(), from = performance.now();
      process.send('begin');
      const step = () => {
        const until = performance.now() + 60;
        while (performance.now() < until);
        if (performance.now() < end) setTimeout(step, 40);
        else {
          const used = process.resourceUsage();
          const us = used.userCPUTime + used.systemCPUTime - start.userCPUTime - start.systemCPUTime;
          process.send({ us, wallMs: performance.now() - from });
          process.disconnect();
        }
      };
      step();`;
    const idle = new LoadMeter();
    await sleep(1200);
    const background = await idle.stop();
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    await once(child, 'message');
    const meter = new LoadMeter();
    const [{ us, wallMs }] = (await once(child, 'message')) as [{ us: number; wallMs: number }];
    const busy = await meter.stop();
    const expected = (100 * us) / (1000 * wallMs * availableParallelism());
    expect(expected).toBeGreaterThan(0);
    if (!isKnown(busy.cpuPercent) || !isKnown(background.cpuPercent)) throw new Error('the CPU has no load here');
    // What else runs may change meanwhile: on a quiet machine the difference is exact, on a busy one there is more.
    const quiet = background.cpuPercent < 5;
    expect(busy.cpuPercent).toBeGreaterThan(expected - 5);
    if (quiet) expect(busy.cpuPercent - background.cpuPercent).toBeLessThan(expected + 5);
  });
});

describe('a model that runs', () => {
  it('is seen while it is there, by what it says of itself', async () => {
    const problems: string[] = [];
    const publication = new ModelPublication(
      () => STATUS,
      (problem) => problems.push(problem),
    );
    await expect.poll(readRunningModels).toEqual([{ processId: process.pid, ...STATUS }]);
    await publication[Symbol.asyncDispose]();
    await publication[Symbol.asyncDispose]();
    expect(await readdir(statusFolder())).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('is not seen when its process is gone, hangs, or somebody else wrote the file', async () => {
    await mkdir(statusFolder(), { recursive: true });
    const write = (name: string, status: object): Promise<void> =>
      writeFile(path.join(statusFolder(), name), JSON.stringify({ schemaVersion: 1, ...status }));
    const here = { ...STATUS, processId: process.pid };
    await write(`${process.pid}-1.json`, here);
    expect(await readRunningModels()).toHaveLength(1);
    await write('999999999-1.json', { ...here, processId: 999_999_999 });
    await write(`${process.pid}-2.json`, { ...here, processId: 1 });
    await write(`${process.pid}-3.json`, { ...here, modelId: 'x'.repeat(9000) });
    await write(`${process.pid}-4.json`, { ...here, modelId: 'red\u001b[31m' });
    await mkdir(path.join(statusFolder(), `${process.pid}-5.json`));
    await write(`${process.pid}-6.json`, here);
    const old = new Date(Date.now() - 60_000);
    await utimes(path.join(statusFolder(), `${process.pid}-6.json`), old, old);
    expect(await readRunningModels()).toHaveLength(1);
    await rm(statusFolder(), { recursive: true });
    expect(await readRunningModels()).toEqual([]);
  });

  it('has a file of exactly its form', () => {
    const sound = { schemaVersion: 1, processId: 12, ...STATUS };
    expect(parseStatus(JSON.stringify({ ...sound, prompt: 'secret' }))).toEqual({ processId: 12, ...STATUS });
    for (const wrong of [
      { state: 'thinking' },
      { processId: -4 },
      { processId: 0.5 },
      { tokensPerSecond: '7' },
      { kvCacheTokens: null },
      { schemaVersion: 2 },
      { emulated: 'no' },
      { weightFormat: 4 },
    ]) {
      expect(parseStatus(JSON.stringify({ ...sound, ...wrong }))).toBeUndefined();
    }
    expect(parseStatus('[1, 2')).toBeUndefined();
    expect(parseStatus('null')).toBeUndefined();
  });

  it('that cannot say so tells it once and runs on', async () => {
    await writeFile(path.join(folder, 'file'), '');
    process.env['AIPC_CACHE'] = path.join(folder, 'file');
    const problems: string[] = [];
    let tokens = 0;
    const publication = new ModelPublication(
      () => ({ ...STATUS, outputTokens: tokens++ }),
      (problem) => problems.push(problem),
    );
    process.env['AIPC_CACHE'] = folder;
    await sleep(1100);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('aipc top will not see this model');
    await publication[Symbol.asyncDispose]();
  });
});
