/** `aipc bench`: how fast a model is on the devices of this machine, as a table, JSON and charts; saved results compared. */
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { benchModel } from '../bench/bench.js';
import type { BenchOptions } from '../bench/bench-options.js';
import { drawChart } from '../bench/chart.js';
import { compareReports } from '../bench/compare.js';
import { joinReports } from '../bench/join-reports.js';
import { readReport } from '../bench/parse-report.js';
import { renderPng } from '../bench/png.js';
import { labelOf, type BenchReport } from '../bench/report.js';
import { WEIGHT_FORMATS, type WeightFormat } from '../convert/recipe.js';
import { replaceFile } from '../file-system.js';
import { formatComparison, formatReport } from './bench-view.js';
import { CliUsageError, exitCodes } from './exit.js';
import { addLoadingOptions, readLoadingOptions, type LoadingFlags } from './loading-options.js';
import { collect, parseInteger } from './parse.js';
import { ProgressLine } from './progress-line.js';

interface BenchFlags extends LoadingFlags {
  readonly device: readonly string[];
  readonly provider?: readonly string[];
  readonly weightFormat?: readonly WeightFormat[];
  readonly promptTokens: readonly number[];
  readonly newTokens: number;
  readonly repeats: number;
  readonly warmUps: number;
  readonly coldStarts: number;
  readonly chart?: readonly string[];
  readonly output?: string;
  readonly json?: true;
  readonly compare?: true;
  readonly saved?: true;
}

export function benchCommand(signal: AbortSignal): Command {
  const command = new Command('bench')
    .description('how fast a model is on the devices of this machine: table, JSON, charts; or compare saved results')
    .argument('<model...>', 'what to measure; with --compare and --saved: files that --output or --json wrote')
    .option('--device <list>', 'cpu,gpu.0,npu; a provider after a colon: cpu:openvino', parseList, ['auto'])
    .option(
      '--provider <list>',
      'for devices that name none: auto, cpu, openvino, dml, webgpu, cuda, an --ep-library',
      parseList,
    )
    .option('--weight-format <list>', `where aipc converts: ${WEIGHT_FORMATS.join(',')}`, parseFormats)
    .option('--prompt-tokens <list>', 'lengths of the prompts', parseCounts, [32, 1024])
    .option('--new-tokens <n>', 'tokens of each answer', parseInteger, 128)
    .option('--repeats <n>', 'answers that are measured', parseInteger, 5)
    .option('--warm-ups <n>', 'answers before them', parseInteger, 1)
    .option('--cold-starts <n>', 'fresh processes whose load and first token are measured', parseInteger, 1);
  return addLoadingOptions(command)
    .option('--chart <file>', 'draw it as FILE.svg or FILE.png (repeatable)', collect)
    .option('--output <file>', 'write the JSON to a file, too')
    .option('--json', 'print one JSON object')
    .addOption(
      new Option('--compare', 'compare two saved results: aipc bench --compare A.json B.json').conflicts('saved'),
    )
    .option('--saved', 'show saved results of this or another machine again, together: tables, charts')
    .addHelpText(
      'after',
      '\nEach cell runs in processes of its own. Emulated devices are called so: their speed means nothing.',
    )
    .action((models: readonly string[], flags: BenchFlags) =>
      flags.compare === true ? compare(models, flags) : bench(models, flags, signal),
    );
}

function parseList(text: string): readonly string[] {
  const items = text.split(',').map((item) => item.trim());
  if (items.includes('')) throw new InvalidArgumentError('expected names, with commas between them.');
  return items;
}

function parseCounts(text: string): readonly number[] {
  return parseList(text).map(parseInteger);
}

function parseFormats(text: string): readonly WeightFormat[] {
  return parseList(text).map((name) => {
    const format = WEIGHT_FORMATS.find((known) => known === name.toLowerCase());
    if (format === undefined) throw new InvalidArgumentError(`allowed are ${WEIGHT_FORMATS.join(', ')}.`);
    return format;
  });
}

async function bench(models: readonly string[], flags: BenchFlags, signal: AbortSignal): Promise<void> {
  const charts = (flags.chart ?? []).map((file) => ({ file, kind: chartKind(file) })); // before hours of measuring
  const report =
    flags.saved === true
      ? joinReports(await Promise.all(models.map(readReport)))
      : await measure(models, flags, signal);
  const json = `${JSON.stringify(report)}\n`;
  if (flags.output !== undefined) await replaceFile(flags.output, json);
  for (const { file, kind } of charts) await writeChart(file, kind, report);
  process.stdout.write(flags.json === true ? json : formatReport(report));
  if (report.cells.some(({ status }) => status === 'failed')) process.exitCode = exitCodes.failure;
}

async function measure(models: readonly string[], flags: BenchFlags, signal: AbortSignal): Promise<BenchReport> {
  const [reference, ...others] = models;
  if (reference === undefined || others.length > 0) throw new CliUsageError('bench measures one model at a time.');
  const progress = new ProgressLine();
  return await benchModel(reference, {
    ...benchOptions(flags),
    onProgress: progress.update,
    onWarning: (message) => process.stderr.write(`aipc: ${message}\n`),
    onCell: (cell, { index, count }, done) => {
      progress.end();
      const what = labelOf({ ...cell, status: 'failed', error: { code: '', message: '' } });
      const state = done === 0 ? 'getting ready' : `${done} of ${flags.repeats}`;
      process.stderr.write(`cell ${index + 1} of ${count}: ${what}, ${cell.promptTokens} tokens: ${state}\n`);
    },
    signal,
  }).finally(() => progress.end());
}

function benchOptions(flags: BenchFlags): BenchOptions {
  const { device, provider, weightFormat } = flags;
  const { promptTokens, newTokens, repeats, warmUps, coldStarts } = flags;
  return {
    ...{ devices: device, promptTokens, newTokens, repeats, warmUps, coldStarts },
    ...(provider === undefined ? {} : { providers: provider }),
    ...(weightFormat === undefined ? {} : { weightFormats: weightFormat }),
    ...readLoadingOptions(flags),
  };
}

function chartKind(file: string): 'svg' | 'png' {
  const extension = path.extname(file).toLowerCase();
  if (extension === '.svg') return 'svg';
  if (extension === '.png') return 'png';
  throw new CliUsageError(`--chart writes .svg or .png; '${file}' is neither.`);
}

async function writeChart(file: string, kind: 'svg' | 'png', report: BenchReport): Promise<void> {
  if (!report.cells.some(({ status }) => status === 'measured')) {
    process.stderr.write(`nothing was measured: ${file} is not written\n`);
    return;
  }
  const svg = await drawChart(report);
  await replaceFile(file, kind === 'svg' ? svg : await renderPng(svg));
}

async function compare(files: readonly string[], flags: BenchFlags): Promise<void> {
  const [before, after, ...others] = files;
  if (before === undefined || after === undefined || others.length > 0) {
    throw new CliUsageError('--compare takes two files.');
  }
  const comparison = compareReports(await readReport(before), await readReport(after));
  process.stdout.write(
    flags.json === true ? `${JSON.stringify({ schemaVersion: 1, ...comparison })}\n` : formatComparison(comparison),
  );
  if (comparison.cells.length === 0) process.exitCode = exitCodes.failure;
}
