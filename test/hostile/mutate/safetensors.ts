/** A safetensors file: its header's length, its JSON, the ranges and shapes in it, its data. */
import { mutateBytes, type Mutated } from './bytes.js';
import { mutateJson } from './json.js';
import type { Random } from '../random.js';

interface Entry {
  dtype: string;
  shape: (number | string)[];
  data_offsets: (number | string)[];
}

export function mutateSafetensors(random: Random, bytes: Buffer, other: Buffer): Mutated {
  const headerBytes = Number(bytes.readBigUInt64LE());
  const text = bytes.toString('utf8', 8, 8 + headerBytes);
  const data = bytes.subarray(8 + headerBytes);
  const withHeader = (header: Buffer, what: string, length = BigInt(header.length)): Mutated => {
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt.asUintN(64, length));
    return { bytes: Buffer.concat([size, header, data]), what };
  };
  switch (random.below(6)) {
    case 0:
      return mutateBytes(random, bytes, other, random.chance(0.8) ? 8 + headerBytes : bytes.length);
    case 1: {
      const length = random.extreme();
      return withHeader(Buffer.from(text), `header length ${length}`, length);
    }
    case 2: {
      const { bytes: header, what } = mutateJson(random, text);
      return withHeader(header, what);
    }
    case 3: {
      // The length stays that of the old header.
      const { bytes: header, what } = mutateJson(random, text);
      return withHeader(header, `${what}; length as before`, BigInt(headerBytes));
    }
    default: {
      const header = JSON.parse(text) as Record<string, Entry>;
      const names = Object.keys(header).filter((name) => name !== '__metadata__');
      const what = mutateEntry(random, header, names);
      return withHeader(Buffer.from(JSON.stringify(header).replaceAll(/"<raw>([^"]*)"/g, '$1')), what);
    }
  }
}

function mutateEntry(random: Random, header: Record<string, Entry>, names: readonly string[]): string {
  const name = random.pick(names);
  const entry = header[name];
  const second = header[random.pick(names)];
  if (entry === undefined || second === undefined) return 'nothing';
  const number = (): string => `<raw>${random.chance(0.2) ? '-' : ''}${random.extreme()}`;
  switch (random.below(7)) {
    case 0:
      entry.data_offsets[random.below(2)] = number();
      return `${name}: data_offsets ${entry.data_offsets.join(', ')}`;
    case 1:
      entry.shape[random.below(entry.shape.length)] = number();
      return `${name}: shape ${entry.shape.join(', ')}`;
    case 2:
      entry.data_offsets = [...second.data_offsets];
      return `${name}: overlaps another`;
    case 3:
      entry.dtype = random.pick(['F64', 'I8', 'BOOL', 'F4', 'F8_E4M3', 'BF16', 'F16', 'F32', 'C64', '', 'toString']);
      return `${name}: dtype ${entry.dtype}`;
    case 4:
      entry.shape = [...second.shape];
      entry.data_offsets = [...second.data_offsets];
      return `${name}: shape and range of another`;
    case 5:
      // Sums and products that wrap around in 64 bits.
      entry.shape = ['<raw>4294967296', '<raw>4294967296', `<raw>${random.extreme()}`];
      return `${name}: shape whose product wraps around`;
    default:
      header[`${name}.weight`] = structuredClone(entry);
      Reflect.deleteProperty(header, name);
      return `${name}: renamed`;
  }
}
