import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Accelerator } from './device.js';
import { knownProvider, PROVIDER_KNOWLEDGE, providerPlace, WINDOWS_ML_CATALOGUE } from './provider-knowledge.js';
import { placeOf } from './recommendation-rules.js';

const SYSTEMS = { win32: 'Windows', linux: 'Linux', darwin: 'macOS' } as const;
const BROUGHT_BY = { npm: 'npm', setup: '`aipc setup openvino`', user: 'you' } as const;
const VENDORS: Readonly<Record<string, string>> = {
  nvidia: 'NVIDIA',
  intel: 'Intel',
  amd: 'AMD',
  qualcomm: 'Qualcomm',
};

const devicesOf = (devices: readonly string[]): string => devices.map((device) => device.toUpperCase()).join(', ');

/** The cells of a page's tables, by their row's first cell. */
async function rowsOf(page: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const text = await readFile(page, 'utf8');
  const rows = text.split('\n').filter((line) => line.startsWith('| '));
  return new Map(
    rows.map((row) => {
      const [first = '', ...others] = row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim());
      return [first, others] as const;
    }),
  );
}

describe('what is known of providers', () => {
  it('is what docs/gpu.md says of them, in the same order', async () => {
    const rows = await rowsOf('docs/gpu.md');
    for (const known of PROVIDER_KNOWLEDGE) {
      const vendors = known.vendors === 'any' ? 'any' : known.vendors.map((name) => VENDORS[name] ?? name).join(', ');
      expect([known.provider, rows.get(`\`${known.provider}\``)]).toEqual([
        known.provider,
        [
          known.label,
          `${vendors} ${devicesOf(known.devices)}`,
          known.systems.map((system) => SYSTEMS[system]).join(', '),
          BROUGHT_BY[known.comesWith],
          known.needs,
          known.limits ?? '',
          known.future,
        ],
      ]);
    }
    const order = [...rows.keys()].filter((cell) =>
      PROVIDER_KNOWLEDGE.some(({ provider }) => cell === `\`${provider}\``),
    );
    expect(order).toEqual(PROVIDER_KNOWLEDGE.map(({ provider }) => `\`${provider}\``));
  });

  it('has its sources on that page', async () => {
    const page = await readFile('docs/gpu.md', 'utf8');
    for (const { sources } of PROVIDER_KNOWLEDGE) for (const source of sources) expect(page).toContain(source);
  });

  it("names Windows ML's providers as docs/gpu.md does", async () => {
    const rows = await rowsOf('docs/gpu.md');
    for (const { name, vendor, devices } of WINDOWS_ML_CATALOGUE) {
      expect(rows.get(`\`${name}\``)?.slice(0, 2)).toEqual([VENDORS[vendor], devicesOf(devices)]);
    }
  });

  it('is found by name; of plug-ins nothing is known beforehand', () => {
    expect(knownProvider('dml')?.future).toBe('maintained');
    expect(knownProvider('QNNExecutionProvider')).toBeUndefined();
  });

  it('orders the providers of a GPU as recommend() does and docs/devices.md says', async () => {
    const device = {
      id: 'gpu.0',
      kind: 'gpu',
      vendor: 'intel',
      isIntegrated: true,
      pciIds: null,
    } as unknown as Accelerator;
    const status = (
      provider: string,
    ): { provider: string; runtime: null; libraryFile: null; drives: []; problem: null } => ({
      ...{ provider, runtime: null, libraryFile: null, drives: [], problem: null },
    });
    const ordered = PROVIDER_KNOWLEDGE.map(({ provider }) => provider).sort(
      (a, b) =>
        placeOf({ device, status: status(a), driven: {} }, 'balanced') -
        placeOf({ device, status: status(b), driven: {} }, 'balanced'),
    );
    expect(ordered).toEqual(PROVIDER_KNOWLEDGE.map(({ provider }) => provider));
    const [first, ...others] = PROVIDER_KNOWLEDGE.map(({ label }) => label);
    const page = (await readFile('docs/devices.md', 'utf8')).replaceAll('\n', ' ');
    expect(page).toContain(`On one GPU ${first ?? ''} comes first, then ${others.join(', ')}`);
  });

  it("puts a maker's plug-in for its own device before what serves every card, and others last", () => {
    const plugin = (epName: string, vendor: 'amd' | 'nvidia'): number =>
      providerPlace('Mine', 'gpu', { epName, vendor });
    expect(plugin('MIGraphXExecutionProvider', 'amd')).toBeLessThan(providerPlace('dml', 'gpu'));
    expect(plugin('MIGraphXExecutionProvider', 'amd')).toBeGreaterThan(providerPlace('openvino', 'gpu'));
    expect(plugin('MIGraphXExecutionProvider', 'nvidia')).toBeGreaterThan(providerPlace('webgpu', 'gpu'));
    expect(plugin('Unknown', 'nvidia')).toBeGreaterThan(providerPlace('webgpu', 'gpu'));
  });
});
