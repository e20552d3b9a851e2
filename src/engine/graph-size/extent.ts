/**
 * What is known of a tensor before a run: its dimensions, how many elements it has at most and, of the small whole numbers
 * that shapes are computed from, their values. It knows no operators.
 */
import {
  addPolynomials,
  constantOf,
  either,
  isEqual,
  largest,
  multiplyPolynomials,
  number,
  productOf,
  samePolynomial,
  UNBOUNDED,
  UNKNOWN,
  type Amount,
  type Polynomial,
} from './symbolic-size.js';

export interface Extent {
  /** Undefined where not even their number is known. */
  readonly dims: readonly Amount[] | undefined;
  /** Elements at most. */
  readonly size: Polynomial;
  /** Of each element, in order; undefined where there are many. */
  readonly values: readonly Amount[] | undefined;
  /** Of any element. */
  readonly range: Amount;
}

/** What a node makes. */
export interface Sizes {
  readonly outputs: readonly Extent[];
  /** Elements that the outputs take, where that is not what they have. */
  readonly taken?: Polynomial;
  /** Multiplications of matrices. */
  readonly products?: Polynomial;
  /** Elements that it needs besides its outputs. */
  readonly scratch?: Polynomial;
  /** What the runtime takes for granted of the inputs and is not so, for a message: `has ...`. */
  readonly problem?: string | undefined;
}

/** Values are followed in tensors of at most so many elements. */
const MAX_VALUES = 16;

/** `size`: where it is known to be less than the dimensions' product says. */
export function extentOf(
  dims: readonly Amount[] | undefined,
  { size, values, range }: Partial<Omit<Extent, 'dims'>> = {},
): Extent {
  const count = dims === undefined ? undefined : constantOf(productOf(dims));
  const isSmall = count !== undefined && count <= MAX_VALUES;
  const known = isSmall && values?.length === count ? values : undefined;
  const any = range ?? (known !== undefined && known.length > 0 ? known.reduce(either) : UNKNOWN);
  return {
    dims,
    size: size ?? (dims === undefined ? UNBOUNDED : productOf(dims).high),
    values: known ?? (isSmall && count >= 0 ? Array.from({ length: count }, () => any) : undefined),
    range: any,
  };
}

export function scalar(value: Amount): Extent {
  return extentOf([], { values: [value] });
}

export function vector(values: readonly Amount[]): Extent {
  return extentOf([number(values.length)], { values });
}

/** Of one or the other. */
export function eitherExtent(a: Extent, b: Extent): Extent {
  const [left, right] = [a.dims, b.dims];
  const dims =
    left?.length === right?.length ? left?.map((size, axis) => either(size, right?.[axis] ?? UNKNOWN)) : undefined;
  const values = a.values?.length === b.values?.length ? pairs(a.values, b.values, either) : undefined;
  return extentOf(dims, {
    size: addPolynomials(a.size, b.size),
    range: either(a.range, b.range),
    ...(values === undefined ? {} : { values }),
  });
}

/** NumPy's broadcasting. */
export function broadcast(shapes: readonly Extent[]): Extent {
  const [first, ...others] = shapes;
  if (first === undefined) return extentOf([]);
  let all = extentOf(first.dims, { size: first.size });
  for (const other of others) {
    const dims = broadcastDims(all.dims, other.dims);
    if (dims === undefined) all = extentOf(undefined, { size: multiplyPolynomials(all.size, other.size) });
    else if (sameDims(dims, all.dims)) all = extentOf(dims, { size: all.size });
    else all = sameDims(dims, other.dims) ? extentOf(dims, { size: other.size }) : extentOf(dims);
  }
  return all;
}

function broadcastDims(
  a: readonly Amount[] | undefined,
  b: readonly Amount[] | undefined,
): readonly Amount[] | undefined {
  if (a === undefined || b === undefined) return undefined;
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [left, right] = [a[i - rank + a.length], b[i - rank + b.length]];
    if (left === undefined || right === undefined) return left ?? right ?? UNKNOWN;
    if (isEqual(left, right) === true || constantOf(right) === 1) return left;
    return constantOf(left) === 1 ? right : largest(left, right);
  });
}

function sameDims(a: readonly Amount[], b: readonly Amount[] | undefined): boolean {
  return (
    a.length === b?.length && a.every((size, axis) => size === b[axis] || samePolynomial(size.exact, b[axis]?.exact))
  );
}

/** Element by element, with one element for all where a tensor has no more. Undefined where the numbers do not fit. */
export function pairs(
  a: readonly Amount[] | undefined,
  b: readonly Amount[] | undefined,
  compute: (a: Amount, b: Amount) => Amount,
): readonly Amount[] | undefined {
  if (a === undefined || b === undefined) return undefined;
  const length = a.length === 1 ? b.length : b.length === 1 ? a.length : a.length === b.length ? a.length : -1;
  if (length < 0) return undefined;
  return Array.from({ length }, (_, i) =>
    compute(a[a.length === 1 ? 0 : i] ?? UNKNOWN, b[b.length === 1 ? 0 : i] ?? UNKNOWN),
  );
}
