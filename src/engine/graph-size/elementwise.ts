/**
 * Sizes and small numbers of what is computed element by element, with NumPy's broadcasting.
 */
import { broadcast, extentOf, pairs, type Extent, type Sizes } from './extent.js';
import { at, one, type Rule } from './rule.js';
import { add, constantOf, either, isAtMost, isEqual, number, truth, UNKNOWN, type Amount } from './symbolic-size.js';

export const same: Rule = (_, inputs) => one(at(inputs, 0));

/** Whole numbers of 64 bits keep their values, and truths are made of them; what becomes of others is not followed. */
export type CastTo = 'whole' | 'truth' | 'other';

export function cast(data: Extent, to: CastTo): Sizes {
  const { dims, size, values, range } = data;
  if (to === 'whole') return one(data);
  if (to === 'other') return one(extentOf(dims, { size }));
  const isTrue = (value: Amount): Amount =>
    truth(isEqual(value, number(0)) === undefined ? undefined : constantOf(value) !== 0);
  return one(
    extentOf(dims, { size, range: isTrue(range), ...(values === undefined ? {} : { values: values.map(isTrue) }) }),
  );
}

/** As the first input, without its values. */
export const sameShape: Rule = (_, inputs) => one(extentOf(at(inputs, 0).dims, { size: at(inputs, 0).size }));

export const sameShapeOutputs: Rule = (node, inputs) => {
  const output = extentOf(at(inputs, 0).dims, { size: at(inputs, 0).size });
  return { outputs: node.outputs.map(() => output) };
};

export const map =
  (compute: (value: Amount) => Amount): Rule =>
  (_, inputs) => {
    const { dims, size, values, range } = at(inputs, 0);
    const mapped = values?.map(compute);
    return one(extentOf(dims, { size, range: compute(range), ...(mapped === undefined ? {} : { values: mapped }) }));
  };

export const elementwise =
  (compute?: (a: Amount, b: Amount) => Amount): Rule =>
  (_, inputs) => {
    const present = inputs.filter((input) => input !== undefined);
    const { dims, size } = broadcast(present);
    if (compute === undefined || present.length === 0) return one(extentOf(dims, { size }));
    const values = present.map((input) => input.values).reduce((a, b) => pairs(a, b, compute));
    const range = present.map((input) => input.range).reduce(compute);
    return one(extentOf(dims, { size, range, ...(values === undefined ? {} : { values }) }));
  };

export const compare = (test: (a: Amount, b: Amount) => boolean | undefined): Rule =>
  elementwise((a, b) => truth(test(a, b)));

export const isLess = (a: Amount, b: Amount): boolean | undefined => isAtMost(add(a, number(1)), b);

function choose(condition: Amount, a: Amount, b: Amount): Amount {
  const known = constantOf(condition);
  return known === undefined ? either(a, b) : known === 0 ? b : a;
}

export const where: Rule = (_, inputs) => {
  const [condition, a, b] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
  const { dims, size } = broadcast([condition, a, b]);
  const whole = pairs(a.values, b.values, either);
  const length = Math.max(condition.values?.length ?? 0, whole?.length ?? 0);
  const pick = (values: readonly Amount[] | undefined, i: number): Amount =>
    values?.[values.length === 1 ? 0 : i] ?? UNKNOWN;
  const values =
    condition.values === undefined || whole === undefined
      ? undefined
      : Array.from({ length }, (__, i) => choose(pick(condition.values, i), pick(a.values, i), pick(b.values, i)));
  const range = choose(condition.range, a.range, b.range);
  return one(extentOf(dims, { size, range, ...(values === undefined ? {} : { values }) }));
};
