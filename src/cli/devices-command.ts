/** `aipc devices`: what this machine has, which providers serve it, which to use for a model and why. */
import { Command, Option } from 'commander';
import { isKnown, type Accelerator, type CpuDevice, type Fact, type Machine } from '../devices/device.js';
import type { OfferedDevice, ProviderStatus } from '../devices/provider.js';
import type { Recommendations } from '../devices/recommend.js';
import { PREFERENCES, type Preference } from '../devices/recommendation-rules.js';
import { recommendDevices } from '../model/choose-device.js';
import { epLibraryOption } from './loading-options.js';
import { parseInteger } from './parse.js';
import { formatSize, formatTable } from './sizes.js';

interface DevicesFlags {
  model: string;
  promptTokens?: number;
  prefer?: Preference;
  epLibrary?: Readonly<Record<string, string>>;
  weightFormat?: 'int4' | 'int8' | 'fp16' | 'fp32';
  json?: true;
}

/** Bumped when a field of --json changes its meaning. */
const JSON_SCHEMA_VERSION = 1;

export function devicesCommand(signal: AbortSignal): Command {
  return new Command('devices')
    .description('what this machine has, which providers serve it, which to use for a model and why')
    .option('--model <model>', 'the model to recommend a device for', 'phi-3-mini')
    .option('--prompt-tokens <n>', 'how long the prompts will be', parseInteger)
    .addOption(new Option('--prefer <what>', 'what to go by (default: balanced)').choices(PREFERENCES))
    .addOption(new Option('--weight-format <format>', 'of the weights').choices(['int4', 'int8', 'fp16', 'fp32']))
    .addOption(epLibraryOption())
    .option('--json', 'print one JSON object')
    .action(async ({ model, promptTokens, prefer, weightFormat, epLibrary, json }: DevicesFlags) => {
      const { machine, providers, recommendations } = await recommendDevices(model, {
        ...(promptTokens === undefined ? {} : { promptTokens }),
        ...(prefer === undefined ? {} : { prefer }),
        ...(weightFormat === undefined ? {} : { weightFormat }),
        ...(epLibrary === undefined ? {} : { epLibraries: epLibrary }),
        signal,
      });
      const answer = { schemaVersion: JSON_SCHEMA_VERSION, machine, providers, model, recommendations };
      process.stdout.write(
        json === true
          ? `${JSON.stringify(answer)}\n`
          : `${formatMachine(machine)}\n${formatProviders(providers)}\n${formatPlugins(providers)}${formatRecommendations(model, recommendations)}`,
      );
    });
}

function formatMachine(machine: Machine): string {
  const { system, arch, cpu, memory, accelerators, notAvailable } = machine;
  const rows = [
    ['DEVICE', 'NAME', 'GENERATION', 'DRIVER', 'MEMORY'],
    ['cpu', cpu.name, '', '', `${formatSize(memory.totalBytes)}, ${formatSize(memory.availableBytes)} available`],
    ...accelerators.map((device) => [
      device.id,
      device.name,
      device.generation ?? 'not known',
      formatDriver(device),
      formatFact(device.dedicatedMemoryBytes, formatSize),
    ]),
  ];
  const details = [
    `cpu: ${formatCores(cpu)}; ${formatFact(cpu.instructionSets, (sets) => (sets.length === 0 ? 'none of the instruction sets that matter' : sets.join(', ')))}`,
    ...accelerators.flatMap(({ id, problems }) => problems.map((problem) => `${id}: ${problem}`)),
    ...(accelerators.length === 0 ? ['no GPU and no NPU'] : []),
    ...notAvailable,
  ];
  return `${system}, ${arch}\n${formatTable(rows)}${details.join('\n')}\n`;
}

