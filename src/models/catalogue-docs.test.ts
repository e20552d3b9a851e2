/** docs/models.md says what the catalogue says. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { catalogue } from './catalogue.js';
import { MODEL_FEATURES, SUPPORTED_FEATURES, type CatalogueEntry, type DeviceName } from './catalogue-entry.js';
import { describeSource, waysToRun } from './choose-source.js';

/** The cells of the table after `<!-- marker -->`, without its header. */
async function tableOf(marker: string): Promise<readonly (readonly string[])[]> {
  const text = await readFile(new URL('../../../docs/models.md', import.meta.url), 'utf8');
  const table = text.split(`<!-- ${marker} -->`)[1]?.trimStart().split('\n\n')[0] ?? '';
  const rows = table.split('\n').map((line) => line.split('|').slice(1, -1));
  return rows.slice(2).map((row) => row.map((cell) => cell.trim()));
}

function takenOn(entry: CatalogueEntry, device: DeviceName): string {
  const chosen = waysToRun(entry).find((way) => way.device === device)?.chosen;
  if (chosen === undefined) return 'not yet';
  const { format } = describeSource(chosen.source);
  return chosen.converts ? `${format}, converted to ${chosen.weightFormat}` : `${format} ${chosen.weightFormat}`;
}

const count = (value: number): string => (value >= 1e9 ? `${value / 1e9} billion` : `${value / 1e6} million`);

function size(bytes: number | null): string {
  if (bytes === null) return 'not known here';
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(0)} MB`;
}

describe('docs/models.md', () => {
  it('has what each device takes', async () => {
    expect(await tableOf('catalogue')).toEqual(
      catalogue.map((entry) => [
        [entry.name, ...entry.aliases].map((name) => `\`${name}\``).join(', '),
        entry.license,
        count(entry.parameters),
        String(entry.contextTokens),
        ...(['cpu', 'gpu', 'npu'] as const).map((device) => takenOn(entry, device)),
      ]),
    );
  });

  it('has every source, and whether this version runs it', async () => {
    expect(await tableOf('sources')).toEqual(
      catalogue.flatMap(({ name, sources }) =>
        sources.map((source) => {
          const { origin, format, weightFormat, downloadBytes, devices } = describeSource(source);
          const needs = source.kind === 'hub' ? source.needs : [];
          const lacks = needs.filter((feature) => !SUPPORTED_FEATURES.includes(feature));
          const state = lacks.length === 0 ? 'yes' : `no: ${lacks.map((feature) => MODEL_FEATURES[feature]).join('; ')}`;
          return [name, `\`${origin}\``, `${format} ${weightFormat}`, size(downloadBytes), devices.join(', '), state];
        }),
      ),
    );
  });
});
