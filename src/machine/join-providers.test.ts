import { describe, expect, it } from 'vitest';
import type { Accelerator, Machine } from '../devices/device.js';
import type { EpDevice } from '../engine/onnxruntime/ep-devices.js';
import { joinProviders, pciAddressOf, readableLuid } from './join-providers.js';
import type { OnnxRuntimeAnswer, OpenvinoDeviceFacts, RuntimeAnswer } from './runtime-answer.js';

function accelerator(part: Partial<Accelerator> & Pick<Accelerator, 'id' | 'kind' | 'vendor'>): Accelerator {
  return {
    name: part.id,
    generation: null,
    isIntegrated: true,
    pciIds: null,
    pciAddress: null,
    luid: null,
    driver: { name: 'driver', version: '1', oldest: null, isTooOld: null },
    dedicatedMemoryBytes: { notAvailable: "it uses the machine's memory" },
    problems: [],
    ...part,
  };
}

function machine(platform: NodeJS.Platform, accelerators: readonly Accelerator[]): Machine {
  return {
    platform,
    arch: 'x64',
    system: platform,
    cpu: {
      id: 'cpu',
      name: 'a CPU',
      vendor: 'intel',
      logicalProcessors: 8,
      physicalCores: 8,
      cores: { notAvailable: 'a test' },
      instructionSets: [],
    },
    memory: { totalBytes: 32e9, availableBytes: 16e9 },
    accelerators,
    notAvailable: [],
  };
}

function openvinoDevice(name: string, part: Partial<OpenvinoDeviceFacts> = {}): OpenvinoDeviceFacts {
  return {
    name,
    fullName: `the ${name}`,
    luid: null,
    pciInfo: null,
    totalMemoryBytes: null,
    npuDriverVersion: null,
    ...part,
  };
}

function answer(devices: readonly OpenvinoDeviceFacts[], ort: Partial<OnnxRuntimeAnswer> = {}): RuntimeAnswer {
  return {
    openvino: { version: '2026.4.1', libraryFile: '/lib/libopenvino_c.so', devices },
    onnxruntime: {
      version: '1.30.0',
      libraryFile: '/lib/libonnxruntime.so',
      providers: ['CPUExecutionProvider'],
      cudaProblem: null,
      epDevices: null,
      ...ort,
    },
    plugins: [],
  };
}

/** Which device each provider drives, and as what: `openvino gpu.1=GPU.0`. */
function driven(has: Machine, given: RuntimeAnswer): readonly string[] {
  return joinProviders(has, given).providers.flatMap(({ provider, drives }) =>
    drives.map(({ deviceId, providerDevice }) => `${provider} ${deviceId}=${providerDevice}`),
  );
}

const INTEL_LAPTOP = [
  accelerator({
    id: 'gpu.0',
    kind: 'gpu',
    vendor: 'intel',
    pciAddress: '0000:00:02.0',
    pciIds: { vendor: '8086', device: '7d55' },
  }),
  accelerator({
    id: 'gpu.1',
    kind: 'gpu',
    vendor: 'nvidia',
    isIntegrated: false,
    pciAddress: '0000:01:00.0',
    pciIds: { vendor: '10de', device: '28e0' },
  }),
  accelerator({ id: 'npu', kind: 'npu', vendor: 'intel', pciAddress: '0000:00:0b.0' }),
];

