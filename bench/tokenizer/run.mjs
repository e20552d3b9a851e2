/**
 * aipc's tokenizer beside @huggingface/tokenizers on the same texts, and how its time grows with the length.
 *
 *   node bench/tokenizer/run.mjs [--tokenizer FILE] [--kilobytes 100] [--rounds 5] [--out DIR]
 *
 * FILE is a tokenizer.json or a .gguf file; the default is the built-in model's. Every measurement is a process of its own;
 * the programs take turns. Ids of both must be equal. The other library takes seconds for 100 kB, hence the small size of
 * the comparison; growth is aipc's alone, from 1 to 4 MB. Sizes count UTF-16 code units.
 * The last line is the result as JSON; --out gets it too, with a chart.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runBenchmark, say, writeResult } from '../lib/benchmark.mjs';
import { writeBarChart } from '../lib/chart.mjs';
import { describeMachine, machineLine } from '../lib/machine.mjs';
import { runMeasured } from '../lib/measured-process.mjs';
import { readOptions } from '../lib/options.mjs';
import { median, pairRatios, summarise } from '../lib/statistics.mjs';
import { TEXTS } from './texts.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const COMPARED = ['prose', 'code', 'Chinese'];
const GROWTH_UNITS = [1_000_000, 4_000_000];
const AIMS = { timesAsFast: 8, growth: 4.5 };

async function measure(request) {
  const { stdout } = await runMeasured(process.execPath, [here('encode.mjs'), JSON.stringify(request)]);
  return JSON.parse(stdout);
}

/** Both programs on each text, in turn; then what is faster, text by text and round by round. */
async function compare({ tokenizer, units, rounds }) {
  const compared = {};
  for (const kind of COMPARED) {
    const taken = { aipc: [], huggingFace: [] };
    for (let round = 0; round < rounds; round += 1) {
      const tools = round % 2 === 0 ? ['aipc', 'huggingFace'] : ['huggingFace', 'aipc'];
      const hashes = new Set();
      for (const tool of tools) {
        const { ms, sha256 } = await measure({ tool, tokenizer, kind, units });
        taken[tool].push(ms);
        hashes.add(sha256);
      }
      if (hashes.size !== 1) throw new Error(`The programs disagree on the ids of ${kind}.`);
      say(`${kind} ${round + 1}/${rounds}: ${taken.aipc.at(-1)} against ${taken.huggingFace.at(-1)} ms`);
    }
    compared[kind] = {
      ms: { aipc: summarise(taken.aipc), huggingFace: summarise(taken.huggingFace) },
      timesAsFast: pairRatios(taken.huggingFace, taken.aipc),
    };
  }
  return compared;
}

/** Time for 4 MB over time for 1 MB, kind by kind; the two sizes take turns. */
async function growth({ tokenizer, rounds }) {
  const grown = {};
  for (const kind of Object.keys(TEXTS)) {
    const taken = GROWTH_UNITS.map(() => []);
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, units] of GROWTH_UNITS.entries()) {
        taken[index].push((await measure({ tool: 'aipc', tokenizer, kind, units })).ms);
      }
    }
    const [small, large] = taken.map(summarise);
    grown[kind] = { ms: { '1 MB': small, '4 MB': large }, ratio: Number((large.median / small.median).toFixed(2)) };
    say(`${kind}: ${small.median} ms for 1 MB, ${large.median} for 4 MB, ${grown[kind].ratio} times`);
  }
  return grown;
}

async function draw(file, { machine, kilobytes, compared, grown }) {
  const least = Math.min(...Object.values(compared).map(({ timesAsFast }) => timesAsFast.median));
  const bar = (name, value) => ({ name, median: value, least: value, most: value, group: 'growth' });
  await writeBarChart(file, {
    title: 'Tokenizer: time to encode a text, aipc and @huggingface/tokenizers',
    subtitle: machineLine(machine),
    panels: [
      ...Object.entries(compared).map(([kind, { ms, timesAsFast }]) => ({
        name: `${kind}, ${kilobytes} kB: aipc ${timesAsFast.median.toFixed(0)} times as fast; shorter is better`,
        unit: 'ms',
        bars: [
          { name: 'aipc', ...ms.aipc },
          { name: '@huggingface/tokenizers', ...ms.huggingFace },
        ],
      })),
      {
        name: `time for 4 MB over time for 1 MB, aipc (aim: at most ${AIMS.growth}; least speed-up ${least.toFixed(0)})`,
        unit: 'times',
        digits: 2,
        bars: Object.entries(grown).map(([kind, { ratio }]) => bar(kind, ratio)),
      },
    ],
  });
}

await runBenchmark(async () => {
  const options = readOptions({
    tokenizer: here('../../models/demo/tokenizer.json'),
    kilobytes: 100,
    rounds: 5,
    out: path.join('docs', 'benchmarks'),
  });
  const { tokenizer, kilobytes, rounds } = options;
  const compared = await compare({ tokenizer, units: kilobytes * 1000, rounds });
  const grown = await growth({ tokenizer, rounds });
  const result = {
    benchmark: 'tokenizer',
    machine: describeMachine(),
    tokenizer: path.basename(tokenizer),
    kilobytes,
    rounds,
    aims: AIMS,
    leastTimesAsFast: Math.min(...Object.values(compared).map(({ timesAsFast }) => timesAsFast.median)),
    mostGrowth: Math.max(...Object.values(grown).map(({ ratio }) => ratio)),
    medianGrowth: median(Object.values(grown).map(({ ratio }) => ratio)),
    compared,
    grown,
  };
  await draw(await writeResult(options.out, 'tokenizer', result), result);
  return result;
});
