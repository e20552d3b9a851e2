/** Option values from argv text. Ranges are the library's business; here a value must only be what it looks like. */
import { InvalidArgumentError } from 'commander';

export function parseInteger(text: string): number {
  if (!/^[+-]?\d+$/u.test(text)) throw new InvalidArgumentError('expected an integer.');
  return Number(text);
}

export function parseDecimal(text: string): number {
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/iu.test(text)) throw new InvalidArgumentError('expected a number.');
  return Number(text);
}

/** For repeatable options. */
export function collect(text: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), text];
}

/** KEY=VALUE, repeatable. */
export function collectKeyValue(
  text: string,
  previous: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const split = text.indexOf('=');
  if (split < 1) throw new InvalidArgumentError('expected KEY=VALUE.');
  return { ...previous, [text.slice(0, split)]: text.slice(split + 1) };
}
