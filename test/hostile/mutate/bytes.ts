/** Damage that needs no knowledge of a format: what a bad disk, a cut download or a blunt attacker does. */
import type { Random } from '../random.js';

export interface Mutated {
  readonly bytes: Buffer;
  /** What was done, for whoever looks at a failure. */
  readonly what: string;
}

/** Not valid UTF-8: a lone continuation, an overlong slash, a surrogate, a code point beyond Unicode, a cut sequence. */
const INVALID_UTF8 = ['80', 'c0af', 'eda080', 'f4908080', 'e282'].map((hex) => Buffer.from(hex, 'hex'));

/** `other` is a second valid file to splice with. `within` limits where it bites: the first bytes, say. */
export function mutateBytes(random: Random, bytes: Buffer, other: Buffer = bytes, within = bytes.length): Mutated {
  const at = random.below(Math.max(1, Math.min(within, bytes.length)));
  const length = 1 + random.below(random.chance(0.5) ? 16 : 4096);
  const copy = Buffer.from(bytes);
  switch (random.below(8)) {
    case 0:
      return { bytes: bytes.subarray(0, at), what: `cut at byte ${at}` };
    case 1: {
      const flips = 1 + random.below(8);
      for (let i = 0; i < flips; i += 1) {
        const place = random.below(Math.max(1, Math.min(within, copy.length)));
        copy[place] = (copy[place] ?? 0) ^ (1 << random.below(8));
      }
      return { bytes: copy, what: `${flips} bits flipped in the first ${within} bytes` };
    }
    case 2:
      copy.fill(random.pick([0, 0xff]), at, Math.min(copy.length, at + length));
      return { bytes: copy, what: `${length} bytes overwritten at ${at}` };
    case 3: {
      const size = random.pick([1, 2, 4, 8]);
      const value = random.extreme();
      const number = Buffer.alloc(8);
      number.writeBigUInt64LE(value);
      number.copy(copy, at, 0, size);
      return { bytes: copy, what: `${size} bytes at ${at} set to ${value}` };
    }
    case 4:
      return {
        bytes: Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at)]),
        what: `${length} bytes at ${at} repeated`,
      };
    case 5:
      return {
        bytes: Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]),
        what: `${length} bytes at ${at} removed`,
      };
    case 6: {
      const from = random.below(Math.max(1, other.length));
      return {
        bytes: Buffer.concat([bytes.subarray(0, at), other.subarray(from)]),
        what: `spliced at ${at} with another file from its byte ${from}`,
      };
    }
    default: {
      const inserted = random.chance(0.5) ? random.pick(INVALID_UTF8) : random.bytes(length);
      return {
        bytes: Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)]),
        what: `${inserted.length} stray bytes inserted at ${at}`,
      };
    }
  }
}
