/** Comparing an answer's token ids with a committed reference, as `npm run demo` does. */
import { readFile } from 'node:fs/promises';
import { CliUsageError } from './exit.js';

interface Reference {
  /** Who made the reference, e.g. "transformers". */
  readonly madeBy: string;
  readonly outputTokenIds: readonly number[];
}

/** "32 of 32 tokens equal to transformers". Throws where they part. */
export async function compareWithReference(tokenIds: readonly number[], file: string): Promise<string> {
  const { madeBy, outputTokenIds } = parseReference(await readFile(file, 'utf8'), file);
  const firstDifference = outputTokenIds.findIndex((id, index) => tokenIds[index] !== id);
  const count = outputTokenIds.length;
  if (firstDifference === -1) return `${count} of ${count} tokens equal to ${madeBy}`;
  throw new Error(
    `the answer parts from the reference ${file} (${madeBy}) at token ${firstDifference} of ${count}: ` +
      `expected ${String(outputTokenIds[firstDifference])}, found ${String(tokenIds[firstDifference])}`,
  );
}

function parseReference(text: string, file: string): Reference {
  const value: unknown = JSON.parse(text);
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
    return { madeBy: value.madeBy, outputTokenIds: value.outputTokenIds as number[] };
  }
  throw new CliUsageError(`${file} is no reference: expected {"madeBy": string, "outputTokenIds": [integers]}.`);
}
