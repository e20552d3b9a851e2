/** Finding models by name. Which of a model's sources serves a device is choose-source.ts's. */
import { catalogue } from './catalogue-entries.js';
import type { CatalogueEntry } from './catalogue-entry.js';

export { catalogue };

/** The entry of that name or alias, case-insensitive. */
export function findInCatalogue(name: string): CatalogueEntry | undefined {
  const wanted = name.toLowerCase();
  return catalogue.find((entry) => entry.name === wanted || entry.aliases.includes(wanted));
}
