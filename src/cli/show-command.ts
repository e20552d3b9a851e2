/** `aipc show`: what a model is and which devices it suits. */
import { Command } from 'commander';
import { describeModel, type DeviceSuits, type ModelDescription } from '../model/describe-model.js';

export function showCommand(signal: AbortSignal): Command {
  return new Command('show')
    .description('what a model is, how its weights are stored, which devices it suits')
    .argument('<model>', 'a known model, a folder or a .gguf file')
    .option('--json', 'print one JSON object')
    .action(async (reference: string, { json }: { json?: true }) => {
      const description = await describeModel(reference, { signal });
      process.stdout.write(json === true ? `${JSON.stringify(description)}\n` : formatDescription(description));
    });
}

const KINDS = { weights: 'weights, converted when loaded', onnx: 'ONNX folder', openvino: 'OpenVINO folder' } as const;

function formatDescription(model: ModelDescription): string {
  const { id, kind, path, sizeBytes, layers, vocabularySize, contextTokens, weights, devices } = model;
  const lines = [
    `${id}: ${KINDS[kind]}, ${(sizeBytes / 1e6).toFixed(1)} MB, in ${path}`,
    `${layers} layers, vocabulary of ${vocabularySize}, context of ${contextTokens} tokens`,
    ...(weights.length > 0 ? [`weights: ${weights.join('; ')}`] : []),
    ...formatDevices(devices),
  ];
  return `${lines.join('\n')}\n`;
}

/** One line for each device: `NPU: no, needs --ratio 1.0 (41 % of its layers' weights are int8)`. */
export function formatDevices(devices: readonly DeviceSuits[]): readonly string[] {
  return devices.map(({ device, suits, needs, reasons, notes }) => {
    const name = device.toUpperCase();
    if (!suits) return `${name}: no, needs ${needs.join(' ')} (${reasons.join('; ')})`;
    return notes.length === 0 ? `${name}: yes` : `${name}: yes. ${notes.join(' ')}`;
  });
}
