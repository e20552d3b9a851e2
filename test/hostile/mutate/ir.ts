/** The XML of an OpenVINO IR: attributes, layers, edges, ports, dimensions, and what XML itself can be made to do. */
import { mutateBytes, type Mutated } from './bytes.js';
import { HOSTILE_NAMES } from './names.js';
import type { Random } from '../random.js';

/** Operators that make much of little, or run programs that are in the file. */
const TYPES = [
  ...['Broadcast', 'Tile', 'Range', 'Pad', 'Loop', 'TensorIterator', 'If', 'OneHot', 'RandomUniform', 'NonZero', 'Eye'],
  ...[
    'Const',
    'Parameter',
    'Result',
    'ReadValue',
    'Assign',
    'Reshape',
    'MatMul',
    'Gather',
    'Convert',
    'ShapeOf',
    'NoSuch',
  ],
];

/** Each level says the one before ten times: a billion at the end. */
const LAUGHS =
  '<!DOCTYPE net [<!ENTITY a0 "ha">' +
  Array.from({ length: 9 }, (_, i) => `<!ENTITY a${i + 1} "${`&a${i};`.repeat(10)}">`).join('') +
  ']>';
const OUTSIDE_ENTITY = '<!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]>';

export function mutateIr(random: Random, bytes: Buffer, other: Buffer): Mutated {
  const text = bytes.toString('utf8');
  const done: string[] = [];
  let changed = text;
  const times = random.chance(0.75) ? 1 : 3;
  for (let i = 0; i < times; i += 1) {
    const step = mutateText(random, changed, other);
    if (Buffer.isBuffer(step.bytes)) return { bytes: step.bytes, what: [...done, step.what].join('; ') };
    changed = step.bytes;
    done.push(step.what);
  }
  return { bytes: Buffer.from(changed), what: done.join('; ') };
}

/** What each number of a short constant is replaced by in the sweep: around 0, powers of two, the ends of 31 to 64 bits. */
const SWEPT: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, 7n, 64n, 1000n, 65_536n, 2n ** 20n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n, 2n ** 40n, 2n ** 62n],
  ...[-1n, -2n, -3n, -64n, -65_536n, -(2n ** 31n), -(2n ** 40n), 2n ** 63n - 1n, -(2n ** 63n)],
];

/** Places in the weights of the numbers of short constants of whole numbers, which say shapes, places and lengths. */
function numbersOf(xml: string): number[] {
  const places = new Set<number>();
  for (const { 0: tag } of xml.matchAll(/<data [^>]*element_type="i64"[^>]*>/g)) {
    const offset = Number(/ offset="(\d+)"/.exec(tag)?.[1]);
    const size = Number(/ size="(\d+)"/.exec(tag)?.[1]);
    if (size >= 8 && size <= 64) for (let at = offset; at < offset + size; at += 8) places.add(at);
  }
  return [...places].sort((a, b) => a - b);
}

function replaceNumber(bin: Buffer, at: number, value: bigint): Mutated {
  const copy = Buffer.from(bin);
  copy.writeBigInt64LE(BigInt.asIntN(64, value), at);
  return { bytes: copy, what: `the number at ${at}, ${bin.readBigInt64LE(at)}, became ${BigInt.asIntN(64, value)}` };
}

/** Case `number` of the sweep over one graph: every number with every value, one after the other. Wraps around. */
export function sweepIrConstants(xml: string, bin: Buffer, number: number): Mutated {
  const places = numbersOf(xml);
  const value = SWEPT[Math.floor(number / places.length) % SWEPT.length] ?? 0n;
  return replaceNumber(bin, places[number % places.length] ?? 0, value);
}

/** How many cases that sweep has. */
export function sweepLength(xml: string): number {
  return numbersOf(xml).length * SWEPT.length;
}

/** Of a short constant of whole numbers in the weights, which says a shape, a place or a length: one number replaced. */
export function mutateIrConstant(random: Random, xml: string, bin: Buffer): Mutated {
  const constants = [...xml.matchAll(/<data [^>]*element_type="i64"[^>]*>/g)]
    .map(({ 0: tag }) => ({
      offset: Number(/ offset="(\d+)"/.exec(tag)?.[1]),
      size: Number(/ size="(\d+)"/.exec(tag)?.[1]),
    }))
    .filter(({ size }) => size >= 8 && size <= 64);
  const { offset, size } = random.pick(constants);
  const at = offset + 8 * random.below(size / 8);
  const value = random.chance(0.4) ? 1n << BigInt(random.below(40)) : random.extreme();
  const signed = random.chance(0.3) ? -value : value;
  const copy = Buffer.from(bin);
  copy.writeBigInt64LE(BigInt.asIntN(64, signed), at);
  return { bytes: copy, what: `the number at ${at}, ${bin.readBigInt64LE(at)}, became ${BigInt.asIntN(64, signed)}` };
}

