/** Command line options of the benchmarks: whole numbers and texts with defaults. Unknown ones are refused. */
import { parseArgs } from 'node:util';

/**
 * Each value of `defaults` gives an option's type: a number, a text, true/false, a list of numbers (given as 1,2,3), or an
 * empty list: texts, one each time that the option is given.
 * @template {Record<string, number | string | boolean | readonly number[] | readonly [] | undefined>} Defaults
 * @param {Defaults} defaults undefined: a text without default
 * @returns {Defaults}
 */
export function readOptions(defaults) {
  const kebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const names = Object.keys(defaults);
  const isTexts = (name) => Array.isArray(defaults[name]) && defaults[name].length === 0;
  const types = names.map((name) => [
    kebab(name),
    { type: typeof defaults[name] === 'boolean' ? 'boolean' : 'string', multiple: isTexts(name) },
  ]);
  const { values } = parseArgs({ options: Object.fromEntries(types) });
  const read = (name) => {
    const given = values[kebab(name)];
    const fallback = defaults[name];
    if (given === undefined || isTexts(name)) return given ?? fallback;
    if (typeof fallback === 'number') return wholeNumber(kebab(name), given);
    if (Array.isArray(fallback)) return given.split(',').map((item) => wholeNumber(kebab(name), item));
    return given;
  };
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

function wholeNumber(option, text) {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`--${option} takes positive whole numbers; '${text}' is none.`);
  }
  return value;
}
