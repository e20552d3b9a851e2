/**
 * Sizes and multiplications of products of matrices.
 */
import { broadcast, extentOf, type Extent, type Sizes } from './extent.js';
import { NOTHING, one } from './rule.js';
import { multiplyPolynomials, smallest, UNKNOWN } from './symbolic-size.js';

/** [..., m, k] by [..., k, n]. */
export function matMul(a: Extent, b: Extent, transposeA = false, transposeB = false): Sizes {
  const [left, right] = [a.dims, b.dims];
  if (left === undefined || right === undefined || left.length === 0 || right.length === 0) return one(NOTHING);
  const m = left.length === 1 ? undefined : left.at(transposeA ? -1 : -2);
  const inner = left.at(transposeA ? -2 : -1) ?? UNKNOWN;
  const n = right.length === 1 ? undefined : right.at(transposeB ? -2 : -1);
  const other = right.at(right.length === 1 || transposeB ? -1 : -2) ?? UNKNOWN;
  const batch = broadcast([extentOf(left.slice(0, -2)), extentOf(right.slice(0, -2))]).dims ?? [UNKNOWN];
  const output = extentOf([...batch, ...(m === undefined ? [] : [m]), ...(n === undefined ? [] : [n])]);
  // The runtime sees that the two are one: the firmer bound serves.
  return { outputs: [output], products: multiplyPolynomials(output.size, smallest(inner, other).high) };
}