describe('joinProviders', () => {
  it('matches OpenVINO’s devices by PCI address, whatever their number', () => {
    const has = machine('linux', [
      accelerator({ id: 'gpu.0', kind: 'gpu', vendor: 'intel', pciAddress: '0000:00:02.0' }),
      accelerator({ id: 'gpu.1', kind: 'gpu', vendor: 'intel', isIntegrated: false, pciAddress: '0000:1f:00.0' }),
    ]);
    const given = answer([
      openvinoDevice('CPU'),
      openvinoDevice('GPU.0', { pciInfo: '{domain: 0 bus: 31 device: 0x0 function: 0}', totalMemoryBytes: 12e9 }),
      openvinoDevice('GPU.1', { pciInfo: '{domain: 0 bus: 0 device: 0x2 function: 0}', totalMemoryBytes: 32e9 }),
    ]);
    expect(driven(has, given)).toEqual([
      'cpu cpu=CPU',
      'openvino cpu=CPU',
      'openvino gpu.1=GPU.0',
      'openvino gpu.0=GPU.1',
    ]);
    // What a card has, which its kernel driver does not tell; an integrated GPU has the machine's.
    expect(
      joinProviders(has, given).machine.accelerators.map(({ dedicatedMemoryBytes }) => dedicatedMemoryBytes),
    ).toEqual([{ notAvailable: "it uses the machine's memory" }, 12e9]);
  });

  it('matches by LUID on Windows', () => {
    const has = machine('win32', [
      accelerator({ id: 'gpu.0', kind: 'gpu', vendor: 'intel', luid: '00000000000118f2' }),
      accelerator({ id: 'gpu.1', kind: 'gpu', vendor: 'intel', luid: '0000000000011a99', isIntegrated: false }),
    ]);
    const given = answer([
      openvinoDevice('GPU.0', { luid: '991a010000000000' }),
      openvinoDevice('GPU.1', { luid: 'f218010000000000' }),
    ]);
    expect(driven(has, given)).toEqual(['cpu cpu=CPU', 'openvino gpu.1=GPU.0', 'openvino gpu.0=GPU.1']);
  });

  it('matches the only one of its kind without either, and none of several', () => {
    const npu = accelerator({ id: 'npu', kind: 'npu', vendor: 'intel' });
    const gpu = accelerator({ id: 'gpu.0', kind: 'gpu', vendor: 'intel' });
    const other = accelerator({ id: 'gpu.1', kind: 'gpu', vendor: 'intel' });
    expect(driven(machine('linux', [gpu, npu]), answer([openvinoDevice('GPU'), openvinoDevice('NPU')]))).toEqual([
      'cpu cpu=CPU',
      'openvino gpu.0=GPU',
      'openvino npu=NPU',
    ]);
    expect(driven(machine('linux', [gpu, other]), answer([openvinoDevice('GPU.0'), openvinoDevice('GPU.1')]))).toEqual([
      'cpu cpu=CPU',
    ]);
  });

  it('never gives OpenVINO a GPU of another maker', () => {
    expect(driven(machine('linux', INTEL_LAPTOP), answer([openvinoDevice('GPU'), openvinoDevice('NPU')]))).toEqual([
      'cpu cpu=CPU',
      'openvino gpu.0=GPU',
      'openvino npu=NPU',
    ]);
  });

  it('says that OpenVINO lacks a device that the machine has', () => {
    const { providers } = joinProviders(machine('linux', INTEL_LAPTOP), answer([openvinoDevice('GPU')]));
    expect(providers.at(-1)?.problem).toMatch(/finds no npu: the driver is missing or too old \(aipc doctor\)/u);
  });

  it('maps DirectML’s adapters, which go by the screen, to this index', () => {
    const adapter = (vendorId: number, deviceId: number, number?: string): EpDevice => ({
      provider: 'DmlExecutionProvider',
      kind: 'gpu',
      vendorId,
      deviceId,
      providerVendor: 'Microsoft',
      providerMetadata: {},
      vendor: '',
      metadata: number === undefined ? {} : { DxgiAdapterNumber: number, Description: 'an adapter' },
    });
    const providers = ['DmlExecutionProvider', 'CPUExecutionProvider'];
    const epDevices = [adapter(0x10de, 0x28e0, '0'), adapter(0x8086, 0x7d55, '1'), adapter(0x1414, 0x8c, '2')];
    const given = answer([], { providers, epDevices });
    expect(driven(machine('win32', INTEL_LAPTOP), given)).toEqual(['cpu cpu=CPU', 'dml gpu.1=0', 'dml gpu.0=1']);
    const unnumbered = answer([], { providers, epDevices: [adapter(0x10de, 0x28e0)] });
    expect(driven(machine('win32', INTEL_LAPTOP), unnumbered)).toEqual(['cpu cpu=CPU']);
  });

  it('counts CUDA’s devices by PCI address, and believes in none whose libraries are missing', () => {
    const card = (id: `gpu.${number}`, pciAddress: string): Accelerator =>
      accelerator({ id, kind: 'gpu', vendor: 'nvidia', isIntegrated: false, pciAddress });
    const has = machine('linux', [card('gpu.0', '0000:01:00.0'), card('gpu.1', '0000:81:00.0')]);
    const providers = ['CUDAExecutionProvider', 'CPUExecutionProvider'];
    expect(driven(has, answer([], { providers }))).toEqual(['cpu cpu=CPU', 'cuda gpu.0=0', 'cuda gpu.1=1']);
    const without = answer([], { providers, cudaProblem: 'libonnxruntime_providers_cuda.so is missing in /lib' });
    expect(driven(has, without)).toEqual(['cpu cpu=CPU']);
    expect(joinProviders(has, without).providers.find(({ provider }) => provider === 'cuda')?.problem).toMatch(
      /is missing/u,
    );
  });

  it('gives WebGPU the only GPU, and none where it would be its own choice', () => {
    const providers = ['WebGpuExecutionProvider', 'CPUExecutionProvider'];
    const amd = accelerator({ id: 'gpu.0', kind: 'gpu', vendor: 'amd' });
    expect(driven(machine('linux', [amd]), answer([], { providers }))).toEqual(['cpu cpu=CPU', 'webgpu gpu.0=0']);
    expect(driven(machine('linux', INTEL_LAPTOP), answer([], { providers }))).toEqual(['cpu cpu=CPU']);
    expect(driven(machine('linux', []), answer([], { providers }))).toEqual(['cpu cpu=CPU']);
  });

  it('says what to type where OpenVINO is not installed, and how a runtime that crashed ended', () => {
    const given: RuntimeAnswer = {
      openvino: {
        problem: 'The OpenVINO library was not found. Looked at:\n - here',
        code: 'RUNTIME_LIBRARY_NOT_FOUND',
      },
      onnxruntime: { problem: 'the process that loaded it ended with SIGSEGV', code: null },
      plugins: [],
    };
    expect(joinProviders(machine('linux', []), given).providers.map(({ problem }) => problem)).toEqual([
      'the process that loaded it ended with SIGSEGV',
      'not installed: npx aipc setup openvino',
    ]);
  });
});

describe('OpenVINO’s texts', () => {
  it('are read as the system writes them', () => {
    expect(pciAddressOf('{domain: 0 bus: 197 device: 0x1f function: 3}')).toBe('0000:c5:1f.3');
    expect(pciAddressOf('nothing')).toBeNull();
    expect([readableLuid('991a010000000000'), readableLuid('0000000000000000'), readableLuid('')]).toEqual([
      '0000000000011a99',
      null,
      null,
    ]);
  });
});
