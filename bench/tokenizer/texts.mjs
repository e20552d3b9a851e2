/** Texts of any length, the same each time: ordinary ones, and the kinds that tokenizers are slow on. */
import { readdirSync, readFileSync } from 'node:fs';

/** Numerical Recipes' generator; whole numbers below `limit`. */
function generator(seed) {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

function filled(units, next) {
  const parts = [];
  let length = 0;
  while (length < units) {
    const part = next();
    parts.push(part);
    length += part.length;
  }
  return parts.join('').slice(0, units);
}

/** This repository's own files of one kind, over and over. */
function ofFiles(folder, extension, units) {
  const texts = readdirSync(folder)
    .filter((name) => name.endsWith(extension))
    .map((name) => readFileSync(new URL(name, folder), 'utf8'));
  return filled(units, () => texts.join('\n'));
}

const root = new URL('../../', import.meta.url);
const repeated = (unit) => (units) => filled(units, () => unit);
const characters = (first, count) => (units) => {
  const below = generator(first);
  return filled(units, () => String.fromCodePoint(first + below(count)));
};
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Name -> (UTF-16 code units) => text. */
export const TEXTS = {
  prose: (units) => ofFiles(new URL('docs/', root), '.md', units),
  code: (units) => ofFiles(new URL('src/tokenizer/', root), '.ts', units),
  Chinese: repeated('我们在电脑上运行模型。'),
  Arabic: repeated('الذكاء الاصطناعي على جهازك. '),
  emoji: repeated('👩‍👧🙂'),
  'Chinese, any characters': characters(0x4e00, 0x2000),
  'letters, no spaces': characters(0x61, 26),
  base64: (units) => {
    const below = generator(64);
    return filled(units, () => BASE64[below(64)]);
  },
  'one letter': repeated('a'),
  spaces: repeated(' '),
  symbols: repeated('====----'),
  'control tokens': repeated('<|end|> <|im_end|>\n'),
  'any characters': characters(0x20, 0xd7e0),
};
