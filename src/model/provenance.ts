/** Reading aipc.json, which the exporter leaves in its folders: where the model came from. */
import path from 'node:path';
import { inspect } from 'node:util';
import { PROVENANCE_FILE } from '../convert/export-folder.js';
import { WEIGHT_FORMATS } from '../convert/recipe.js';
import { ModelFormatError } from '../errors.js';
import { readFolderFile } from '../file-system.js';
import { kindOfPath } from '../models/path-kind.js';

/** The exporter writes about 1 kB. */
const MAX_PROVENANCE_BYTES = 256 * 1024;

/** Null for folders that others made. Throws FILE_MALFORMED, FILE_LIMIT_EXCEEDED, MODEL_FILE_MISSING. */
export async function readWeightFormat(folder: string): Promise<string | null> {
  const file = path.join(folder, PROVENANCE_FILE);
  if ((await kindOfPath(file)) === 'absent') return null;
  const limits = { maxBytes: MAX_PROVENANCE_BYTES, remedy: 'Export the model again.' };
  const text = (await readFolderFile(file, limits)).toString('utf8');
  let format: unknown;
  try {
    const value: unknown = JSON.parse(text);
    format = typeof value === 'object' && value !== null && 'weightFormat' in value ? value.weightFormat : undefined;
  } catch (error) {
    throw malformed(file, 'no JSON', error);
  }
  const known = WEIGHT_FORMATS.find((name) => name === format);
  if (known === undefined) throw malformed(file, `weightFormat ${inspect(format, { depth: 0, maxStringLength: 80 })}`);
  return known;
}

function malformed(file: string, found: string, cause?: unknown): ModelFormatError {
  return new ModelFormatError(
    'FILE_MALFORMED',
    `${file} holds ${found}; expected a weightFormat of ${WEIGHT_FORMATS.join(', ')}. Export the model again.`,
    { details: { file }, cause },
  );
}
