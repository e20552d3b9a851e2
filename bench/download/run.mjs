/**
 * aipc's download beside a bare pipeline of fetch, SHA-256 and write, from the same server on loopback: throughput, and the
 * memory that it takes for a small and a large file.
 *
 *   node bench/download/run.mjs [--megabytes 1000] [--turns 7] [--memory-megabytes 256,2048] [--work DIR] [--out DIR]
 *
 * Every download is a process of its own; the programs take turns. aipc makes sure that the file is on the disk before it
 * gets its name; `bare` does not, `bare-sync` does: the ratio is to both. On a folder in memory (/dev/shm) they are the same.
 * The last line is the result as JSON; --out gets it too, with a chart.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { runBenchmark, say, writeResult } from '../lib/benchmark.mjs';
import { writeBarChart } from '../lib/chart.mjs';
import { describeMachine, machineLine } from '../lib/machine.mjs';
import { runMeasured } from '../lib/measured-process.mjs';
import { readOptions } from '../lib/options.mjs';
import { pairRatios, summarise } from '../lib/statistics.mjs';

const TOOLS = ['aipc', 'bare', 'bare-sync'];
const MEGABYTE = 1e6;
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** A server for files of that size while `use` runs. */
async function withServer(sizeBytes, use) {
  const child = spawn(process.execPath, [here('server.mjs'), String(sizeBytes)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    return await use({ sizeBytes, ...JSON.parse(line) });
  } finally {
    child.stdin.end();
    await once(child, 'exit');
  }
}

async function download(tool, served, folder) {
  const file = path.join(folder, 'file');
  const request = JSON.stringify({ tool, ...served, file });
  const { stdout, peakResidentBytes, peakPrivateBytes } = await runMeasured(process.execPath, [
    here('fetch.mjs'),
    request,
  ]);
  await rm(file);
  const { ms } = JSON.parse(stdout);
  return { ms, megabytesPerSecond: served.sizeBytes / MEGABYTE / (ms / 1000), peakResidentBytes, peakPrivateBytes };
}

/** Each tool once per turn, another one first each time. */
async function speeds({ megabytes, turns, folder }) {
  const taken = Object.fromEntries(TOOLS.map((tool) => [tool, []]));
  await withServer(megabytes * MEGABYTE, async (served) => {
    for (let turn = 0; turn < turns; turn += 1) {
      const first = turn % TOOLS.length;
      for (const tool of [...TOOLS.slice(first), ...TOOLS.slice(0, first)]) {
        const run = await download(tool, served, folder);
        taken[tool].push(run.megabytesPerSecond);
        say(`${turn + 1}/${turns} ${tool}: ${run.megabytesPerSecond.toFixed(0)} MB/s`);
      }
    }
  });
  return taken;
}

async function memory({ sizes, folder }) {
  const taken = [];
  for (const megabytes of sizes) {
    const run = await withServer(megabytes * MEGABYTE, (served) => download('aipc', served, folder));
    taken.push({ megabytes, peakResidentBytes: run.peakResidentBytes, peakPrivateBytes: run.peakPrivateBytes });
    if (run.peakResidentBytes !== undefined) {
      say(`${megabytes} MB: peak memory ${(run.peakResidentBytes / MEGABYTE).toFixed(0)} MB`);
    }
  }
  return taken;
}

async function draw(file, { machine, megabytes, megabytesPerSecond, ratios, memory: peaks }) {
  const ratio = ratios.bare.median.toFixed(2);
  const measured = peaks.filter(({ peakResidentBytes }) => peakResidentBytes !== undefined);
  await writeBarChart(file, {
    title: 'Download of a file on loopback: aipc and a bare pipeline of fetch, SHA-256 and write',
    subtitle: `${machineLine(machine)}; ${megabytes} MB`,
    panels: [
      {
        name: `throughput, aipc at ${ratio} of bare; longer is better`,
        unit: 'MB/s',
        digits: 0,
        bars: TOOLS.map((name) => ({ name, ...megabytesPerSecond[name] })),
      },
      ...(measured.length === 0
        ? []
        : [
            {
              name: 'peak memory of aipc; shorter is better',
              unit: 'MB',
              digits: 0,
              bars: measured.map(({ megabytes: size, peakResidentBytes }) => {
                const value = peakResidentBytes / MEGABYTE;
                return { name: `${size} MB`, median: value, least: value, most: value };
              }),
            },
          ]),
    ],
  });
}

await runBenchmark(async () => {
  const options = readOptions({
    megabytes: 1000,
    turns: 7,
    memoryMegabytes: [256, 2048],
    work: tmpdir(),
    out: path.join('docs', 'benchmarks'),
  });
  await mkdir(options.work, { recursive: true });
  const folder = await mkdtemp(path.join(options.work, 'aipc-download-'));
  try {
    const taken = await speeds({ megabytes: options.megabytes, turns: options.turns, folder });
    const result = {
      benchmark: 'download',
      machine: describeMachine(),
      megabytes: options.megabytes,
      turns: options.turns,
      megabytesPerSecond: Object.fromEntries(TOOLS.map((tool) => [tool, summarise(taken[tool])])),
      // aipc's throughput over theirs, within a turn. Wanted: at least 0.9 of bare.
      ratios: { bare: pairRatios(taken.aipc, taken.bare), bareSync: pairRatios(taken.aipc, taken['bare-sync']) },
      memory: await memory({ sizes: options.memoryMegabytes, folder }),
    };
    await draw(await writeResult(options.out, 'download', result), result);
    return result;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
