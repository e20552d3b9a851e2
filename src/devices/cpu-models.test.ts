import { describe, expect, it } from 'vitest';
import { instructionSetsOf } from './cpu-models.js';

describe('instructionSetsOf', () => {
  it.each([
    ['Intel64 Family 6 Model 142 Stepping 12, GenuineIntel', 'i7-10510U', ['avx2']], // Comet Lake
    ['Intel64 Family 6 Model 140 Stepping 1, GenuineIntel', 'i7-1165G7', ['avx2', 'avx512-vnni']], // Tiger Lake
    ['Intel64 Family 6 Model 154 Stepping 3, GenuineIntel', 'i7-1260P', ['avx2', 'avx-vnni']], // Alder Lake
    ['Intel64 Family 6 Model 189 Stepping 1, GenuineIntel', 'Ultra 7 258V', ['avx2', 'avx-vnni']], // Lunar Lake
    [
      'Intel64 Family 6 Model 143 Stepping 8, GenuineIntel',
      'Xeon 8480',
      ['avx2', 'avx-vnni', 'avx512-vnni', 'amx-int8'],
    ],
    ['AMD64 Family 23 Model 113 Stepping 0, AuthenticAMD', 'Ryzen 7 3700X', ['avx2']], // Zen 2
    ['AMD64 Family 25 Model 80 Stepping 0, AuthenticAMD', 'Ryzen 7 5800H', ['avx2']], // Zen 3
    ['AMD64 Family 25 Model 116 Stepping 1, AuthenticAMD', 'Ryzen 7 7840U', ['avx2', 'avx512-vnni']], // Zen 4
    ['AMD64 Family 26 Model 36 Stepping 0, AuthenticAMD', 'Ryzen AI 9 HX 370', ['avx2', 'avx-vnni', 'avx512-vnni']],
    ['Intel64 Family 6 Model 9999 Stepping 1, GenuineIntel', 'a later one', undefined],
    ['ARMv8 (64-bit) Family 8 Model D4B Revision 0', 'another Arm', undefined],
  ])('of %s (%s)', (identifier, name, sets) => {
    expect(instructionSetsOf(identifier, name)).toEqual(sets);
  });
});
