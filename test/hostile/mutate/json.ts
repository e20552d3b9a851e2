/** A JSON text, changed as a tree (values, keys, nesting) or as text (what no tree can show: a key given twice). */
import { HOSTILE_NAMES } from './names.js';
import { mutateBytes, type Mutated } from './bytes.js';
import type { Random } from '../random.js';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Numbers as JSON can write them, those that JavaScript rounds or cannot hold among them. */
const NUMBERS = [
  ...['0', '-1', '-0', '1', '2', '0.5', '1e-320', '1e400', '-1e400', '2147483647', '2147483648', '4294967296'],
  ...[
    '9007199254740991',
    '9007199254740993',
    '9223372036854775807',
    '18446744073709551615',
    '1e9',
    '1048576',
    '16777216',
  ],
];
const DEPTHS = [40, 1000, 20_000];
const LENGTHS = [5_000, 100_000];

/** Begins a string that stands for a text that JSON.stringify() would not write so. */
const RAW = '<raw>';
const MARKED = new RegExp(`"${RAW}([^"]*)"`, 'g');

interface Place {
  readonly holder: Json[] | { [key: string]: Json };
  readonly key: string;
  readonly path: string;
}

/** Changes one to three values; sometimes the text itself. */
export function mutateJson(random: Random, text: string): Mutated {
  if (random.chance(0.15)) return mutateBytes(random, Buffer.from(text));
  const root = JSON.parse(text) as Json;
  const done: string[] = [];
  const holder: { [key: string]: Json } = { '': root };
  const times = random.chance(0.7) ? 1 : 3;
  for (let i = 0; i < times; i += 1) done.push(mutateOne(random, holder));
  let changed = writeJson(holder[''] ?? null);
  if (random.chance(0.1)) {
    changed = repeatKey(random, changed);
    done.push('a key given twice');
  }
  return { bytes: Buffer.from(changed), what: done.join('; ') };
}

/** With marked texts as they are to be written; "`" stands for a quote in them. */
function writeJson(value: Json): string {
  return JSON.stringify(value).replaceAll(MARKED, (_, raw: string) => raw.replaceAll('`', '"'));
}

function mutateOne(random: Random, root: { [key: string]: Json }): string {
  const all = places(root);
  if (all.length === 0) return 'nothing is left';
  const { holder, key, path } = random.pick(all);
  const value = get(holder, key);
  const set = (changed: Json, how: string): string => {
    put(holder, key, changed);
    return `${path}: ${how}`;
  };
  switch (random.below(9)) {
    case 0: {
      const number = random.pick(NUMBERS);
      return set(RAW + number, number);
    }
    case 1: {
      const other = random.pick<Json>([null, true, false, '', [], {}, 'x', [0], [null], { a: 1 }]);
      return set(structuredClone(other), JSON.stringify(other));
    }
    case 2:
      remove(holder, key);
      return `${path}: removed`;
    case 3: {
      const depth = random.pick(DEPTHS);
      return set(nest(random, depth), `nested ${depth} deep`);
    }
    case 4: {
      const length = random.pick(LENGTHS);
      return set(
        random.pick(['x', '\u{1F600}', '\uD800', '"', '\\', '\u0000']).repeat(length),
        `a string of ${length}`,
      );
    }
    case 5: {
      const name = random.pick(HOSTILE_NAMES);
      return set(name, JSON.stringify(name.slice(0, 60)));
    }
    case 6: {
      const length = random.pick(LENGTHS);
      return set(new Array<Json>(length).fill(random.pick<Json>([0, null, 'a', []])), `an array of ${length}`);
    }
    case 7: {
      const { holder: from, key: fromKey, path: fromPath } = random.pick(places(root));
      return set(structuredClone(get(from, fromKey) ?? null), `as ${fromPath}`);
    }
    default: {
      if (Array.isArray(value)) {
        value.push(...structuredClone(value.slice(0, 1 + random.below(10))));
        return `${path}: first elements repeated`;
      }
      if (typeof value !== 'object' || value === null) return set([value ?? null], 'wrapped in an array');
      const name = random.pick(['__proto__', 'constructor', 'prototype', 'toString', 'length', '']);
      Object.defineProperty(value, name, {
        value: { polluted: true, model_type: 'llama' },
        enumerable: true,
        configurable: true,
        writable: true,
      });
      return `${path}.${name}: added`;
    }
  }
}

/** Every value in a tree, the root's own place first. */
function places(root: { [key: string]: Json }): Place[] {
  const found: Place[] = [];
  const open: { holder: Place['holder']; path: string }[] = [{ holder: root, path: '$' }];
  for (let at = open.pop(); at !== undefined && found.length < 20_000; at = open.pop()) {
    for (const key of Object.keys(at.holder).slice(0, 2_000)) {
      const path = `${at.path}.${key}`.slice(0, 200);
      found.push({ holder: at.holder, key, path });
      const value = get(at.holder, key);
      if (typeof value === 'object' && value !== null) open.push({ holder: value, path });
    }
  }
  // A level that has thousands of entries (a vocabulary) is not to hide the few that say what it is.
  const shallow = found.filter(({ path }) => path.split('.').length <= 4);
  return [...found, ...Array.from({ length: Math.floor(found.length / (shallow.length + 1)) }, () => shallow).flat()];
}

function get(holder: Place['holder'], key: string): Json | undefined {
  return Array.isArray(holder) ? holder[Number(key)] : holder[key];
}

function put(holder: Place['holder'], key: string, value: Json): void {
  if (Array.isArray(holder)) holder[Number(key)] = value;
  else holder[key] = value;
}

function remove(holder: Place['holder'], key: string): void {
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else Reflect.deleteProperty(holder, key);
}

function nest(random: Random, depth: number): Json {
  const inArrays = random.chance(0.5);
  let value: Json = 0;
  // Deeper than JSON.stringify() can go, so as the text itself.
  if (depth > 1000) return `${RAW}${(inArrays ? '[' : '{`a`:').repeat(depth)}0${(inArrays ? ']' : '}').repeat(depth)}`;
  for (let i = 0; i < depth; i += 1) value = inArrays ? [value] : { a: value };
  return value;
}

function repeatKey(random: Random, text: string): string {
  const keys = [...text.matchAll(/"[^"\\]{1,80}":/g)];
  if (keys.length === 0) return text;
  const { 0: key, index } = random.pick(keys);
  return `${text.slice(0, index)}${key}${random.pick(NUMBERS)},${text.slice(index)}`;
}
