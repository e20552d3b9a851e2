import { describe, expect, it } from 'vitest';
import { parseMacosProbe } from './macos-probe.js';

const SYSCTL = `machdep.cpu.brand_string: Apple M3 Pro
hw.physicalcpu: 12
hw.perflevel0.physicalcpu: 6
hw.perflevel1.physicalcpu: 6
hw.optional.arm.FEAT_DotProd: 1
hw.optional.arm.FEAT_I8MM: 1
`;
const DISPLAYS = JSON.stringify({
  SPDisplaysDataType: [
    {
      _name: 'Apple M3 Pro',
      spdisplays_mtlgpufamilysupport: 'spdisplays_metal3',
      spdisplays_vendor: 'sppci_vendor_Apple',
      sppci_bus: 'spdisplays_builtin',
      sppci_cores: '18',
      sppci_device_type: 'spdisplays_gpu',
      sppci_model: 'Apple M3 Pro',
    },
  ],
});

describe('parseMacosProbe', () => {
  it('reads a Mac with Apple’s processor', () => {
    const probe = parseMacosProbe(SYSCTL, DISPLAYS, { arch: 'arm64', cpuName: 'Apple M3 Pro', logicalProcessors: 12 });
    expect(probe).toMatchObject({
      cpu: {
        name: 'Apple M3 Pro',
        vendor: 'apple',
        physicalCores: 12,
        cores: { performance: 6, efficiency: 6, lowPower: 0 },
        instructionSets: ['neon', 'neon-dotprod', 'neon-i8mm'],
      },
      accelerators: [
        { kind: 'gpu', name: 'Apple M3 Pro', vendor: 'apple', isIntegrated: true },
        { kind: 'npu', name: 'Apple M3 Pro Neural Engine', vendor: 'apple' },
      ],
      notAvailable: [],
    });
  });

  it('reads both GPUs of a Mac with Intel’s', () => {
    const displays = JSON.stringify({
      SPDisplaysDataType: [
        {
          sppci_model: 'Intel UHD Graphics 630',
          spdisplays_vendor: 'Intel',
          sppci_bus: 'spdisplays_builtin',
          spdisplays_vram_shared: '1536 MB',
          'spdisplays_device-id': '0x3e9b',
        },
        {
          sppci_model: 'AMD Radeon Pro 5300M',
          spdisplays_vendor: 'sppci_vendor_amd (0x1002)',
          sppci_bus: 'spdisplays_pcie_device',
          spdisplays_vram: '4 GB',
          'spdisplays_device-id': '0x7340',
        },
      ],
    });
    const sysctl =
      'machdep.cpu.brand_string: Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz\nmachdep.cpu.leaf7_features: RDWRFSGS TSC_THREAD_OFFSET BMI1 AVX2 SMEP\nhw.physicalcpu: 6\n';
    const probe = parseMacosProbe(sysctl, displays, { arch: 'x64', cpuName: '', logicalProcessors: 12 });
    expect(probe.cpu).toMatchObject({
      vendor: 'intel',
      instructionSets: ['avx2'],
      cores: { performance: 6, efficiency: 0 },
    });
    expect(probe.accelerators).toMatchObject([
      { vendor: 'intel', isIntegrated: true },
      {
        vendor: 'amd',
        isIntegrated: false,
        dedicatedMemoryBytes: 4 * 2 ** 30,
        pciIds: { vendor: '1002', device: '7340' },
      },
    ]);
  });

  it('says what did not answer', () => {
    const probe = parseMacosProbe({ notAvailable: 'sysctl failed: 2' }, 'no JSON', {
      arch: 'arm64',
      cpuName: 'Apple M1',
      logicalProcessors: 8,
    });
    expect(probe.cpu).toMatchObject({ name: 'Apple M1', instructionSets: { notAvailable: 'sysctl failed: 2' } });
    expect(probe.notAvailable).toEqual([
      'cores and instruction sets: not available (sysctl failed: 2)',
      "GPUs: not available (system_profiler answered 'no JSON')",
    ]);
  });
});
