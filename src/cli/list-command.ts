/** `aipc list`: the models that have names, and what is on this machine. */
import { Command } from 'commander';
import { listLocalModels, type LocalModel } from '../inventory/local-models.js';
import { describeCatalogueEntry, type CatalogueDescription } from '../model/describe-model.js';
import { catalogue } from '../models/catalogue.js';
import { formatSize, formatTable } from './sizes.js';

/** Bumped when a field of --json changes its meaning. */
const JSON_SCHEMA_VERSION = 1;

export function listCommand(): Command {
  return new Command('list')
    .description('the models that have names, and what is on this machine: sizes, formats, devices')
    .option('--json', 'print one JSON object')
    .action(async ({ json }: { json?: true }) => {
      const known = catalogue.flatMap(({ name }) => describeCatalogueEntry(name) ?? []);
      const local = await listLocalModels();
      process.stdout.write(
        json === true
          ? `${JSON.stringify({ schemaVersion: JSON_SCHEMA_VERSION, catalogue: known, local })}\n`
          : formatCatalogue(known, local) + formatLocal(local),
      );
    });
}

function formatCatalogue(known: readonly CatalogueDescription[], local: readonly LocalModel[]): string {
  const rows = known.map(({ name, aliases, license, parameters, contextTokens, choices }) => {
    const downloads = choices.map(({ reason, downloadBytes }) =>
      reason === null ? '-' : formatDownload(downloadBytes),
    );
    const isBuiltIn = choices.some(({ downloadBytes }) => downloadBytes === 0);
    const here = isBuiltIn ? 'built in' : local.some((model) => model.names.includes(name)) ? 'here' : '';
    return [
      [name, ...aliases].join(', '),
      formatCount(parameters),
      formatCount(contextTokens),
      license,
      ...downloads,
      here,
    ];
  });
  const header = ['NAME', 'WEIGHTS', 'CONTEXT', 'LICENCE', 'CPU', 'GPU', 'NPU', ''];
  const legend =
    'CPU, GPU, NPU: what a first run there downloads (?: the hub says when it is asked); ' +
    '-: not in this version (aipc show NAME says why)\n';
  return formatTable([header, ...rows]) + legend;
}

/** Nothing is downloaded of a model that comes with aipc. */
function formatDownload(bytes: number | null): string {
  return bytes === 0 ? '0' : formatSize(bytes);
}

function formatLocal(local: readonly LocalModel[]): string {
  if (local.length === 0) return '\nNo model is on this machine yet, but the built-in one: aipc run demo\n';
  const rows = local.map((model) => {
    const { kind, id, format, weightFormat, sizeBytes, isComplete, isOwn, devices, compiled } = model;
    const notes = [
      ...(isComplete ? [] : ['not finished']),
      ...(isOwn ? [] : ['fetched by another program']),
      ...compiled.map(({ device, sizeBytes: bytes }) => `compiled for ${device} (${formatSize(bytes)})`),
    ];
    const what = `${format}${weightFormat === null ? '' : ` ${weightFormat}`}`;
    return [kind, id, what, formatSize(sizeBytes), devices.join(' '), notes.join(', ')];
  });
  return `\n${formatTable([['ON THIS MACHINE', 'MODEL', 'FORMAT', 'SIZE', 'SUITS', ''], ...rows])}`;
}

/** `3.8B`, `135M`, `128k`, `4k`. */
function formatCount(value: number): string {
  if (value >= 1e9) return `${Number((value / 1e9).toFixed(1))}B`;
  if (value >= 1e6) return `${Number((value / 1e6).toFixed(1))}M`;
  return `${Math.round(value / 1024)}k`;
}
