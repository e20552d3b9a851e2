/** Windows' counters as they come: several adapters, several programs, names of instances in any case. */
import { describe, expect, it } from 'vitest';
import { summariseAdapters } from './adapters.js';
import { readItems } from './pdh.js';
import { acceleratorsOf } from './windows-source.js';

const ARC = 'luid_0x00000000_0x0000E1C7_phys_0';
const NPU = 'luid_0x00000000_0x0000BB15_phys_0';
const GEFORCE = 'luid_0x00000000_0x00011AF3_phys_0';
const value = (instance: string, number: number): { instance: string; value: number } => ({ instance, value: number });

const COUNTERS = {
  engines: [
    value(`pid_1000_${ARC}_eng_0_engtype_3D`, 10),
    value(`pid_2000_${ARC}_eng_0_engtype_3D`, 15.5),
    value(`pid_2000_${ARC}_eng_7_engtype_Neural`, 4),
    value(`pid_3000_${NPU}_eng_0_engtype_Compute`, 63),
    value(`PID_4000_${NPU.toUpperCase()}_ENG_0_ENGTYPE_COMPUTE`, 60),
    value(`pid_1000_${GEFORCE}_eng_0_engtype_3D`, 0),
    value(`pid_1000_${GEFORCE}_eng_5_engtype_VideoDecode`, Number.NaN),
  ],
  dedicatedBytes: [value(ARC, 0), value(GEFORCE, 2e9), value(NPU, 0)],
  sharedBytes: [value(ARC, 3e8), value(GEFORCE, 1e8), value(NPU, 2.5e9), value('luid_0x00000000_0x000F0000_phys_0', 0)],
};

describe("Windows' counters of GPUs and NPUs", () => {
  const adapters = summariseAdapters(COUNTERS);
  const byLuid = (luid: string) => adapters.find((adapter) => adapter.luid === luid);

  it('add up the programs on an engine and take the busiest engine of an adapter', () => {
    expect(byLuid('0x00000000_0x0000e1c7')).toMatchObject({ kind: 'gpu', utilizationPercent: 25.5, sharedBytes: 3e8 });
  });

  it('tell an NPU by engines that compute without one for 3D, and never go above 100', () => {
    expect(byLuid('0x00000000_0x0000bb15')).toMatchObject({ kind: 'npu', utilizationPercent: 100, sharedBytes: 2.5e9 });
  });

  it('leave values that are none out, and do not guess what nobody uses', () => {
    expect(byLuid('0x00000000_0x00011af3')).toMatchObject({ kind: 'gpu', utilizationPercent: 0, dedicatedBytes: 2e9 });
    expect(byLuid('0x00000000_0x000f0000')?.kind).toBeNull();
  });

  it('become loads: GPUs, then NPUs, with a word on those that are not shown', () => {
    const { accelerators, acceleratorsNotAvailable } = acceleratorsOf({ adapters, frequencyMhz: null }, '');
    expect(accelerators.map(({ kind }) => kind)).toEqual(['gpu', 'gpu', 'npu']);
    expect(acceleratorsNotAvailable).toBe('1 more that no program has in use now');
    expect(acceleratorsOf(undefined, 'ended')).toEqual({ accelerators: [], acceleratorsNotAvailable: 'ended' });
  });

  it('are read out of PDH_FMT_COUNTERVALUE_ITEM_W, whatever the letters of an instance; a wild pointer is left out', () => {
    const address = 0x1000n;
    const names = ['pid_1_luid_0x0_0x1_phys_0_eng_0_engtype_Größe', 'second'];
    const table = 3 * 24;
    const texts = names.map((name) => Buffer.from(`${name}\0`, 'utf16le'));
    const buffer = Buffer.concat([Buffer.alloc(table), ...texts]);
    const starts = [table, table + (texts[0]?.length ?? 0), 1e9];
    for (const [index, start] of starts.entries()) {
      buffer.writeBigUInt64LE(address + BigInt(start), index * 24);
      buffer.writeUInt32LE(index === 1 ? 0xc000_0bc6 : 0, index * 24 + 8); // PDH_CSTATUS_INVALID_DATA
      buffer.writeDoubleLE(12.5 + index, index * 24 + 16);
    }
    expect(readItems(buffer, address, 3)).toEqual([{ instance: names[0], value: 12.5 }]);
    expect(readItems(buffer, address, 1e6)).toHaveLength(1);
  });
});
