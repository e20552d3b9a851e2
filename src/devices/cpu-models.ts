/**
 * The instruction sets of a CPU by its family and model, for systems that tell those alone (Windows). Data.
 *
 * Sources: Linux, arch/x86/include/asm/intel-family.h and arch/x86/kernel/cpu/amd.c (which models are which processor);
 * Intel's and AMD's published instruction sets of those.
 */
import type { InstructionSet } from './device.js';

const AVX2 = ['avx2'] as const;
const AVX_VNNI = ['avx2', 'avx-vnni'] as const;
const AVX512_VNNI = ['avx2', 'avx512-vnni'] as const;
const AVX_AND_AVX512_VNNI = ['avx2', 'avx-vnni', 'avx512-vnni'] as const;
const AMX = ['avx2', 'avx-vnni', 'avx512-vnni', 'amx-int8'] as const;

interface Range {
  readonly from: number;
  readonly to: number;
  readonly sets: readonly InstructionSet[];
}

const one = (model: number, sets: readonly InstructionSet[]): Range => ({ from: model, to: model, sets });

/** Family 6. */
const INTEL: readonly Range[] = [
  ...[60, 61, 63, 69, 70, 71, 78, 79, 86, 94, 142, 158, 165, 166, 85].map((model) => one(model, AVX2)), // Haswell to Comet Lake, Skylake servers
  ...[125, 126, 140, 141, 167, 106, 108].map((model) => one(model, AVX512_VNNI)), // Ice, Tiger, Rocket Lake
  ...[151, 154, 183, 186, 190, 191].map((model) => one(model, AVX_VNNI)), // Alder and Raptor Lake
  ...[170, 172, 181, 197, 198, 189, 204, 213].map((model) => one(model, AVX_VNNI)), // Meteor, Arrow, Lunar, Panther, Wildcat Lake
  one(175, AVX_VNNI), // Sierra Forest
  ...[143, 207, 173, 174].map((model) => one(model, AMX)), // Sapphire, Emerald, Granite Rapids
];

const AMD: Readonly<Record<number, readonly Range[]>> = {
  23: [{ from: 0, to: 255, sets: AVX2 }], // Zen, Zen 2
  25: [
    { from: 0x10, to: 0x1f, sets: AVX512_VNNI }, // Zen 4: Genoa
    { from: 0x60, to: 0x7f, sets: AVX512_VNNI }, // Zen 4: Raphael, Phoenix, Hawk Point
    { from: 0xa0, to: 0xaf, sets: AVX512_VNNI }, // Zen 4c: Bergamo
    { from: 0, to: 255, sets: AVX2 }, // Zen 3
  ],
  26: [{ from: 0, to: 255, sets: AVX_AND_AVX512_VNNI }], // Zen 5
};

/**
 * @param identifier as Windows has it: `Intel64 Family 6 Model 170 Stepping 4`, `AMD64 Family 25 Model 116 Stepping 1`,
 *   `ARMv8 (64-bit) Family 8 Model 1 Revision 201`; it is never translated
 * @param name of the processor, which tells more on Arm
 */
export function instructionSetsOf(identifier: string, name: string): readonly InstructionSet[] | undefined {
  if (/^ARM/iu.test(identifier)) {
    return /Snapdragon.* X\b|X1E|X1P|Oryon/iu.test(name) ? ['neon', 'neon-dotprod', 'neon-i8mm'] : undefined;
  }
  const found = /Family (\d+) Model (\d+)/u.exec(identifier);
  if (found === null) return undefined;
  const [family, model] = [Number(found[1]), Number(found[2])];
  const ranges = /^Intel/iu.test(identifier) ? (family === 6 ? INTEL : []) : (AMD[family] ?? []);
  return ranges.find(({ from, to }) => model >= from && model <= to)?.sets;
}
