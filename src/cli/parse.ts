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

/** KEY=VALUE, or a JSON object of plain values as Python programs pass to OpenVINO; repeatable, later ones win. */
export function collectKeyValueOrJson(
  text: string,
  previous: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  if (!text.trimStart().startsWith('{')) return collectKeyValue(text, previous);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidArgumentError('it starts like JSON and is none.');
  }
  const entries = Object.entries(value as object).map(([key, entry]: [string, unknown]): [string, string] => {
    if (typeof entry === 'string') return [key, entry];
    if (typeof entry === 'number') return [key, String(entry)];
    if (typeof entry === 'boolean') return [key, entry ? 'YES' : 'NO'];
    throw new InvalidArgumentError(`the value of ${key} must be a string, a number, true or false.`);
  });
  return { ...previous, ...Object.fromEntries(entries) };
}
