/**
 * Sizes and the whole numbers that decide them, as polynomials of what a run brings: sequences in a batch, tokens of each,
 * positions in the past. Where a number is not known exactly, its bounds are. It knows no graphs and no operators.
 */

/** Coefficients by monomial: 100 times the exponent of the batch, 10 times that of the tokens, and that of the past. */
export type Polynomial = ReadonlyMap<number, number>;

/** A whole number, or a bound on it, for every batch and tokens of at least 1 and past of at least 0. */
export interface Amount {
  /** Its value, where it is known. */
  readonly exact: Polynomial | undefined;
  readonly low: number;
  /** Coefficients of 0 or more; one that is infinite stands for no bound. */
  readonly high: Polynomial;
}

export const BATCH = 100;
export const TOKENS = 10;
export const PAST = 1;
const CONSTANT = 0;
/** Of a product; more is no bound that anybody could use, and takes long to compute. */
const MAX_DEGREE = 4;
/** Products of terms in one product of two polynomials: a decoder's have one or two terms. */
const MAX_TERM_PRODUCTS = 16;
/** Beyond it a number is not followed exactly. */
const MAX_EXACT = 2 ** 31;
/** Beyond them a runtime's own arithmetic may overflow, and a number is not what it seems: it may be negative. */
const INTEGER_BITS = 62;
/** Tokens of all sequences of one run, and positions of a past, that there are no more of, as powers of two. */
const RUN_BITS = 13;
const PAST_BITS = 17;

export const UNBOUNDED: Polynomial = new Map([[CONSTANT, Infinity]]);
export const UNKNOWN: Amount = { exact: undefined, low: -Infinity, high: UNBOUNDED };

/** Total degree of a monomial in tokens and past, plus that of the batch beyond the first power. */
export function degreeOf(monomial: number): number {
  const batch = Math.floor(monomial / BATCH);
  return Math.max(0, batch - 1) + (Math.floor(monomial / TOKENS) % 10) + (monomial % 10);
}

export function addPolynomials(a: Polynomial, b: Polynomial, factor = 1): Polynomial {
  if (b.size === 0) return a;
  const sum = new Map(a);
  for (const [monomial, coefficient] of b) sum.set(monomial, (sum.get(monomial) ?? 0) + factor * coefficient);
  return normal(sum);
}

export function multiplyPolynomials(a: Polynomial, b: Polynomial): Polynomial {
  const product = new Map<number, number>();
  if (a.size * b.size > MAX_TERM_PRODUCTS) return UNBOUNDED;
  for (const [left, x] of a) {
    for (const [right, y] of b) {
      const monomial = left + right;
      if (degreeOf(left) + degreeOf(right) > MAX_DEGREE || monomial >= 9 * BATCH) return UNBOUNDED;
      product.set(monomial, (product.get(monomial) ?? 0) + x * y);
    }
  }
  return normal(product);
}

export function samePolynomial(a: Polynomial | undefined, b: Polynomial | undefined): boolean {
  if (a === undefined || b === undefined || a.size !== b.size) return false;
  return [...a].every(([monomial, coefficient]) => b.get(monomial) === coefficient);
}

/** At least both, coefficient by coefficient. Both without negative ones. */
function upper(a: Polynomial, b: Polynomial): Polynomial {
  const larger = new Map(a);
  for (const [monomial, coefficient] of b) larger.set(monomial, Math.max(larger.get(monomial) ?? 0, coefficient));
  return larger;
}

function normal(polynomial: Map<number, number>): Polynomial {
  for (const [monomial, coefficient] of polynomial) {
    if (coefficient === 0) polynomial.delete(monomial);
    else if (Number.isNaN(coefficient)) return UNBOUNDED;
  }
  return polynomial;
}

/** Whether a number that is computed in whole numbers of so many bits, without the sign, is what it seems in every run. */
export function fitsBits(polynomial: Polynomial, bits: number): boolean {
  let most = 0;
  for (const [monomial, coefficient] of polynomial) {
    const powers = [Math.floor(monomial / BATCH), Math.floor(monomial / TOKENS) % 10] as const;
    most += Math.abs(coefficient) * 2 ** (RUN_BITS * Math.max(...powers) + PAST_BITS * (monomial % 10));
  }
  return most < 2 ** bits;
}

/** As between(), of what is computed: where it may overflow, it may be negative. */
function computed(low: number, high: Polynomial): Amount {
  return between(fitsBits(high, INTEGER_BITS) ? low : -Infinity, high);
}

export function exactly(polynomial: Polynomial): Amount {
  let isExact = fitsBits(polynomial, INTEGER_BITS);
  let grows = true;
  let isPositive = true;
  let low = 0;
  for (const [monomial, coefficient] of polynomial) {
    if (!Number.isFinite(coefficient)) return UNKNOWN;
    if (Math.abs(coefficient) > MAX_EXACT) isExact = false;
    if (coefficient < 0) isPositive = false;
    if (coefficient < 0 && monomial !== CONSTANT) grows = false;
    // At least: sequences and tokens are 1 or more, a past may be none.
    if (monomial % 10 === 0) low += coefficient;
  }
  const high = isPositive ? polynomial : new Map([...polynomial].filter(([, coefficient]) => coefficient > 0));
  if (!isExact) return between(-Infinity, high);
  return { exact: polynomial, low: grows ? low : -Infinity, high };
}

