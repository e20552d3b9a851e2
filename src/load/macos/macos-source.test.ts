/** ioreg's text, as Macs print it. */
import { describe, expect, it } from 'vitest';
import { parseIoreg } from './macos-source.js';

const M4 = `+-o AGXAcceleratorG16X  <class AGXAcceleratorG16X, id 0x100000b33, registered, matched, active, busy 0 (2 ms), retain 94>
    {
      "model" = "Apple M4 Max"
      "IOReportLegend" = ({"IOReportChannels"=((1,2,"In use system memory"))})
      "PerformanceStatistics" = {"In use system memory (driver)"=0,"Alloc system memory"=52967440384,"Tiler Utilization %"=10,"Device Utilization %"=16,"In use system memory"=2363801600}
    }
`;

describe("a Mac's GPU", () => {
  it('has the load and the memory of the figures with exactly these names', () => {
    expect(parseIoreg(M4)).toMatchObject([
      { kind: 'gpu', name: 'Apple M4 Max', utilizationPercent: 16, memoryUsedBytes: 2_363_801_600 },
    ]);
  });

  it('is one of several, or says what its driver does not report', () => {
    const bare =
      '+-o AMDAccelerator  <class AMDAccelerator, id 0x1>\n    {\n      "PerformanceStatistics" = {"x"=1}\n    }\n';
    expect(parseIoreg(M4 + bare)).toMatchObject([
      { utilizationPercent: 16 },
      { name: 'AMDAccelerator', utilizationPercent: { notAvailable: 'this driver does not report it' } },
    ]);
    expect(parseIoreg('')).toEqual([]);
  });
});
