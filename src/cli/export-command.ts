/** `aipc export`, and `aipc export onnx`: weights to a folder that ONNX Runtime runs. */
import { Command, Option } from 'commander';
import { exportModel } from '../model/export-model.js';
import type { ExportSummary } from '../convert/onnx/export-onnx.js';
import { ACTIVATIONS, ONNX_TARGETS, type WeightOptions } from '../convert/recipe.js';
import { exportOpenvinoCommand } from './export-openvino-command.js';
import { parseInteger } from './parse.js';
import { ProgressLine } from './progress-line.js';

interface ExportOnnxFlags {
  model: string;
  weightFormat: NonNullable<WeightOptions['weightFormat']>;
  target: NonNullable<WeightOptions['target']>;
  activations?: NonNullable<WeightOptions['activations']>;
  // The exporter checks which numbers are allowed.
  blockSize?: NonNullable<WeightOptions['blockSize']>;
  asym?: true;
  accuracyLevel?: NonNullable<WeightOptions['accuracyLevel']>;
  workers?: number;
  revision?: string;
  offline?: true;
  json?: true;
}

export function exportCommand(signal: AbortSignal): Command {
  const onnx = new Command('onnx')
    .description("to ONNX, laid out as onnxruntime-genai's model builder does, for ONNX Runtime")
    .argument('<output-folder>', 'a folder that does not exist yet')
    .requiredOption('--model <model>', 'a known model, a Hugging Face id, a folder of its weights or a .gguf file')
    .addOption(
      new Option('--weight-format <format>', 'precision of the weights')
        .choices(['int4', 'int8', 'fp16', 'fp32'])
        .default('int4'),
    )
    .addOption(
      new Option('--target <target>', 'the provider that will run it: its node forms and types')
        .choices(ONNX_TARGETS)
        .default('cpu'),
    )
    .addOption(
      new Option(
        '--activations <type>',
        'fp32 where a WebGPU device has no f16 (default: cpu fp32, others fp16)',
      ).choices(ACTIVATIONS),
    )
    .option('--block-size <n>', 'int4, int8: weights per scale, 16, 32, 64, 128 or 256 (default: 32)', parseInteger)
    .option('--asym', 'int4, int8: with zero points (default: symmetric)')
    .option(
      '--accuracy-level <n>',
      'int4, int8: 0 computes in the type of activations, 4 in int8 (default: cpu, webgpu 4, others 0)',
      parseInteger,
    )
    .option('--workers <n>', 'threads that quantise (default: one a core)', parseInteger)
    .option('--revision <revision>', 'of a model on the hub: a branch, tag or commit')
    .option('--offline', 'download nothing')
    .option('--json', 'print the summary as JSON')
    .action((outputFolder: string, flags: ExportOnnxFlags) => exportOnnxFolder(outputFolder, flags, signal));
  return new Command('export')
    .description('convert weights to a folder that a runtime runs')
    .addCommand(onnx)
    .addCommand(exportOpenvinoCommand(signal));
}

async function exportOnnxFolder(outputFolder: string, flags: ExportOnnxFlags, signal: AbortSignal): Promise<void> {
  const progress = new ProgressLine();
  try {
    const summary = await exportModel(flags.model, outputFolder, {
      weightFormat: flags.weightFormat,
      target: flags.target,
      ...(flags.activations === undefined ? {} : { activations: flags.activations }),
      ...(flags.blockSize === undefined ? {} : { blockSize: flags.blockSize }),
      ...(flags.asym === undefined ? {} : { symmetric: false }),
      ...(flags.accuracyLevel === undefined ? {} : { accuracyLevel: flags.accuracyLevel }),
      ...(flags.workers === undefined ? {} : { workers: flags.workers }),
      ...(flags.revision === undefined ? {} : { revision: flags.revision }),
      download: flags.offline === true ? 'never' : 'if-missing',
      onProgress: progress.update,
      signal,
    });
    progress.end();
    process.stdout.write(flags.json === true ? `${JSON.stringify(summary, null, 2)}\n` : describeSummary(summary));
  } finally {
    progress.end();
  }
}

function describeSummary({ folder, files, totalBytes, durationMs }: ExportSummary): string {
  const names = files.map(({ name }) => name).join(', ');
  return `${folder}: ${(totalBytes / 1e6).toFixed(1)} MB in ${(durationMs / 1000).toFixed(1)} s (${names})\n`;
}
