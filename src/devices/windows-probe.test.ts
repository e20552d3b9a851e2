import { describe, expect, it } from 'vitest';
import { numberDevices } from './number-devices.js';
import { encodeScript, parseWindowsProbe, WINDOWS_PROBE_SCRIPT, type WindowsFacts } from './windows-probe.js';

const METEOR_LAKE: WindowsFacts = {
  processorIdentifier: 'Intel64 Family 6 Model 170 Stepping 4, GenuineIntel',
  cpuName: 'Intel(R) Core(TM) Ultra 7 155H',
  logicalProcessors: 22,
};

const location = (place: string): string =>
  `@System32\\drivers\\pci.sys,#65536;PCI bus %1, device %2, function %3;(${place})`;

/** As Windows PowerShell 5.1 answers on a German system with an NVIDIA card beside the Core Ultra. */
const GERMAN_LAPTOP = {
  processors: { found: [{ Name: 'Intel(R) Core(TM) Ultra 7 155H', NumberOfCores: 16, NumberOfLogicalProcessors: 22 }] },
  adapters: {
    found: [
      {
        Description: 'NVIDIA GeForce RTX 4060 Laptop GPU',
        VendorId: 0x10de,
        DeviceId: 0x28e0,
        AdapterLuid: 72345,
        DedicatedVideoMemory: 8347713536,
        SharedSystemMemory: 16978780160,
      },
      {
        Description: 'Intel(R) Arc(TM) Graphics',
        VendorId: 0x8086,
        DeviceId: 0x7d55,
        AdapterLuid: 71922,
        DedicatedVideoMemory: 134217728,
        SharedSystemMemory: 16978780160,
      },
      {
        Description: 'Microsoft Basic Render Driver',
        VendorId: 0x1414,
        DeviceId: 0x8c,
        AdapterLuid: 70011,
        DedicatedVideoMemory: 0,
      },
    ],
  },
  devices: {
    found: [
      {
        class: 'Display',
        name: 'NVIDIA GeForce RTX 4060 Laptop-Grafikprozessor',
        id: 'PCI\\VEN_10DE&DEV_28E0&SUBSYS_14F31043&REV_A1\\4&1F1D5E0&0&0008',
        service: 'nvlddmkm',
        error: 0,
        location: location('1,0,0'),
        version: '32.0.15.6094',
      },
      {
        class: 'Display',
        name: 'Intel(R) Arc(TM) Grafikkarte',
        id: 'PCI\\VEN_8086&DEV_7D55&SUBSYS_14F31043&REV_08\\3&11583659&0&10',
        service: 'igfxn',
        error: 0,
        location: location('0,2,0'),
        version: '32.0.101.6078',
      },
      {
        class: 'ComputeAccelerator',
        name: 'Intel(R) AI Boost',
        id: 'PCI\\VEN_8086&DEV_7D1D&SUBSYS_14F31043&REV_04\\3&11583659&0&58',
        service: 'npu',
        error: 0,
        location: location('0,11,0'),
        version: '32.0.100.3104',
      },
      {
        class: 'Display',
        name: 'Microsoft-Remoteanzeigeadapter',
        id: 'SWD\\REMOTEDISPLAYENUM\\RDPIDD',
        service: 'WUDFRd',
        error: 0,
      },
    ],
  },
};

