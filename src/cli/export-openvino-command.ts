/**
 * `aipc export openvino`: optimum-cli's command of the same name, with its flags and defaults
 * (optimum-intel 2.2, commands/export/openvino.py).
 */
import { Command, Option } from 'commander';
import {
  APPLICABLE_OPTIONS,
  GROUP_SIZE_FALLBACKS,
  type GroupSizeFallback,
  type OpenvinoWeightOptions,
} from '../convert/openvino/recipe.js';
import type { WeightFormat } from '../convert/recipe.js';
import { exportOpenvinoModel, type ExportedOpenvinoModel } from '../model/export-openvino-model.js';
import { CliUsageError } from './exit.js';
import { parseDecimal, parseInteger } from './parse.js';
import { ProgressLine } from './progress-line.js';
import { formatDevices } from './show-command.js';

interface ExportOpenvinoFlags {
  model: string;
  task: string;
  weightFormat?: WeightFormat;
  groupSize?: number;
  ratio?: number;
  sym?: true;
  allLayers?: true;
  groupSizeFallback?: GroupSizeFallback;
  trustRemoteCode?: true;
  workers?: number;
  force?: true;
  revision?: string;
  offline?: true;
  json?: true;
}

/** 'auto' is optimum-cli's default; for the models that aipc exports it comes to the same. */
const TASKS = ['auto', 'text-generation-with-past'];

/** optimum-cli's flags that aipc has no counterpart for, and why. */
const REFUSED_FLAGS: Readonly<Record<string, string>> = {
  '--dataset':
    'compression with calibration data is not implemented; aipc rounds to nearest, as NNCF does without data',
  '--awq': 'AWQ is not implemented; aipc rounds to nearest, as NNCF does by default',
  '--scale-estimation': 'scale estimation needs calibration data, which aipc does not use',
  '--gptq': 'GPTQ needs calibration data, which aipc does not use',
  '--lora-correction': 'LoRA correction needs calibration data, which aipc does not use',
  '--sensitivity-metric': 'the metrics other than weight_quantization_error, the default, need calibration data',
  '--backup-precision': 'what does not become int4 becomes int8_asym, the default',
  '--quant-mode': 'activations are quantised by the runtime, not by the export',
  '--disable-stateful': 'the KV cache is part of the model: aipc and openvino-genai need it there',
};

export function exportOpenvinoCommand(signal: AbortSignal): Command {
  const command = new Command('openvino')
    .description("to OpenVINO IR, with optimum-cli's flags and defaults, for Intel CPUs, GPUs and NPUs")
    .argument('<output-folder>', 'a folder that does not exist yet')
    .requiredOption('-m, --model <model>', 'a known model, a Hugging Face id, a folder of its weights or a .gguf file')
    .option('--task <task>', 'text-generation-with-past is the only one', 'auto')
    .addOption(
      new Option(
        '--weight-format <format>',
        'precision of the weights (default: int8 from a billion parameters on, else as stored)',
      ).choices(['fp32', 'fp16', 'int8', 'int4']),
    )
    .option('--group-size <n>', 'int4: weights per scale, -1 for one scale a row (default: 128)', parseInteger)
    .option(
      '--ratio <share>',
      'int4: share of the weights that becomes int4, the rest int8 (default: 1.0)',
      parseDecimal,
    )
    .option('--sym', 'int4, int8: without zero points (default: with)')
    .option('--all-layers', 'int4: the embedding and the last layer too (default: int8)')
    .addOption(
      new Option(
        '--group-size-fallback <what>',
        'int4: where the group size does not divide a layer (default: error)',
      ).choices(GROUP_SIZE_FALLBACKS),
    )
    .option('--trust-remote-code', "accepted and never needed: aipc runs no code of a model's")
    .option('--workers <n>', 'threads that quantise (default: one a core)', parseInteger)
    .option('--force', 'replace an exported model that is already there')
    .option('--revision <revision>', 'of a model on the hub: a branch, tag or commit')
    .option('--offline', 'download nothing')
    .option('--json', 'print the summary as JSON')
    .action((outputFolder: string, flags: ExportOpenvinoFlags) => exportOpenvinoFolder(outputFolder, flags, signal));
  for (const [flag, reason] of Object.entries(REFUSED_FLAGS)) {
    command.addOption(
      new Option(`${flag} [value]`).hideHelp().argParser(() => {
        throw new CliUsageError(`${flag} is optimum-cli's, not aipc's: ${reason}. Leave it out.`);
      }),
    );
  }
  return command;
}

