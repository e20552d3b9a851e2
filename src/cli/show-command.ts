/** `aipc show`: what a model is, where it comes from and which devices it suits. */
import { Command } from 'commander';
import {
  describeCatalogueEntry,
  describeModel,
  type CatalogueDescription,
  type ModelDescription,
} from '../model/describe-model.js';
import type { DeviceSuits } from '../model/device-suits.js';
import { AipcError } from '../errors.js';
import { formatSize, formatTable } from './sizes.js';

interface ShowFlags {
  revision?: string;
  offline?: true;
  json?: true;
}

export function showCommand(signal: AbortSignal): Command {
  return new Command('show')
    .description('what a model is, where it comes from, how its weights are stored, which devices it suits')
    .argument('<model>', 'a known model, a Hugging Face id (OWNER/NAME), a folder or a .gguf file')
    .option('--revision <revision>', 'of a model on the hub: a branch, tag or commit')
    .option('--offline', 'ask nobody: only what is on this machine')
    .option('--json', 'print one JSON object')
    .action((reference: string, flags: ShowFlags) => show(reference, flags, signal));
}

async function show(reference: string, flags: ShowFlags, signal: AbortSignal): Promise<void> {
  const known = describeCatalogueEntry(reference);
  const model = await describeHere(reference, flags, known !== undefined, signal);
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify({ ...model, ...(known === undefined ? {} : { catalogue: known }) })}\n`);
    return;
  }
  if (known !== undefined) process.stdout.write(formatEntry(known));
  if (model !== undefined) process.stdout.write(formatDescription(model));
  else process.stdout.write('Nothing of it is on this machine.\n');
}

/** A name of the catalogue is described without its files, too, and no hub is asked for them. */
async function describeHere(
  reference: string,
  { revision, offline }: ShowFlags,
  isKnown: boolean,
  signal: AbortSignal,
): Promise<ModelDescription | undefined> {
  try {
    return await describeModel(reference, {
      ...(revision === undefined ? {} : { revision }),
      download: offline === true || isKnown ? 'never' : 'if-missing',
      signal,
    });
  } catch (error) {
    const isAbsent =
      error instanceof AipcError && ['MODEL_NOT_FOUND', 'MODEL_FEATURE_UNSUPPORTED'].includes(error.code);
    if (isKnown && isAbsent) return undefined;
    throw error;
  }
}

function formatEntry(entry: CatalogueDescription): string {
  const { name, aliases, description, license, parameters, contextTokens, choices, sources } = entry;
  const title = [name, ...aliases].join(', ');
  const weights = `${(parameters / 1e6).toLocaleString('en', { maximumFractionDigits: 1 })} million weights`;
  const ways = choices.map(({ device, reason, downloadBytes, convertedBytes, memoryBytes }) => {
    if (reason === null) return `${device.toUpperCase()}: not in this version of aipc`;
    const sizes = [
      downloadBytes === null ? 'the hub says how much is to download' : `download ${formatSize(downloadBytes)}`,
      ...(convertedBytes === null ? [] : [`converted about ${formatSize(convertedBytes)}`]),
      ...(memoryBytes === null ? [] : [`memory to load it about ${formatSize(memoryBytes)}`]),
    ];
    return `${device.toUpperCase()}: ${reason}; ${sizes.join(', ')}`;
  });
  const rows = sources.map(({ origin, format, weightFormat, devices, downloadBytes, lacks }) => [
    `  ${origin}`,
    `${format} ${weightFormat}`,
    formatSize(downloadBytes),
    devices.join(' '),
    lacks.length === 0 ? '' : `not in this version: ${lacks.join('; ')}`,
  ]);
  const lines = [`${title}: ${description} (${license})`, `${weights}, context of ${contextTokens} tokens`, ...ways];
  return `${lines.join('\n')}\nsources:\n${formatTable(rows)}`;
}

const KINDS = { weights: 'weights, converted when loaded', onnx: 'ONNX folder', openvino: 'OpenVINO folder' } as const;

function formatDescription(model: ModelDescription): string {
  const { id, kind, path, sizeBytes, layers, vocabularySize, contextTokens, weights, graph = [], devices } = model;
  const place = path === null ? 'not on this machine' : `in ${path}`;
  const shape = [
    ...(layers === null ? [] : [`${layers} layers`]),
    ...(vocabularySize === null ? [] : [`vocabulary of ${vocabularySize}`]),
    ...(contextTokens === null ? [] : [`context of ${contextTokens} tokens`]),
  ];
  const lines = [
    `${id}: ${KINDS[kind]}, ${sizeBytes === null ? 'size not known' : `${(sizeBytes / 1e6).toFixed(1)} MB`}, ${place}`,
    ...(shape.length > 0 ? [shape.join(', ')] : []),
    ...(weights.length > 0 ? [`weights: ${weights.join('; ')}`] : []),
    ...(graph.length > 0 ? [`graph: ${graph.join('; ')}`] : []),
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
