/**
 * Reading a caller's option object: unknown keys are refused, defaults are applied once, ranges are checked.
 * It does not know any particular option.
 */
import { inspect } from 'node:util';
import { OptionError } from './errors.js';

/** A caller's value for an error message, kept short. */
function show(value: unknown): string {
  return inspect(value, { breakLength: Infinity, maxStringLength: 80, maxArrayLength: 8, depth: 1 });
}

/** Throws OPTION_UNKNOWN if `given` has a key outside `known`. `where` names the function for the message. */
export function refuseUnknownKeys(where: string, given: object, known: readonly string[]): void {
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) {
      throw new OptionError(
        'OPTION_UNKNOWN',
        `${where}: unknown option '${key}'. Known options: ${known.join(', ')}.`,
        {
          details: { option: key, known },
        },
      );
    }
  }
}

export interface NumberRange {
  /** Inclusive. */
  readonly min: number;
  /** Inclusive. */
  readonly max: number;
  readonly integer?: boolean;
}

/** Returns `value` if it is a finite number within `range`, else throws OPTION_INVALID. */
export function checkNumber(where: string, option: string, value: unknown, range: NumberRange): number {
  const ok =
    typeof value === 'number' &&
    value >= range.min &&
    value <= range.max &&
    (range.integer !== true || Number.isInteger(value));
  if (!ok) {
    const kind = range.integer === true ? 'an integer' : 'a number';
    throw new OptionError(
      'OPTION_INVALID',
      `${where}: ${option} must be ${kind} from ${range.min} to ${range.max}, found ${show(value)}.`,
      { details: { option, found: value, min: range.min, max: range.max } },
    );
  }
  return value;
}

/** Returns `value` if it is one of `allowed`, else throws OPTION_INVALID. */
export function checkChoice<const T extends string | number>(
  where: string,
  option: string,
  value: unknown,
  allowed: readonly T[],
): T {
  const found = allowed.find((choice) => choice === value);
  if (found === undefined) {
    throw new OptionError(
      'OPTION_INVALID',
      `${where}: ${option} must be one of ${allowed.join(', ')}, found ${show(value)}.`,
      { details: { option, found: value, allowed } },
    );
  }
  return found;
}
