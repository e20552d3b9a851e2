/**
 * Sizes and small numbers of what takes parts of tensors or joins them.
 */
import { extentOf, type Extent } from './extent.js';
import { type Rule, NOTHING, one, at, attribute, axisOf } from './rule.js';
import {
  add,
  between,
  constantOf,
  divide,
  either,
  multiply,
  number,
  smallest,
  subtract,
  UNKNOWN,
  type Amount,
} from './symbolic-size.js';

export const gather: Rule = (node, inputs) => {
  const [data, indices] = [at(inputs, 0), at(inputs, 1)];
  if (data.dims === undefined || indices.dims === undefined) return one(NOTHING);
  const axis = axisOf(attribute(node, 'axis') ?? 0, data.dims.length);
  const dims = [...data.dims.slice(0, axis), ...indices.dims, ...data.dims.slice(axis + 1)];
  const { values } = data;
  if (values === undefined || data.dims.length !== 1) return one(extentOf(dims, { range: data.range }));
  const picked = indices.values?.map((value) => {
    const index = constantOf(value);
    return (index === undefined ? undefined : values[axisOf(index, values.length)]) ?? data.range;
  });
  return one(extentOf(dims, { range: data.range, ...(picked === undefined ? {} : { values: picked }) }));
};

/** GatherBlockQuantized keeps two numbers of four bits in a byte, with the attribute `bits`. */
export const gatherQuantised: Rule = (node, inputs) => {
  const { dims } = at(inputs, 0);
  const bits = attribute(node, 'bits') ?? 4;
  const { dims: indices } = at(inputs, 1);
  if (dims === undefined || indices === undefined || bits < 1) return one(NOTHING);
  const axis = axisOf(attribute(node, 'gather_axis') ?? 0, dims.length);
  const all = [...dims.slice(0, axis), ...indices, ...dims.slice(axis + 1)];
  const last = all.at(-1) ?? UNKNOWN;
  const unpacked = multiply(last, number(Math.ceil(8 / bits)));
  // Whether a byte has several numbers its type says; here, how many blocks of them have a scale.
  const scales = constantOf(at(inputs, 2).dims?.at(-1) ?? UNKNOWN);
  const blocks = (size: Amount): number =>
    Math.ceil((constantOf(size) ?? NaN) / (attribute(node, 'block_size') ?? 128));
  const fits = [last, unpacked].filter((size) => blocks(size) === scales);
  const width = fits.length === 1 ? (fits[0] ?? UNKNOWN) : either(last, unpacked);
  return one(extentOf([...all.slice(0, -1), width]));
};

export const gatherNd: Rule = (node, inputs) => {
  const [data, indices] = [at(inputs, 0).dims, at(inputs, 1).dims];
  const width = constantOf(indices?.at(-1) ?? UNKNOWN);
  if (data === undefined || indices === undefined || width === undefined) return one(NOTHING);
  return one(extentOf([...indices.slice(0, -1), ...data.slice((attribute(node, 'batch_dims') ?? 0) + width)]));
};

export const concat: Rule = (node, inputs) => {
  const parts = inputs.map((input) => input ?? NOTHING);
  const [first] = parts;
  if (first?.dims === undefined || parts.some(({ dims }) => dims === undefined)) return one(NOTHING);
  const axis = axisOf(attribute(node, 'axis') ?? 0, first.dims.length);
  const joined = parts.map(({ dims }) => dims?.[axis] ?? UNKNOWN).reduce(add);
  const dims = first.dims.map((size, i) => (i === axis ? joined : size));
  const values = first.dims.length === 1 ? parts.map((part) => part.values) : [undefined];
  const isKnown = values.every((list) => list !== undefined);
  return one(
    extentOf(dims, {
      range: parts.map(({ range }) => range).reduce(either),
      ...(isKnown ? { values: values.flat() } : {}),
    }),
  );
};

/** As exporters write it, in 32 or 64 bits. */
export const TO_THE_END = 2 ** 31 - 1;

/** The size of a slice of a dimension: exactly, where the ends are plain. */
export function sliceSize(size: Amount, start: Amount, end: Amount, step: number | undefined): Amount {
  const whole = constantOf(size);
  const [first, last] = [constantOf(start), constantOf(end)];
  if (step === 1 && first !== undefined) {
    if (end.low >= TO_THE_END)
      return first < 0 ? smallest(number(-first), size) : atLeastZero(subtract(size, number(first)));
    if (whole !== undefined && last !== undefined) {
      const clamp = (value: number): number => Math.min(whole, Math.max(0, axisOf(value, whole)));
      return number(Math.max(0, clamp(last) - clamp(first)));
    }
    if (first === 0 && end.low >= 0) return smallest(end, size);
  }
  return between(0, size.high);
}

function atLeastZero(value: Amount): Amount {
  return value.low >= 0 ? value : between(0, value.high);
}

