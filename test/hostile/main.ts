/**
 * npm run test:hostile: valid models, then hostile ones made of them, used as a user would. Prints each failure with the
 * line that repeats it, and a summary in JSON as the last line; exits with 1 where anything failed.
 *
 *   --count N (10,000; of the targets constants, nodes and layers: the whole sweep)   --seed N (1)   --target NAME
 *   --case NAME: that one alone, its files kept
 */
import { cp, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  caseNames,
  layersTotal,
  makeCase,
  nodesTotal,
  parseCaseName,
  sweepTotal,
  TARGETS,
  type Target,
  type Use,
} from './cases.js';
import { HostileRunner, validCase, type Verdict } from './pool.js';
import { GGUF_FILE, loadSeeds, type SeedModel, type Seeds } from './seeds.js';

const DEFAULT_COUNT = '10000';
const DEFAULT_SEED = '1';

const { values } = parseArgs({
  options: {
    count: { type: 'string' },
    seed: { type: 'string', default: DEFAULT_SEED },
    target: { type: 'string' },
    case: { type: 'string' },
  },
});

const seeds = await loadSeeds();
await using runner = await HostileRunner.create();
const started = performance.now();
if (values.case === undefined) await checkSeeds(seeds);
const names =
  values.case === undefined
    ? caseNames(
        Number(values.seed),
        Number(values.count ?? wholeSweep(values.target) ?? DEFAULT_COUNT),
        values.target === undefined ? undefined : parseTarget(values.target),
      )
    : [values.case];
console.log(`${names.length} hostile cases, seed ${values.seed}`);
const verdicts: Verdict[] = [];
for (const id of names) {
  const verdict = await runner.run(makeCase(seeds, id), Number(id.split(':')[2]));
  verdicts.push(verdict);
  if (verdict.failure !== undefined) printFailure(verdict);
}
if (values.case !== undefined) await showCase(verdicts);
summarise(verdicts);

/** Unchanged models must work in every way: refusals of hostile ones would prove nothing otherwise. */
async function checkSeeds({ single, sharded, gguf, onnx, plain, openvino }: Seeds): Promise<void> {
  const check = async (models: readonly SeedModel[], uses: readonly Use[], file?: string): Promise<void> => {
    for (const { name, files } of models) {
      // Twice: the first use of a runtime loads it.
      for (const number of [0, 4]) {
        const { outcomes, failure } = await runner.run(validCase(name, uses, files, file), number);
        if (number === 4 && (failure !== undefined || outcomes.some((outcome) => outcome !== 'ok'))) {
          throw new Error(`The unchanged ${name} fails: ${failure ?? outcomes.join(', ')}`);
        }
      }
    }
  };
  await check([...single, ...sharded], ['weights', 'tokenizer', 'template']);
  await check(gguf, ['weights', 'tokenizer'], GGUF_FILE);
  await check([...onnx, ...plain], ['onnx']);
  if (values.target === 'nodes') await check(seeds.swept, ['onnx']);
  await check(openvino, ['openvino', 'tokenizer', 'template']);
}

function wholeSweep(target: string | undefined): number | undefined {
  const totals = { constants: sweepTotal, nodes: nodesTotal, layers: layersTotal };
  return target !== undefined && target in totals ? totals[target as keyof typeof totals](seeds) : undefined;
}

function parseTarget(name: string): Target {
  return parseCaseName(`${name}:0:0`);
}

function printFailure({ id, what, failure, outcomes }: Verdict): void {
  console.log(
    `FAILED ${id}: ${failure ?? ''}\n  ${what}\n  outcomes: ${outcomes.join(', ')}\n  again: npm run test:hostile -- --case ${id}`,
  );
}

async function showCase(found: readonly Verdict[]): Promise<void> {
  const kept = await mkdtemp(path.join(tmpdir(), 'aipc-hostile-case-'));
  await cp(runner.caseFolder, kept, { recursive: true, verbatimSymlinks: true });
  for (const verdict of found) console.log(verdict);
  console.log(`The files are in ${kept}`);
}

function summarise(all: readonly Verdict[]): void {
  const targets = Object.fromEntries(
    (Object.keys(TARGETS) as Target[]).map((target) => {
      const of = all.filter((verdict) => verdict.target === target);
      const outcomes: Record<string, number> = {};
      for (const outcome of of.flatMap((verdict) => verdict.outcomes)) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      return [target, { cases: of.length, outcomes, ...largest(of) }];
    }),
  );
  const failures = all
    .filter(({ failure }) => failure !== undefined)
    .map(({ id, failure }) => ({ id, failure: failure?.split('\n')[0] }));
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(
    JSON.stringify({
      seed: Number(values.seed),
      cases: all.length,
      failed: failures.length,
      seconds,
      targets,
      failures,
    }),
  );
  process.exitCode = failures.length === 0 ? 0 : 1;
}

function largest(verdicts: readonly Verdict[]): { cpuSeconds: number; maxCpuMs: number; maxMiBAboveStart: number } {
  return {
    cpuSeconds: Math.round(verdicts.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / 1000),
    maxCpuMs: Math.round(Math.max(0, ...verdicts.map(({ cpuMs }) => cpuMs))),
    maxMiBAboveStart: Math.round(
      Math.max(0, ...verdicts.map(({ peakAboveStartBytes }) => peakAboveStartBytes)) / 2 ** 20,
    ),
  };
}
