/**
 * Random programs of an OpenVINO IR: constants, the graph's inputs and what was computed before, joined by a few layers.
 * Numbers are small or extreme. Most such graphs are refused; what is taken must stay within the bounds.
 */
import { layer, whole, withProgram, zeros, type Program, type ProgramLayer } from '../ir-programs.js';
import type { Random } from '../random.js';
import type { Mutated } from './bytes.js';

const NUMBERS: readonly bigint[] = [
  ...[
    -1n,
    0n,
    0n,
    1n,
    1n,
    1n,
    2n,
    2n,
    3n,
    4n,
    5n,
    64n,
    64n,
    300n,
    1000n,
    65_536n,
    2n ** 20n,
    2n ** 31n - 1n,
    2n ** 31n,
  ],
  ...[2n ** 32n, 2n ** 40n, 2n ** 62n, 2n ** 63n - 1n, -2n, -3n, -64n, -(2n ** 31n), -(2n ** 40n), -(2n ** 63n)],
];
const DIMS: readonly (readonly number[])[] = [[], [1], [3], [1, 1], [64, 1], [1, 64], [3, 4], [200, 300], [1, 2, 5, 4]];
const TYPES = ['i32', 'i64', 'boolean', 'f32', 'f16', 'u8'];
const NUMPY = { auto_broadcast: 'numpy' };

/** The names that a program may take from, by what they hold. */
interface Pool {
  readonly layers: ProgramLayer[];
  readonly whole: string[];
  readonly real: string[];
}

function vector(random: Random, { layers }: Pool, length = 1 + random.below(3)): string {
  const name = `c${layers.length}`;
  layers.push(
    whole(
      name,
      Array.from({ length }, () => random.pick(NUMBERS)),
    ),
  );
  return name;
}

function scalar(random: Random, { layers }: Pool): string {
  const name = `c${layers.length}`;
  layers.push(whole(name, Number(random.pick(NUMBERS.slice(0, 9)))));
  return name;
}

/** A shape, axes or places: mostly a constant, at times what the graph computes. */
function shape(random: Random, pool: Pool): string {
  return random.chance(0.7) ? vector(random, pool) : random.pick(pool.whole);
}

function anything(random: Random, { whole: wholes, real }: Pool): string {
  return random.pick(random.chance(0.5) ? wholes : real);
}

const yes = (random: Random): string => (random.chance(0.5) ? 'true' : 'false');
const mask = (random: Random): string => `${random.below(2)},${random.below(2)}`;
const small = (random: Random): number => random.below(4) - 1;

type Make = (random: Random, pool: Pool) => Omit<ProgramLayer, 'name'> & { readonly makes?: 'whole' | 'real' };
const of = (type: string, inputs: readonly string[], data: Readonly<Record<string, string | number>> = {}) => ({
  type,
  inputs,
  data,
});