async function exportOpenvinoFolder(
  outputFolder: string,
  flags: ExportOpenvinoFlags,
  signal: AbortSignal,
): Promise<void> {
  if (!TASKS.includes(flags.task)) {
    throw new CliUsageError(
      `--task ${flags.task}: aipc exports language models with a KV cache alone. Use text-generation-with-past.`,
    );
  }
  if (flags.trustRemoteCode === true) note("--trust-remote-code is never needed: aipc runs no code of a model's.");
  const weights = weightOptions(flags);
  const progress = new ProgressLine();
  try {
    const summary = await exportOpenvinoModel(flags.model, outputFolder, {
      ...weights,
      ...(flags.workers === undefined ? {} : { workers: flags.workers }),
      ...(flags.force === undefined ? {} : { force: true }),
      ...(flags.revision === undefined ? {} : { revision: flags.revision }),
      download: flags.offline === true ? 'never' : 'if-missing',
      onProgress: progress.update,
      onNotice: note,
      signal,
    });
    progress.end();
    process.stdout.write(flags.json === true ? `${JSON.stringify(summary, null, 2)}\n` : describeSummary(summary));
  } finally {
    progress.end();
  }
}

/** What optimum-cli ignores, aipc ignores too, but says so. */
function weightOptions(flags: ExportOpenvinoFlags): OpenvinoWeightOptions {
  const given = {
    groupSize: { flag: '--group-size', value: flags.groupSize },
    ratio: { flag: '--ratio', value: flags.ratio },
    symmetric: { flag: '--sym', value: flags.sym },
    allLayers: { flag: '--all-layers', value: flags.allLayers },
    groupSizeFallback: { flag: '--group-size-fallback', value: flags.groupSizeFallback },
  };
  const options = Object.entries(given).filter(([, { value }]) => value !== undefined);
  const { weightFormat } = flags;
  if (weightFormat === undefined) {
    if (options.length === 0) return {};
    const names = options.map(([, { flag }]) => flag).join(', ');
    throw new CliUsageError(`${names} without --weight-format. Add --weight-format int4, say.`);
  }
  const applies = (option: string): boolean => (APPLICABLE_OPTIONS[weightFormat] as readonly string[]).includes(option);
  for (const [option, { flag }] of options) {
    if (!applies(option)) note(`${flag} means nothing for ${weightFormat} and is ignored, as by optimum-cli.`);
  }
  return {
    weightFormat,
    ...Object.fromEntries(options.filter(([option]) => applies(option)).map(([option, { value }]) => [option, value])),
  };
}

function note(text: string): void {
  process.stderr.write(`aipc: ${text}\n`);
}

function describeSummary(summary: ExportedOpenvinoModel): string {
  const { folder, totalBytes, durationMs, shares, recipe, devices } = summary;
  const { int4, int8, float } = shares;
  const parts = { int4, int8, [recipe.weightFormat.startsWith('fp') ? recipe.weightFormat : 'uncompressed']: float };
  const stored = Object.entries(parts)
    .filter(([, share]) => share > 0)
    .map(([format, share]) => `${Math.round(share * 100)} % ${format}`);
  const size = `${(totalBytes / 1e6).toFixed(1)} MB in ${(durationMs / 1000).toFixed(1)} s`;
  return `${[`${folder}: ${size} (weights: ${stored.join(', ')})`, ...formatDevices(devices)].join('\n')}\n`;
}
