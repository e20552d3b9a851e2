/** A GGUF file: every number of its head can be replaced; keys and tensors can be doubled, arrays retyped. */
import { mutateBytes, type Mutated } from './bytes.js';
import type { Random } from '../random.js';

/** A number in the head. */
interface Span {
  readonly what: string;
  readonly at: number;
  readonly size: 1 | 2 | 4 | 8;
}

const VALUE_BYTES: Readonly<Record<number, number>> = {
  ...{ 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 },
};
const STRING = 8;
const ARRAY = 9;
/** Of a long array's elements: the first ones stand for all. */
const ELEMENTS_LISTED = 8;

export function mutateGguf(random: Random, bytes: Buffer, other: Buffer): Mutated {
  const { spans, headBytes } = listNumbers(bytes);
  if (random.chance(0.25)) return mutateBytes(random, bytes, other, random.chance(0.8) ? headBytes : bytes.length);
  const copy = Buffer.from(bytes);
  const done: string[] = [];
  const times = random.chance(0.7) ? 1 : 3;
  for (let i = 0; i < times; i += 1) {
    // Kinds first: the vocabulary's lengths are thousands.
    const kind = random.pick([...new Set(spans.map(({ what }) => what))]);
    const span = random.pick(spans.filter(({ what }) => what === kind));
    const value = random.chance(0.15)
      ? readNumber(bytes, random.pick(spans)) // some other number of the file
      : span.what.includes('type')
        ? BigInt(random.below(48))
        : random.extreme();
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(value);
    number.copy(copy, span.at, 0, span.size);
    done.push(`${span.what} at byte ${span.at} set to ${BigInt.asUintN(span.size * 8, value)}`);
  }
  return { bytes: copy, what: done.join('; ') };
}

function readNumber(bytes: Buffer, { at, size }: Span): bigint {
  return size === 8 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUIntLE(at, size));
}

function listNumbers(bytes: Buffer): { spans: Span[]; headBytes: number } {
  const spans: Span[] = [];
  let at = 4;
  const number = (what: string, size: Span['size']): number => {
    spans.push({ what, at, size });
    at += size;
    return Number(readNumber(bytes, { what, at: at - size, size }));
  };
  const string = (what: string): string => {
    const length = number(`${what} length`, 8);
    at += length;
    return bytes.toString('utf8', at - length, at);
  };
  const scalar = (what: string, type: number): void => {
    if (type === STRING) string(what);
    else number(what, (VALUE_BYTES[type] ?? 1) as Span['size']);
  };

  number('version', 4);
  const tensors = number('tensor count', 8);
  const keys = number('metadata count', 8);
  for (let i = 0; i < keys; i += 1) {
    const key = string('key');
    const type = number(`type of ${key}`, 4);
    if (type !== ARRAY) {
      scalar(`value of ${key}`, type);
      continue;
    }
    const elementType = number(`element type of ${key}`, 4);
    const count = number(`element count of ${key}`, 8);
    for (let element = 0; element < count; element += 1) {
      const listed = spans.length;
      scalar(`element of ${key}`, elementType);
      if (element >= ELEMENTS_LISTED) spans.length = listed;
    }
  }
  for (let i = 0; i < tensors; i += 1) {
    string('tensor name');
    const dimensions = number('dimension count', 4);
    for (let d = 0; d < dimensions; d += 1) number('dimension', 8);
    number('tensor type', 4);
    number('tensor offset', 8);
  }
  return { spans, headBytes: at };
}
