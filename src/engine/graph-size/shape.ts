/**
 * Sizes and small numbers of what gives a tensor another shape, reads one, or makes a tensor out of one.
 */
import { broadcast, extentOf, scalar, vector } from './extent.js';
import { type Rule, NOTHING, one, at, attribute, axisOf, numbers, keep, ofTensor } from './rule.js';
import {
  between,
  constantOf,
  divide,
  either,
  multiply,
  number,
  productOf,
  subtract,
  UNKNOWN,
  type Amount,
} from './symbolic-size.js';

/** 0 takes the input's dimension, one -1 takes what is left. Elements are never more than there were. */
export const reshape: Rule = (node, inputs) => {
  const [data, shape] = [at(inputs, 0), at(inputs, 1)];
  const wanted = shape.values;
  if (wanted === undefined) return one(extentOf(undefined, { size: data.size, range: data.range }));
  const copiesZero = (attribute(node, 'allowzero') ?? 0) === 0;
  const dims = wanted.map((size, axis) =>
    copiesZero && constantOf(size) === 0 ? (data.dims?.[axis] ?? UNKNOWN) : size,
  );
  const left = dims.findIndex((size) => constantOf(size) === -1);
  if (left >= 0) {
    const others = productOf(dims.filter((_, axis) => axis !== left));
    const whole = data.dims === undefined ? between(0, data.size) : productOf(data.dims);
    dims[left] = divide(whole, others);
  }
  // A number that is not known may be the -1.
  const bounded = dims.map((size) => (size.low >= 0 ? size : between(0, data.size)));
  return one(extentOf(bounded, { size: data.size, range: data.range, ...keep(data) }));
};

export const transpose: Rule = (node, inputs) => {
  const { dims, size, range } = at(inputs, 0);
  const order = node.integers.get('perm') ?? dims?.map((_, axis) => dims.length - 1 - axis);
  return one(extentOf(dims === undefined ? undefined : order?.map((axis) => dims[axis] ?? UNKNOWN), { size, range }));
};

export const unsqueeze: Rule = (node, inputs) => {
  const { dims, size, range, values } = at(inputs, 0);
  const axes = numbers(node, 'axes', inputs[1]);
  if (dims === undefined || axes === undefined) return one(extentOf(undefined, { size, range }));
  const rank = dims.length + axes.length;
  const added = new Set(axes.map((axis) => axisOf(axis, rank)));
  const rest = [...dims];
  const all = Array.from({ length: rank }, (_, axis) => (added.has(axis) ? number(1) : (rest.shift() ?? UNKNOWN)));
  return one(extentOf(all, { size, range, ...(values === undefined ? {} : { values }) }));
};

export const squeeze: Rule = (node, inputs) => {
  const { dims, size, range, values } = at(inputs, 0);
  const axes = numbers(node, 'axes', inputs[1]);
  if (dims === undefined || (axes === undefined && inputs[1] !== undefined))
    return one(extentOf(undefined, { size, range }));
  const dropped = axes?.map((axis) => axisOf(axis, dims.length));
  // Without axes: every 1, and what may be one cannot be told.
  if (dropped === undefined && dims.some((other) => constantOf(other) === undefined))
    return one(extentOf(undefined, { size, range }));
  const left = dims.filter((other, axis) =>
    dropped === undefined ? constantOf(other) !== 1 : !dropped.includes(axis),
  );
  return one(extentOf(left, { size, range, ...(values === undefined ? {} : { values }) }));
};

export const flatten: Rule = (node, inputs) => {
  const { dims, size, range } = at(inputs, 0);
  if (dims === undefined) return one(extentOf(undefined, { size, range }));
  const axis = axisOf(attribute(node, 'axis') ?? 1, dims.length);
  return one(extentOf([productOf(dims.slice(0, axis)), productOf(dims.slice(axis))], { size, range }));
};

export const shapeOf: Rule = (node, inputs) => {
  const { dims } = at(inputs, 0);
  return one(dims === undefined ? NOTHING : vector(dims.slice(attribute(node, 'start') ?? 0, attribute(node, 'end'))));
};

export const constantOfShape: Rule = (node, inputs) => {
  const value = node.tensors.get('value');
  const fill =
    value === undefined ? number(0) : value.integers?.[0] === undefined ? UNKNOWN : number(value.integers[0]);
  return one(extentOf(at(inputs, 0).values, { range: fill }));
};

export const expand: Rule = (_, inputs) => {
  const [data, shape] = [at(inputs, 0), at(inputs, 1)];
  if (shape.values === undefined) return one(NOTHING);
  const { dims, size } = broadcast([data, extentOf(shape.values)]);
  return one(extentOf(dims, { size, range: data.range }));
};

export const tile: Rule = (_, inputs) => {
  const { dims, range } = at(inputs, 0);
  const repeats = at(inputs, 1).values;
  if (dims === undefined || repeats === undefined) return one(NOTHING);
  return one(
    extentOf(
      dims.map((size, axis) => multiply(size, repeats[axis] ?? UNKNOWN)),
      { range },
    ),
  );
};

export const range: Rule = (_, inputs) => {
  const [start, limit, delta] = [0, 1, 2].map((index) => at(inputs, index).values?.[0] ?? UNKNOWN) as [
    Amount,
    Amount,
    Amount,
  ];
  const span = subtract(limit, start);
  const count = constantOf(delta) === 1 ? span : delta.low >= 1 ? between(0, span.high) : UNKNOWN;
  return one(extentOf([count.exact === undefined ? between(0, count.high) : count], { range: either(start, limit) }));
};

export const reduce =
  (compute: (range: Amount, count: Amount) => Amount): Rule =>
  (node, inputs) => {
    const { dims, size, range: values } = at(inputs, 0);
    const axes = numbers(node, 'axes', inputs[1]);
    const isAll = axes === undefined || axes.length === 0;
    if (isAll && attribute(node, 'noop_with_empty_axes') === 1) return one(at(inputs, 0));
    const known = isAll && inputs[1] !== undefined && axes === undefined ? undefined : dims;
    if (known === undefined) return one(extentOf(undefined, { size, range: compute(values, between(0, size)) }));
    const reduced = new Set(isAll ? known.keys() : axes.map((axis) => axisOf(axis, known.length)));
    const count = productOf(known.filter((_, axis) => reduced.has(axis)));
    const keepsDims = (attribute(node, 'keepdims') ?? 1) !== 0;
    const left = known.flatMap((other, axis) => (reduced.has(axis) ? (keepsDims ? [number(1)] : []) : [other]));
    return one(extentOf(left, { range: compute(values, count) }));
  };

export const constant: Rule = ({ integers, tensors, floats }) => {
  const tensor = tensors.get('value');
  if (tensor !== undefined) return one(ofTensor(tensor));
  const single = integers.get('value_int')?.[0];
  if (single !== undefined) return one(scalar(number(single)));
  const list = integers.get('value_ints');
  if (list !== undefined) return one(vector(list.map(number)));
  return one(floats.has('value_floats') ? extentOf([number(floats.get('value_floats') ?? 0)]) : extentOf([]));
};