function mutateText(random: Random, text: string, other: Buffer): { bytes: string | Buffer; what: string } {
  const replace = (at: number, length: number, by: string, what: string) => ({
    bytes: text.slice(0, at) + by + text.slice(at + length),
    what,
  });
  const find = (pattern: RegExp): { 0: string; index: number } | undefined => {
    const all = [...text.matchAll(pattern)];
    return all.length === 0 ? undefined : random.pick(all);
  };
  const choice = random.below(12);
  if (choice === 0) return mutateBytes(random, Buffer.from(text), other);
  if (choice <= 4) {
    // Kinds of attributes first.
    const names = [...new Set([...text.matchAll(/ ([\w-]+)="/g)].map(([, name]) => name ?? ''))];
    const name = random.pick(names);
    const found = find(new RegExp(` ${name}="[^"]*"`, 'g'));
    if (found === undefined) return { bytes: text, what: 'nothing' };
    const value = attributeValue(random, text, name);
    return replace(
      found.index,
      found[0].length,
      ` ${name}="${value}"`,
      `${found[0].trim()} became "${value.slice(0, 60)}"`,
    );
  }
  if (choice === 5) {
    const found = find(/<dim>[^<]*<\/dim>/g);
    if (found === undefined) return { bytes: text, what: 'nothing' };
    const value = random.pick(['-1', '0', String(random.extreme()), 'x', '1e99', '']);
    return replace(found.index, found[0].length, `<dim>${value}</dim>`, `${found[0]} became ${value}`);
  }
  if (choice === 6 || choice === 7) {
    const found = find(random.pick([/<edge [^>]*>/g, /<layer .*?<\/layer>/gs, /<port .*?<\/port>/gs, /<data [^>]*>/g]));
    if (found === undefined) return { bytes: text, what: 'nothing' };
    const short = found[0].slice(0, 100);
    return random.chance(0.5)
      ? replace(found.index, found[0].length, '', `${short} removed`)
      : replace(found.index, 0, found[0], `${short} doubled`);
  }
  if (choice === 8) {
    const found = find(/<edge [^>]*>/g);
    if (found === undefined) return { bytes: text, what: 'nothing' };
    // Backwards: a cycle.
    const turned = found[0].replace('from-layer', 'TO').replace('to-layer', 'from-layer').replace('TO', 'to-layer');
    return replace(found.index, found[0].length, turned, `${found[0]} turned round`);
  }
  if (choice === 9) {
    const depth = random.pick([10, 40, 10_000]);
    const [open, close] = random.pick([
      ['<layer id="0" name="x" type="If" version="opset8"><body><layers>', '</layers></body></layer>'],
      ['<rt_info>', '</rt_info>'],
      ['<a>', '</a>'],
    ] as const);
    const at = text.indexOf('<layers>') + 8;
    return replace(at, 0, open.repeat(depth) + close.repeat(depth), `${open} nested ${depth} deep`);
  }
  if (choice === 10) {
    const [doctype, entity] = random.chance(0.5) ? [LAUGHS, '&a9;'] : [OUTSIDE_ENTITY, '&x;'];
    const at = text.indexOf('<net');
    const used = text.slice(at).replace(/name="[^"]*"/, `name="${entity}"`);
    return { bytes: text.slice(0, at) + doctype + used, what: `an entity ${entity} of ${doctype.slice(0, 40)}` };
  }
  const found = find(/(?<=<layer [^>]*)type="[^"]*"/g);
  if (found === undefined) return { bytes: text, what: 'nothing' };
  const type = random.pick(TYPES);
  return replace(found.index, found[0].length, `type="${type}"`, `${found[0]} became ${type}`);
}

function attributeValue(random: Random, text: string, name: string): string {
  switch (random.below(5)) {
    case 0:
      return String(random.extreme());
    case 1:
      return random.pick([
        '-1',
        '',
        'x',
        '0',
        'nan',
        '1e400',
        ' 1',
        '0x10',
        '&amp;',
        'true',
        'f64',
        'i64',
        'u1',
        'string',
      ]);
    case 2:
      return random.pick(HOSTILE_NAMES).replaceAll(/[<&"\0]/g, '_');
    case 3: {
      const size = random.pick([`${random.extreme()}`, '-1', '4096,4096,4096', '1,1,1,1,1,1,1,1,1,1', '-5,3']);
      return size;
    }
    default: {
      const others = [...text.matchAll(new RegExp(` ${name}="([^"]*)"`, 'g'))].map(([, value]) => value ?? '');
      return random.pick(others);
    }
  }
}