export const slice: Rule = (node, inputs) => {
  const data = at(inputs, 0);
  const list = (name: string, index: number): readonly Amount[] | undefined =>
    node.integers.get(name)?.map(number) ?? at(inputs, index).values;
  const [starts, ends] = [list('starts', 1), list('ends', 2)];
  const axes = list('axes', 3) ?? (inputs[3] === undefined ? starts?.map((_, i) => number(i)) : undefined);
  const steps = list('steps', 4) ?? (inputs[4] === undefined ? starts?.map(() => number(1)) : undefined);
  if (data.dims === undefined || starts === undefined || ends === undefined || axes === undefined) {
    return one(
      extentOf(
        data.dims?.map(({ high }) => between(0, high)),
        { size: data.size, range: data.range },
      ),
    );
  }
  const dims = [...data.dims];
  for (const [i, start] of starts.entries()) {
    const axis = axisOf(constantOf(axes[i] ?? UNKNOWN) ?? NaN, dims.length);
    const whole = dims[axis];
    // Which axis it is cannot be told: any.
    if (whole === undefined)
      return one(
        extentOf(
          dims.map(({ high }) => between(0, high)),
          { size: data.size, range: data.range },
        ),
      );
    dims[axis] = sliceSize(whole, start, ends[i] ?? UNKNOWN, constantOf(steps?.[i] ?? UNKNOWN));
  }
  const [start, end] = [constantOf(starts[0] ?? UNKNOWN), ends[0] ?? UNKNOWN];
  const last = end.low >= TO_THE_END ? TO_THE_END : constantOf(end);
  const isPlain = dims.length === 1 && start !== undefined && constantOf(steps?.[0] ?? UNKNOWN) === 1;
  const values = isPlain && last !== undefined ? data.values?.slice(start, last) : undefined;
  return one(extentOf(dims, { range: data.range, ...(values === undefined ? {} : { values }) }));
};

export const split: Rule = (node, inputs) => {
  const data = at(inputs, 0);
  const parts = node.outputs.length;
  if (data.dims === undefined) return { outputs: node.outputs.map(() => data) };
  const axis = axisOf(attribute(node, 'axis') ?? 0, data.dims.length);
  const given = node.integers.get('split')?.map(number) ?? at(inputs, 1).values;
  return {
    outputs: node.outputs.map((_, i) => {
      const whole = data.dims?.[axis] ?? UNKNOWN;
      const equal = divide(whole, number(parts));
      const size = given?.[i] ?? (equal.exact === undefined ? between(0, whole.high) : equal);
      const each = given === undefined && data.dims?.length === 1 ? constantOf(size) : undefined;
      const values = each === undefined ? undefined : data.values?.slice(i * each, (i + 1) * each);
      return extentOf(
        data.dims?.map((other, j) => (j === axis ? size : other)),
        { range: data.range, ...(values === undefined ? {} : { values }) },
      );
    }),
  };
};

/** By the masks that OpenVINO and TensorFlow share: bounds to ignore, new axes of 1, axes of which one place is taken. */
export const stridedSlice: Rule = (node, inputs) => {
  const data = at(inputs, 0);
  const unknown = one(extentOf(undefined, { size: data.size, range: data.range }));
  const [starts, ends, steps] = [at(inputs, 1).values, at(inputs, 2).values, at(inputs, 3).values];
  const has = (mask: string, i: number): boolean => (node.integers.get(mask)?.[i] ?? 0) !== 0;
  const isWhole = starts?.some((_, i) => has('ellipsis_mask', i)) !== false;
  if (data.dims === undefined || starts === undefined || ends === undefined || isWhole) return unknown;
  const stepOf = (i: number): number | undefined => (inputs[3] === undefined ? 1 : constantOf(steps?.[i] ?? UNKNOWN));
  const rest = [...data.dims];
  const dims: Amount[] = [];
  for (const [i, start] of starts.entries()) {
    if (has('new_axis_mask', i)) {
      dims.push(number(1));
      continue;
    }
    const whole = rest.shift();
    if (whole === undefined) return unknown;
    if (has('shrink_axis_mask', i)) continue;
    const from = has('begin_mask', i) ? number(0) : start;
    const to = has('end_mask', i) ? number(TO_THE_END) : (ends[i] ?? UNKNOWN);
    dims.push(sliceSize(whole, from, to, stepOf(i)));
  }
  const values = valuesOf(data, starts, ends, { has, step: stepOf(0) });
  return one(extentOf([...dims, ...rest], { range: data.range, ...(values === undefined ? {} : { values }) }));
};

/** Of a slice of one dimension: one of its numbers, or several. */
function valuesOf(
  { dims, values }: Extent,
  [start = UNKNOWN, ...others]: readonly Amount[],
  [end = UNKNOWN]: readonly Amount[],
  { has, step }: { has: (mask: string, i: number) => boolean; step: number | undefined },
): readonly Amount[] | undefined {
  if (dims?.length !== 1 || values === undefined || others.length > 0 || has('new_axis_mask', 0)) return undefined;
  const first = has('begin_mask', 0) ? 0 : constantOf(start);
  if (first === undefined) return undefined;
  if (has('shrink_axis_mask', 0)) return values.slice(axisOf(first, values.length)).slice(0, 1);
  const last = has('end_mask', 0) || end.low >= TO_THE_END ? TO_THE_END : constantOf(end);
  return step === 1 && last !== undefined ? values.slice(first, last) : undefined;
}
