/**
 * The exponential function for arguments of at most zero, in float64 with + - * / alone, which IEEE 754 defines to
 * the last bit. Math.exp may differ between engines and platforms; sampling must not.
 * The algorithm and its constants are those of fdlibm's e_exp.c (Sun Microsystems, freely usable): error below 1 ulp.
 */

const LN2_HIGH = 6.9314718036912381649e-1;
const LN2_LOW = 1.90821492927058770002e-10;
const INVERSE_LN2 = 1.442695040888963387;
const P1 = 1.66666666666666019037e-1;
const P2 = -2.77777777770155933842e-3;
const P3 = 6.61375632143793436117e-5;
const P4 = -1.6533902205465251539e-6;
const P5 = 4.13813679705723846039e-8;

/** Below this the result would be subnormal: a probability no sampler can ever draw, taken as zero. */
const UNDERFLOW = -708;
/** POWERS_OF_TWO[n] is 2 ** -n. */
const POWERS_OF_TWO = Float64Array.from({ length: 1024 }, (_, n) => 2 ** -n);

/** e ** x for x <= 0; 0 for x below -708, -Infinity included. */
export function expNonPositive(x: number): number {
  if (x < UNDERFLOW) return 0;
  const halvings = (0.5 - x * INVERSE_LN2) | 0;
  const high = x + halvings * LN2_HIGH;
  const low = -halvings * LN2_LOW;
  const r = high - low;
  const t = r * r;
  const c = r - t * (P1 + t * (P2 + t * (P3 + t * (P4 + t * P5))));
  const result = 1 - (low - (r * c) / (2 - c) - high);
  return result * (POWERS_OF_TWO[halvings] as number);
}