const PAIRS = ['Add', 'Subtract', 'Multiply', 'Divide', 'Maximum', 'Minimum', 'Mod', 'FloorMod', 'Power'];
const MAKERS: readonly Make[] = [
  (r, p) => of('Broadcast', [anything(r, p), shape(r, p)], { mode: r.pick(['numpy', 'bidirectional']) }),
  (r, p) => of('Tile', [anything(r, p), shape(r, p)]),
  (r, p) => ({
    ...of('Range', [scalar(r, p), r.chance(0.5) ? scalar(r, p) : r.pick(p.whole), scalar(r, p)], {
      output_type: 'i64',
    }),
    makes: 'whole',
  }),
  (r, p) => of('MatMul', [r.pick(p.real), r.pick(p.real)], { transpose_a: yes(r), transpose_b: yes(r) }),
  (r, p) => ({ ...of(r.pick(PAIRS), [r.pick(p.whole), r.pick(p.whole)], NUMPY), makes: 'whole' }),
  (r, p) => ({ ...of(r.pick(PAIRS), [r.pick(p.real), r.pick(p.real)], NUMPY), makes: 'real' }),
  (r, p) => {
    const one = anything(r, p);
    return of('Concat', r.chance(0.5) ? [one, one] : [one, one, one], { axis: small(r) });
  },
  (r, p) => of('Reshape', [anything(r, p), shape(r, p)], { special_zero: yes(r) }),
  (r, p) => of('Gather', [anything(r, p), r.pick(p.whole), scalar(r, p)], { batch_dims: r.pick([0, 0, 0, 1]) }),
  (r, p) => ({ ...of('Select', [r.pick(p.whole), r.pick(p.real), r.pick(p.real)], NUMPY), makes: 'real' }),
  (r, p) => of('Slice', [anything(r, p), ...Array.from({ length: 4 }, () => vector(r, p, 1))]),
  (r, p) =>
    of('StridedSlice', [anything(r, p), vector(r, p, 2), vector(r, p, 2), vector(r, p, 2)], {
      ...{ begin_mask: mask(r), end_mask: mask(r), new_axis_mask: mask(r), shrink_axis_mask: mask(r) },
      ellipsis_mask: '0,0',
    }),
  (r, p) => ({ ...of('NonZero', [anything(r, p)], { output_type: 'i64' }), makes: 'whole' }),
  (r, p) => ({
    ...of('TopK', [anything(r, p), scalar(r, p)], {
      ...{ axis: small(r), mode: 'max', sort: 'value', index_element_type: 'i64', stable: 'false' },
    }),
    outputs: 2,
  }),
  (r, p) => {
    const parts = r.pick([1, 2, 3]);
    return { ...of('Split', [anything(r, p), scalar(r, p)], { num_splits: parts }), outputs: parts };
  },
  (r, p) => {
    const parts = r.pick([1, 2, 3]);
    return { ...of('VariadicSplit', [anything(r, p), scalar(r, p), vector(r, p, parts)]), outputs: parts };
  },
  (r, p) => of('ScaledDotProductAttention', [r.pick(p.real), r.pick(p.real), r.pick(p.real)], { causal: yes(r) }),
  (r, p) => of('CumSum', [anything(r, p), scalar(r, p)], { exclusive: yes(r), reverse: yes(r) }),
  (r, p) =>
    of(r.pick(['ReduceMax', 'ReduceSum', 'ReduceProd', 'ReduceMean']), [anything(r, p), vector(r, p, 1)], {
      keep_dims: yes(r),
    }),
  (r, p) => ({ ...of('Convert', [anything(r, p)], { destination_type: r.pick(TYPES) }), makes: 'whole' }),
  (r, p) => ({ ...of('Convert', [anything(r, p)], { destination_type: 'f32' }), makes: 'real' }),
  (r, p) => ({ ...of('ShapeOf', [anything(r, p)], { output_type: r.pick(['i64', 'i32']) }), makes: 'whole' }),
  (r, p) => of(r.pick(['Unsqueeze', 'Squeeze']), [anything(r, p), vector(r, p)]),
  (r, p) => of('Transpose', [anything(r, p), vector(r, p)]),
  (r, p) => of('GatherND', [anything(r, p), r.pick(p.whole)], { batch_dims: r.pick([0, 0, 1]) }),
  (r, p) => of('GatherElements', [anything(r, p), r.pick(p.whole)], { axis: small(r) }),
  (r, p) => {
    const data = anything(r, p);
    return of('ScatterUpdate', [data, r.pick(p.whole), data, scalar(r, p)]);
  },
];

/** Two to nine layers, the last of which is the result. */
export function randomProgram(random: Random): Program {
  const pool: Pool = { layers: [], whole: ['input_ids', 'attention_mask'], real: ['hidden'] };
  for (let i = 0; i < 2; i += 1) {
    pool.whole.push(vector(random, pool));
    const name = `z${i}`;
    pool.layers.push(zeros(name, ...random.pick(DIMS)));
    pool.real.push(name);
  }
  const count = 2 + random.below(8);
  for (let i = 0; i < count; i += 1) {
    const { makes, ...made } = random.pick(MAKERS)(random, pool);
    const name = `v${i}`;
    pool.layers.push({ ...made, name });
    const isWhole = makes === 'whole' || (makes === undefined && pool.whole.includes(made.inputs[0] ?? ''));
    // Later layers take what earlier ones made more often than anything else.
    const kind = isWhole ? pool.whole : pool.real;
    kind.push(name, name);
  }
  const last = pool.layers.at(-1);
  // A constant that a layer takes is before it: the last one is a layer.
  return { layers: [...pool.layers, layer('result', 'Convert', [last?.name ?? ''], { destination_type: 'f32' })] };
}

/** `xml` and `bin` with a random program. */
export function addIrProgram(
  random: Random,
  xml: Buffer,
  bin: Buffer,
): { xml: Buffer; bin: Buffer; what: Mutated['what'] } {
  const program = randomProgram(random);
  const made = withProgram({ xml: xml.toString('utf8'), bin }, program);
  const what = program.layers
    .filter(({ type }) => type !== 'Const')
    .map(({ name, type, inputs }) => `${name} = ${type}(${inputs.join(', ')})`)
    .join('; ');
  return { xml: Buffer.from(made.xml), bin: made.bin, what };
}
