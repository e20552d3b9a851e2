/**
 * The seeded source of randomness: xoshiro128** 1.1 by Blackman and Vigna (prng.di.unimi.it/xoshiro128starstar.c,
 * public domain; "Scrambled linear pseudorandom number generators", ACM TOMS 47, 2021), its state filled by
 * SplitMix64 as its authors recommend. Integer arithmetic alone: the same seed gives the same numbers everywhere.
 * Not for cryptography.
 */

/** A function that returns the next number in [0, 1), with 53 random bits. */
export type RandomSource = () => number;

/** Returns xoshiro128** over the given state of four 32-bit words, not all zero: the next 32-bit word at each call. */
export function xoshiro128StarStar(state: Uint32Array): () => number {
  let [a = 0, b = 0, c = 0, d = 0] = state;
  return () => {
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
}

/** Four words of state from an unsigned 32-bit seed: two outputs of SplitMix64, low word first. */
export function expandSeed(seed: number): Uint32Array {
  const words = new Uint32Array(4);
  let counter = BigInt(seed);
  for (let i = 0; i < words.length; i += 2) {
    counter = BigInt.asUintN(64, counter + 0x9e3779b97f4a7c15n);
    let z = counter;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    z ^= z >> 31n;
    words[i] = Number(z & 0xffffffffn);
    words[i + 1] = Number(z >> 32n);
  }
  return words;
}

/** A reproducible source of numbers in [0, 1) from an unsigned 32-bit seed. */
export function createRandomSource(seed: number): RandomSource {
  const next = xoshiro128StarStar(expandSeed(seed));
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) * 2 ** -53;
}