export function number(value: number): Amount {
  // Beyond 2^53 it is not what the file says, but "to the end", as slices say it.
  if (value > MAX_EXACT) return between(MAX_EXACT, new Map([[CONSTANT, value]]));
  return exactly(value === 0 ? new Map() : new Map([[CONSTANT, value]]));
}

export function variable(monomial: number): Amount {
  return exactly(new Map([[monomial, 1]]));
}

export function between(low: number, high: Polynomial): Amount {
  return { exact: undefined, low, high };
}

/** The number itself where it depends on nothing. */
export function constantOf({ exact }: Amount): number | undefined {
  if (exact === undefined || exact.size > 1) return undefined;
  return exact.size === 0 ? 0 : exact.get(CONSTANT);
}

export function add(a: Amount, b: Amount): Amount {
  if (a.exact !== undefined && b.exact !== undefined) return exactly(addPolynomials(a.exact, b.exact));
  return computed(a.low + b.low, addPolynomials(a.high, b.high));
}

export function subtract(a: Amount, b: Amount): Amount {
  if (a.exact !== undefined && b.exact !== undefined) return exactly(addPolynomials(a.exact, b.exact, -1));
  const most = b.low >= 0 ? a.high : addPolynomials(a.high, new Map([[CONSTANT, -b.low]]));
  const least = constantOf({ exact: b.high, low: 0, high: b.high });
  return computed(least === undefined ? -Infinity : a.low - least, most);
}

export function multiply(a: Amount, b: Amount): Amount {
  if (a.exact !== undefined && b.exact !== undefined) return exactly(multiplyPolynomials(a.exact, b.exact));
  return a.low >= 0 && b.low >= 0 ? computed(a.low * b.low, multiplyPolynomials(a.high, b.high)) : UNKNOWN;
}

/** Rounded down; where the rest is not zero, as bounds. */
export function divide(a: Amount, b: Amount): Amount {
  const quotient = a.exact === undefined || b.exact === undefined ? undefined : dividePolynomials(a.exact, b.exact);
  if (quotient !== undefined) return exactly(quotient);
  if (a.low < 0 || b.low < 1) return UNKNOWN;
  return between(0, new Map([...a.high].map(([monomial, coefficient]) => [monomial, coefficient / b.low])));
}

/** Undefined where there is a rest, or a quotient that is not whole. */
function dividePolynomials(a: Polynomial, b: Polynomial): Polynomial | undefined {
  const leading = Math.max(...b.keys());
  const divisor = b.get(leading);
  if (divisor === undefined) return undefined;
  let rest = a;
  let quotient: Polynomial = new Map();
  for (let step = 0; rest.size > 0; step += 1) {
    const monomial = Math.max(...rest.keys());
    const coefficient = (rest.get(monomial) ?? 0) / divisor;
    const left = monomial - leading;
    const isDivisible = [BATCH, TOKENS, PAST].every(
      (unit) => Math.floor(monomial / unit) % 10 >= Math.floor(leading / unit) % 10,
    );
    if (!isDivisible || !Number.isInteger(coefficient) || step > 64) return undefined;
    const term = new Map([[left, coefficient]]);
    quotient = addPolynomials(quotient, term);
    rest = addPolynomials(rest, multiplyPolynomials(term, b), -1);
  }
  return quotient;
}

export function negate(a: Amount): Amount {
  return subtract(number(0), a);
}

/** One of them, it is not known which. */
export function either(a: Amount, b: Amount): Amount {
  if (samePolynomial(a.exact, b.exact)) return a;
  return between(Math.min(a.low, b.low), upper(a.high, b.high));
}

export function largest(a: Amount, b: Amount): Amount {
  if (isAtMost(a, b) === true) return b;
  if (isAtMost(b, a) === true) return a;
  return between(Math.max(a.low, b.low), upper(a.high, b.high));
}

export function smallest(a: Amount, b: Amount): Amount {
  if (isAtMost(a, b) === true) return a;
  if (isAtMost(b, a) === true) return b;
  // Either bound holds: a constant one is the firmer.
  const high = constantOf({ exact: b.high, low: 0, high: b.high }) === undefined ? a.high : b.high;
  return between(Math.min(a.low, b.low), high);
}

/** Undefined where it depends on the run. */
export function isAtMost(a: Amount, b: Amount): boolean | undefined {
  const difference = subtract(b, a);
  if (difference.low >= 0) return true;
  return difference.high.size === 0 && constantOf(difference) !== 0 ? false : undefined;
}

export function isEqual(a: Amount, b: Amount): boolean | undefined {
  if (samePolynomial(a.exact, b.exact)) return true;
  const [more, less] = [subtract(a, b), subtract(b, a)];
  return more.low > 0 || less.low > 0 ? false : undefined;
}

export function truth(value: boolean | undefined): Amount {
  return value === undefined ? between(0, new Map([[CONSTANT, 1]])) : number(value ? 1 : 0);
}

export function productOf(amounts: readonly Amount[]): Amount {
  return amounts.reduce(multiply, number(1));
}