describe('parseWindowsProbe', () => {
  it('reads the adapters of a German system by number and address, whatever their names are', () => {
    const probe = parseWindowsProbe(`\uFEFF${JSON.stringify(GERMAN_LAPTOP)}\r\n`, METEOR_LAKE);
    expect(probe.notAvailable).toEqual([]);
    expect(probe.cpu).toMatchObject({ name: 'Intel(R) Core(TM) Ultra 7 155H', vendor: 'intel', physicalCores: 16 });
    expect(probe.cpu.instructionSets).toEqual(['avx2', 'avx-vnni']);
    expect(numberDevices(probe.accelerators)).toEqual([
      {
        id: 'gpu.0',
        kind: 'gpu',
        name: 'Intel(R) Arc(TM) Grafikkarte',
        vendor: 'intel',
        generation: 'Meteor Lake',
        isIntegrated: true,
        pciIds: { vendor: '8086', device: '7d55' },
        pciAddress: '0000:00:02.0',
        luid: '00000000000118f2',
        driver: { name: 'igfxn', version: '32.0.101.6078' },
        dedicatedMemoryBytes: 134217728,
      },
      {
        id: 'gpu.1',
        kind: 'gpu',
        name: 'NVIDIA GeForce RTX 4060 Laptop-Grafikprozessor',
        vendor: 'nvidia',
        generation: null,
        isIntegrated: false,
        pciIds: { vendor: '10de', device: '28e0' },
        pciAddress: '0000:01:00.0',
        luid: '0000000000011a99',
        driver: { name: 'nvlddmkm', version: '32.0.15.6094' },
        dedicatedMemoryBytes: 8347713536,
      },
      {
        id: 'npu',
        kind: 'npu',
        name: 'Intel(R) AI Boost',
        vendor: 'intel',
        generation: 'Meteor Lake',
        isIntegrated: true,
        pciIds: { vendor: '8086', device: '7d1d' },
        pciAddress: '0000:00:0b.0',
        luid: null,
        driver: { name: 'npu', version: '32.0.100.3104' },
        dedicatedMemoryBytes: { notAvailable: 'DirectX does not list this device' },
      },
    ]);
  });

  it('gives each of two equal cards a LUID of its own', () => {
    const card = (place: string): object => ({
      class: 'Display',
      name: 'NVIDIA GeForce RTX 4090',
      id: `PCI\\VEN_10DE&DEV_2684&SUBSYS_0&REV_A1\\${place}`,
      service: 'nvlddmkm',
      location: location(place),
      version: '32.0.15.6094',
    });
    const adapter = { VendorId: 0x10de, DeviceId: 0x2684, DedicatedVideoMemory: 25e9 };
    const answer = {
      adapters: {
        found: [
          { ...adapter, AdapterLuid: 100 },
          { ...adapter, AdapterLuid: 200 },
        ],
      },
      devices: { found: [card('1,0,0'), card('2,0,0')] },
    };
    const { accelerators } = parseWindowsProbe(JSON.stringify(answer), METEOR_LAKE);
    expect(accelerators.map(({ luid }) => luid)).toEqual(['0000000000000064', '00000000000000c8']);
  });

  it('knows a Snapdragon, whose devices are not on PCI', () => {
    const answer = {
      processors: {
        found: { Name: 'Snapdragon(R) X Elite - X1E78100 - Qualcomm(R) Oryon(TM) CPU', NumberOfCores: 12 },
      },
      devices: {
        found: [
          {
            class: 'Display',
            name: 'Qualcomm(R) Adreno(TM) X1-85 GPU',
            id: 'ACPI\\VEN_QCOM&DEV_0C36\\0',
            service: 'qcdx',
            version: '31.0.112.0',
          },
          {
            class: 'ComputeAccelerator',
            name: 'Qualcomm(R) Hexagon(TM) NPU',
            id: 'ACPI\\QCOM0D0A\\2&DABA3FF&0',
            service: 'qcnspmcdm',
            version: '30.0.143.0',
          },
        ],
      },
    };
    const probe = parseWindowsProbe(JSON.stringify(answer), {
      processorIdentifier: 'ARMv8 (64-bit) Family 8 Model 1 Revision 201, Qualcomm Technologies Inc',
      cpuName: 'Snapdragon(R) X Elite',
      logicalProcessors: 12,
    });
    expect(probe.cpu).toMatchObject({ vendor: 'qualcomm', instructionSets: ['neon', 'neon-dotprod', 'neon-i8mm'] });
    expect(probe.accelerators).toMatchObject([
      { kind: 'gpu', vendor: 'qualcomm', isIntegrated: true, pciIds: null },
      { kind: 'npu', vendor: 'qualcomm', generation: 'Hexagon', pciIds: null },
    ]);
  });

  it('says which part failed and gives the others', () => {
    const { adapters: _adapters, ...others } = GERMAN_LAPTOP;
    const answer = { ...others, adapters: { failed: 'Der angeforderte Registrierungszugriff ist unzulässig.' } };
    const probe = parseWindowsProbe(JSON.stringify(answer), METEOR_LAKE);
    expect(probe.accelerators.map(({ dedicatedMemoryBytes }) => dedicatedMemoryBytes)).toEqual(
      Array(3).fill({ notAvailable: 'DirectX does not list this device' }),
    );
    expect(probe.notAvailable).toEqual([
      "GPUs' LUIDs and memory: not available (Der angeforderte Registrierungszugriff ist unzulässig.)",
    ]);
  });

  it.each([[{ notAvailable: 'powershell.exe did not answer in 30 s' }], ['no JSON']])(
    'without an answer (%j) gives what Node.js knows, and says so',
    (json) => {
      const probe = parseWindowsProbe(json, METEOR_LAKE);
      expect(probe.cpu).toMatchObject({
        name: METEOR_LAKE.cpuName,
        physicalCores: { notAvailable: expect.any(String) as string },
      });
      expect(probe.notAvailable).toEqual([expect.stringMatching(/^GPUs and NPUs: not available \(/u) as string]);
    },
  );

  it('is sent as PowerShell takes it, within the length of a command line', () => {
    const encoded = encodeScript(WINDOWS_PROBE_SCRIPT);
    expect(Buffer.from(encoded, 'base64').toString('utf16le')).toBe(WINDOWS_PROBE_SCRIPT);
    expect(encoded.length).toBeLessThan(8000);
  });
});
