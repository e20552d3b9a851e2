/**
 * One wording for what is wrong with a model file: what was found, where, and what to do about it.
 * It decides nothing: the parsers do.
 */
import { inspect } from 'node:util';
import { ModelFormatError } from '../errors.js';

type Details = Readonly<Record<string, unknown>>;

/** Characters of a file's own text that an error message repeats. */
const QUOTED_CHARACTERS = 80;

/** A value from a file, safe and short enough for a message: text quoted, control characters escaped. */
export function quoted(value: unknown): string {
  if (typeof value !== 'string') {
    return inspect(value, { breakLength: Infinity, maxStringLength: QUOTED_CHARACTERS, maxArrayLength: 8, depth: 1 });
  }
  return JSON.stringify(value.length > QUOTED_CHARACTERS ? `${value.slice(0, QUOTED_CHARACTERS)}…` : value);
}

/** The file contradicts its format or itself. */
export function malformed(file: string, problem: string, details: Details = {}, cause?: unknown): ModelFormatError {
  return new ModelFormatError(
    'FILE_MALFORMED',
    `${file}: ${problem} The file is damaged or is not what its name says: fetch it again from its source.`,
    { details: { file, ...details }, cause },
  );
}

/** The file ends before what it announces. */
export function truncated(file: string, what: string, neededBytes: number, foundBytes: number): ModelFormatError {
  return new ModelFormatError(
    'FILE_TRUNCATED',
    `${file}: ${what} needs ${neededBytes} bytes, but the file ends after ${foundBytes}. ` +
      'The download is probably incomplete: fetch the file again.',
    { details: { file, neededBytes, foundBytes } },
  );
}

/** The file asks for more than any real model needs. */
export function overLimit(file: string, what: string, found: number, limit: number): ModelFormatError {
  return new ModelFormatError(
    'FILE_LIMIT_EXCEEDED',
    `${file}: ${what} is ${found}, the limit is ${limit}. No real model needs that much: the file is damaged or hostile.`,
    { details: { file, found, limit } },
  );
}
