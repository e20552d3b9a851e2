/**
 * Seeded random weights, fast: about a nanosecond for each value. A value is drawn from a table of 65,536 quantiles of
 * the normal distribution, already rounded to bf16, so that no arithmetic is left but the generator's. It knows nothing
 * of models or files.
 */
import { createHash } from 'node:crypto';

const QUANTILES = 65_536;

/** The inverse of the standard normal distribution's CDF; P. J. Acklam's approximation, relative error 1.15e-9. */
function inverseNormal(probability) {
  const a = [-39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716];
  const b = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572];
  const c = [-0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968];
  const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];
  const horner = (coefficients, x) => coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
  if (probability > 0.5) return -inverseNormal(1 - probability);
  if (probability < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(probability));
    return horner([...c, 2.938163982698783], q) / horner([...d, 1], q);
  }
  const q = probability - 0.5;
  return (horner([...a, 2.506628277459239], q * q) * q) / horner([...b, 1], q * q);
}

let quantiles;
/** f32 [65536], ascending. */
function normalQuantiles() {
  quantiles ??= Float32Array.from({ length: QUANTILES }, (_, index) => inverseNormal((index + 0.5) / QUANTILES));
  return quantiles;
}

/** Upper 16 bits of an f32, rounded half to even. Values are finite. */
function toBf16(values) {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16);
}

/** One tensor's values, in pieces: bf16 numbers of the normal distribution. The same seed and name give the same values. */
export class RandomTensor {
  #table;
  #state;

  /** @param {{ seed: number, name: string, mean?: number, deviation: number }} options */
  constructor({ seed, name, mean = 0, deviation }) {
    this.#table = toBf16(normalQuantiles().map((quantile) => mean + deviation * quantile));
    const digest = createHash('sha256').update(`${seed}/${name}`).digest();
    this.#state = Uint32Array.from([0, 4, 8, 12], (offset) => digest.readUInt32LE(offset) | (offset === 0 ? 1 : 0));
  }

  /** Fills with the next values, two bf16 to a word, little-endian. `words` is a Uint32Array. */
  fill(words) {
    const table = this.#table;
    let [x, y, z, w] = this.#state;
    for (let index = 0; index < words.length; index += 1) {
      // G. Marsaglia's xorshift128, period 2^128 - 1: tensors do not share stretches of one short cycle.
      const t = x ^ (x << 11);
      x = y;
      y = z;
      z = w;
      w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
      words[index] = table[w & 0xffff] | (table[w >>> 16] << 16);
    }
    this.#state.set([x, y, z, w]);
  }
}
