/** Comparing an answer's token ids with a committed reference, as `npm run demo` does. */
import { readFile } from 'node:fs/promises';
import { cannotBeRead, CliCheckFailure, CliUsageError } from './exit.js';

export interface Reference {
  readonly file: string;
  /** Who made the reference, e.g. "transformers". */
  readonly madeBy: string;
  readonly outputTokenIds: readonly number[];
}

export async function readReference(file: string): Promise<Reference> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw cannotBeRead(file, error);
  });
  return parseReference(text, file);
}

/** "32 of 32 tokens equal to transformers". Throws where they part. */
export function compareWithReference(tokenIds: readonly number[], { file, madeBy, outputTokenIds }: Reference): string {
  const firstDifference = outputTokenIds.findIndex((id, index) => tokenIds[index] !== id);
  const count = outputTokenIds.length;
  if (firstDifference === -1) return `${count} of ${count} tokens equal to ${madeBy}`;
  throw new CliCheckFailure(
    `the answer parts from the reference ${file} (${madeBy}) at token ${firstDifference} of ${count}: ` +
      `expected ${String(outputTokenIds[firstDifference])}, found ${String(tokenIds[firstDifference])}`,
  );
}

function parseReference(text: string, file: string): Reference {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // It is no reference, as is said below.
  }
  if (
    typeof value === 'object' &&
    value !== null &&
    'madeBy' in value &&
    typeof value.madeBy === 'string' &&
    'outputTokenIds' in value &&
    Array.isArray(value.outputTokenIds) &&
    value.outputTokenIds.length > 0 &&
    value.outputTokenIds.every((id) => Number.isInteger(id))
  ) {
    return { file, madeBy: value.madeBy, outputTokenIds: value.outputTokenIds as number[] };
  }
  throw new CliUsageError(`${file} is no reference: expected {"madeBy": string, "outputTokenIds": [integers]}.`);
}