function formatDriver({ driver }: Accelerator): string {
  const { name, version, oldest, isTooOld } = driver;
  if (!isKnown(name)) return formatFact(name, String);
  const judged = oldest === null ? '' : isTooOld === true ? `, TOO OLD (${oldest} or newer)` : ` (oldest: ${oldest})`;
  return `${name} ${formatFact(version, String)}${judged}`;
}

function formatCores({ physicalCores, cores, logicalProcessors }: CpuDevice): string {
  const threads = `${logicalProcessors} logical processors`;
  if (!isKnown(cores)) {
    const count = formatFact(physicalCores, (number) => `${number} cores`);
    return `${count}, ${threads}, kinds of cores: ${formatFact(cores, String)}`;
  }
  const kinds = [
    [cores.performance, 'P'],
    [cores.efficiency, 'E'],
    [cores.lowPower, 'LP-E'],
  ] as const;
  const words = kinds.filter(([count]) => count > 0).map(([count, kind]) => `${count} ${kind}`);
  const total = cores.performance + cores.efficiency + cores.lowPower;
  return `${total} cores${words.length > 1 ? ` (${words.join(', ')})` : ''}, ${threads}`;
}

function formatFact<T>(fact: Fact<T>, format: (value: T) => string): string {
  return isKnown(fact) ? format(fact) : `not available (${fact.notAvailable})`;
}

function formatProviders(providers: readonly ProviderStatus[]): string {
  const rows = providers.map(({ provider, runtime, drives, problem }) => [
    provider,
    runtime ?? '-',
    drives.map(({ deviceId, providerDevice }) => `${deviceId} (as ${providerDevice})`).join(', ') || 'nothing',
    problem ?? '',
  ]);
  return formatTable([['PROVIDER', 'RUNTIME', 'DRIVES', ''], ...rows]);
}

/** What each plug-in offers, and how to choose it. */
function formatPlugins(providers: readonly ProviderStatus[]): string {
  return providers
    .filter(({ offers }) => offers !== undefined)
    .map(({ provider, libraryFile, offers = [], problem }) => {
      const lines = offers.flatMap((offer) => [
        `  ${offer.deviceId}: ${offer.kind.toUpperCase()} of ${offer.epName} (${offer.epVendor})${offer.isSoftware ? ', computed by the CPU in software' : ''}`,
        `    choose it: --ep-library ${provider}=${libraryFile ?? ''} --provider ${provider} --device ${offer.deviceId}`,
        `    hardware: ${formatHardware(offer.hardware)}`,
        `    provider: ${formatPairs(offer.epMetadata)}`,
      ]);
      return `plug-in ${provider}: ${problem ?? `offers ${offers.length}`}\n${lines.map((line) => `${line}\n`).join('')}\n`;
    })
    .join('');
}

function formatHardware({ vendor, vendorId, deviceId, metadata }: OfferedDevice['hardware']): string {
  const hex = (id: number): string => id.toString(16).padStart(4, '0');
  const ids = vendorId === 0 ? [] : [`vendor ${hex(vendorId)}, device ${hex(deviceId)}`];
  return [...(vendor === '' ? [] : [vendor]), ...ids, formatPairs(metadata)].join(', ');
}

function formatPairs(pairs: Readonly<Record<string, string>>): string {
  const words = Object.entries(pairs).map(([key, value]) => `${key}=${value}`);
  return words.length === 0 ? 'nothing more' : words.join(', ');
}

function formatRecommendations(model: string, { ranked, rejected, prefer }: Recommendations): string {
  const lines = [
    `for ${model} (${prefer}):`,
    ...ranked.map(
      ({ deviceId, provider, reason }, index) => `  ${index + 1}. ${deviceId}, provider ${provider}: ${reason}`,
    ),
    ...rejected.map(
      ({ deviceId, provider, reason }) =>
        `  not ${deviceId}${provider === null ? '' : `, provider ${provider}`}: ${reason}`,
    ),
    ...(ranked.length === 0 ? ['  nothing here runs it'] : []),
  ];
  return `${lines.join('\n')}\n`;
}
