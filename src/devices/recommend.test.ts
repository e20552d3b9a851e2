import { describe, expect, it } from 'vitest';
import type { Accelerator, InstructionSet, Machine } from './device.js';
import type { Measurement } from './measurement.js';
import type { DrivenDevice, ProviderStatus } from './provider.js';
import { recommend, type ModelFacts, type RecommendRequest } from './recommend.js';
import type { Preference } from './recommendation-rules.js';
import { hasMatrixUnits, pciGeneration, pciVendor } from './pci-ids.js';

interface PartialAccelerator {
  readonly vendor: string;
  readonly device: string;
  readonly isIntegrated?: boolean;
  readonly memoryBytes?: number;
  readonly isTooOld?: boolean;
  readonly problems?: readonly string[];
}

function accelerator(id: Accelerator['id'], part: PartialAccelerator): Accelerator {
  const kind = id.startsWith('npu') ? 'npu' : 'gpu';
  const generation = pciGeneration(kind, part.vendor, part.device);
  return {
    id,
    kind,
    name: `${part.vendor}:${part.device}`,
    vendor: pciVendor(part.vendor),
    generation: generation?.name ?? null,
    isIntegrated: part.isIntegrated ?? generation?.isIntegrated ?? null,
    pciIds: { vendor: part.vendor, device: part.device },
    pciAddress: null,
    luid: null,
    driver: {
      name: 'driver',
      version: '1.2',
      oldest: part.isTooOld === true ? '1.13.0' : null,
      isTooOld: part.isTooOld ?? null,
    },
    dedicatedMemoryBytes: part.memoryBytes ?? { notAvailable: "it uses the machine's memory" },
    problems: part.problems ?? [],
  };
}

function machine(sets: readonly InstructionSet[], accelerators: readonly Accelerator[], memoryBytes = 16e9): Machine {
  return {
    platform: 'win32',
    arch: 'x64',
    system: 'Windows 11',
    cpu: {
      id: 'cpu',
      name: 'a CPU',
      vendor: 'intel',
      logicalProcessors: 8,
      physicalCores: 8,
      cores: { performance: 8, efficiency: 0, lowPower: 0 },
      instructionSets: sets,
    },
    memory: { totalBytes: 2 * memoryBytes, availableBytes: memoryBytes },
    accelerators,
    notAvailable: [],
  };
}

const RUNTIMES = { openvino: 'OpenVINO 2026.4.1' } as const;

function provider(
  name: string,
  drives: readonly DrivenDevice['deviceId'][],
  problem: string | null = null,
): ProviderStatus {
  return {
    provider: name,
    runtime: name === 'openvino' ? RUNTIMES.openvino : 'ONNX Runtime 1.30.0',
    libraryFile: null,
    drives: drives.map((deviceId) => ({ deviceId, providerDevice: deviceId.toUpperCase(), name: null })),
    problem,
  };
}

const PHI: ModelFacts = {
  id: 'phi-3-mini-4k',
  weightFormat: null,
  providers: null,
  unsuited: {},
  memoryBytes: { onnxruntime: 6e9, openvino: 2.5e9 },
};

interface Row {
  readonly machine: string;
  /** Where the row is from. */
  readonly source: string;
  readonly has: Machine;
  readonly providers: readonly ProviderStatus[];
  readonly best: Readonly<Record<Preference, string>>;
}

const cpuOnly = [provider('cpu', ['cpu'])];
const VNNI = ['avx2', 'avx-vnni'] as const;

/** An AI PC of Intel: its GPU and its NPU, OpenVINO and ONNX Runtime with DirectML. */
function aiPc(gpu: string, npu: string, withNpu = true): Pick<Row, 'has' | 'providers'> {
  return {
    has: machine(VNNI, [
      accelerator('gpu.0', { vendor: '8086', device: gpu }),
      accelerator('npu', { vendor: '8086', device: npu }),
    ]),
    providers: [
      ...cpuOnly,
      provider('openvino', withNpu ? ['cpu', 'gpu.0', 'npu'] : ['cpu', 'gpu.0']),
      provider('dml', ['gpu.0']),
    ],
  };
}

const INTEL_BEST = { balanced: 'npu openvino', speed: 'gpu.0 openvino', power: 'npu openvino' } as const;

const ROWS: readonly Row[] = [
  {
    machine: 'Meteor Lake laptop (Core Ultra 7 155H)',
    source: 'i915_pciids.h 7d55, ivpu_drv.h 7d1d; docs.openvino.ai, OpenVINO GenAI on NPU',
    ...aiPc('7d55', '7d1d'),
    best: INTEL_BEST,
  },
  {
    machine: 'Arrow Lake laptop (Core Ultra 7 255H)',
    source: 'pciids.h 7d51, ivpu_drv.h ad1d',
    ...aiPc('7d51', 'ad1d'),
    best: INTEL_BEST,
  },
  {
    machine: 'Lunar Lake laptop (Core Ultra 7 258V)',
    source: 'pciids.h 64a0, ivpu_drv.h 643e',
    ...aiPc('64a0', '643e'),
    best: INTEL_BEST,
  },
  {
    machine: 'Panther Lake laptop (Core Ultra X9 388H)',
    source: 'pciids.h b080, ivpu_drv.h b03e',
    ...aiPc('b080', 'b03e'),
    best: INTEL_BEST,
  },
  {
    machine: 'Wildcat Lake laptop (Core 5 320)',
    source: 'pciids.h fd80, ivpu_drv.h fd3e; openvino discussion 39791 runs such an NPU',
    ...aiPc('fd80', 'fd3e'),
    best: INTEL_BEST,
  },
  {
    machine: 'Lunar Lake laptop without the NPU driver',
    source: 'OpenVINO lists no NPU then (available devices)',
    ...aiPc('64a0', '643e', false),
    best: { balanced: 'gpu.0 openvino', speed: 'gpu.0 openvino', power: 'gpu.0 openvino' },
  },
  {
    machine: 'Meteor Lake laptop with an RTX 4060',
    source: 'NVIDIA: 8 GB at 256 GB/s against about 100 GB/s of the laptop',
    has: machine(VNNI, [
      accelerator('gpu.0', { vendor: '8086', device: '7d55' }),
      accelerator('gpu.1', { vendor: '10de', device: '28e0', isIntegrated: false, memoryBytes: 8.3e9 }),
      accelerator('npu', { vendor: '8086', device: '7d1d' }),
    ]),
    providers: [...cpuOnly, provider('openvino', ['cpu', 'gpu.0', 'npu']), provider('dml', ['gpu.0', 'gpu.1'])],
    best: { balanced: 'npu openvino', speed: 'gpu.1 dml', power: 'npu openvino' },
  },
  {
    machine: 'NVIDIA desktop with CUDA (RTX 4090, Raptor Lake)',
    source: 'NVIDIA: 24 GB at 1,008 GB/s; onnxruntime.ai: the CUDA provider is the one for NVIDIA',
    has: machine(VNNI, [
      accelerator('gpu.0', { vendor: '8086', device: 'a780' }),
      accelerator('gpu.1', { vendor: '10de', device: '2684', isIntegrated: false, memoryBytes: 25e9 }),
    ]),
    providers: [
      ...cpuOnly,
      provider('cuda', ['gpu.1']),
      provider('dml', ['gpu.0', 'gpu.1']),
      provider('webgpu', ['gpu.1']),
    ],
    best: { balanced: 'gpu.1 cuda', speed: 'gpu.1 cuda', power: 'gpu.0 dml' },
  },
  {
    machine: 'AMD desktop (Radeon RX 7900 XTX, Ryzen 9)',
    source: 'AMD: 24 GB at 960 GB/s; onnxruntime.ai: DirectML is the provider for AMD on Windows',
    has: machine(
      ['avx2', 'avx512-vnni'],
      [
        accelerator('gpu.0', { vendor: '1002', device: '13c0', isIntegrated: true, memoryBytes: 5e8 }),
        accelerator('gpu.1', { vendor: '1002', device: '744c', isIntegrated: false, memoryBytes: 25e9 }),
      ],
    ),
    providers: [...cpuOnly, provider('dml', ['gpu.0', 'gpu.1']), provider('webgpu', ['gpu.0', 'gpu.1'])],
    best: { balanced: 'gpu.1 dml', speed: 'gpu.1 dml', power: 'gpu.0 dml' },
  },
  {
    machine: 'AMD Ryzen AI laptop (XDNA 2, no provider for its NPU)',
    source: 'amdxdna_pci_drv.c 17f0; its NPU takes the VitisAI plug-in, which is not here',
    has: machine(
      ['avx2', 'avx-vnni', 'avx512-vnni'],
      [
        accelerator('gpu.0', { vendor: '1002', device: '150e', isIntegrated: true, memoryBytes: 5e8 }),
        accelerator('npu', { vendor: '1022', device: '17f0' }),
      ],
    ),
    providers: [...cpuOnly, provider('dml', ['gpu.0'])],
    best: { balanced: 'gpu.0 dml', speed: 'gpu.0 dml', power: 'gpu.0 dml' },
  },
  {
    machine: 'Snapdragon X Elite (Adreno by DirectML, Hexagon without a provider)',
    source: 'onnxruntime-node brings DirectML for win32 arm64; OpenVINO is not published for it',
    has: machine(
      ['neon', 'neon-dotprod', 'neon-i8mm'],
      [
        accelerator('gpu.0', { vendor: '5143', device: '0c36', isIntegrated: true }),
        accelerator('npu', { vendor: '5143', device: '0d0a', isIntegrated: true }),
      ],
    ),
    providers: [...cpuOnly, provider('dml', ['gpu.0'])],
    best: { balanced: 'gpu.0 dml', speed: 'gpu.0 dml', power: 'gpu.0 dml' },
  },
  {
    machine: 'Mac with an M3 Pro (WebGPU over Metal; the Neural Engine is Core ML’s)',
    source: 'onnxruntime-node brings WebGPU for darwin arm64',
    has: machine(
      ['neon', 'neon-dotprod', 'neon-i8mm'],
      [
        accelerator('gpu.0', { vendor: '106b', device: '0000', isIntegrated: true }),
        accelerator('npu', { vendor: '106b', device: '0001', isIntegrated: true }),
      ],
    ),
    providers: [...cpuOnly, provider('openvino', ['cpu']), provider('webgpu', ['gpu.0'])],
    best: { balanced: 'gpu.0 webgpu', speed: 'gpu.0 webgpu', power: 'gpu.0 webgpu' },
  },
  {
    machine: 'plain laptop without an AI accelerator (Comet Lake, AVX2 alone)',
    source: 'aipc’s own measurement: ONNX Runtime 2 to 1 before OpenVINO without int8 dot products',
    has: machine(['avx2'], []),
    providers: [...cpuOnly, provider('openvino', ['cpu'])],
    best: { balanced: 'cpu cpu', speed: 'cpu cpu', power: 'cpu cpu' },
  },
  {
    machine: 'server (Sapphire Rapids, AMX, no GPU)',
    source: 'lscpu of such a server: avx512_vnni, amx_int8',
    has: machine(['avx2', 'avx-vnni', 'avx512-vnni', 'amx-int8'], []),
    providers: [...cpuOnly, provider('openvino', ['cpu'])],
    best: { balanced: 'cpu cpu', speed: 'cpu cpu', power: 'cpu cpu' },
  },
  {
    machine: 'server with an H100',
    source: 'recorded: class 0302, 81,559 MiB',
    has: machine(
      ['avx2', 'avx512-vnni', 'amx-int8'],
      [accelerator('gpu.0', { vendor: '10de', device: '2330', isIntegrated: false, memoryBytes: 81559 * 2 ** 20 })],
    ),
    providers: [...cpuOnly, provider('cuda', ['gpu.0'])],
    best: { balanced: 'gpu.0 cuda', speed: 'gpu.0 cuda', power: 'cpu cpu' },
  },
];

function request(row: Pick<Row, 'has' | 'providers'>, rest: Partial<RecommendRequest> = {}): RecommendRequest {
  return {
    machine: row.has,
    providers: row.providers,
    model: PHI,
    promptTokens: null,
    prefer: 'balanced',
    measurements: [],
    npuPromptTokens: 1024,
    ...rest,
  };
}

describe('recommend', () => {
  describe.each(ROWS)('$machine [$source]', (row) => {
    it.each(['balanced', 'speed', 'power'] as const)('for %s', (prefer) => {
      const { ranked, rejected } = recommend(request(row, { prefer }));
      const [best] = ranked;
      expect(`${best?.deviceId} ${best?.provider}`).toBe(row.best[prefer]);
      expect(ranked.every(({ basis, reason }) => basis === 'rule' && reason.startsWith('rule: '))).toBe(true);
      // Every device is either ranked or rejected with a reason.
      const told = new Set([...ranked, ...rejected].map(({ deviceId }) => deviceId));
      expect([...told].sort()).toEqual(['cpu', ...row.has.accelerators.map(({ id }) => id)].sort());
      expect(rejected.every(({ reason }) => reason.length > 10)).toBe(true);
    });
  });

  const lunarLake = aiPc('64a0', '643e');
  const measurement = (part: Partial<Measurement>): Measurement => ({
    modelId: PHI.id,
    deviceId: 'npu',
    provider: 'openvino',
    weightFormat: 'int4',
    promptTokens: 32,
    decodeTokensPerSecond: 20,
    prefillTokensPerSecond: 400,
    timeToFirstTokenMs: 80,
    ...part,
  });

  it('says in words why the NPU, and why not for a prompt that is longer than it takes', () => {
    expect(recommend(request(lunarLake)).ranked[0]?.reason).toBe(
      'rule: least power, leaves CPU and GPU free, int4 symmetric, by OpenVINO 2026.4.1',
    );
    const { ranked, rejected } = recommend(request(lunarLake, { promptTokens: 3000 }));
    expect(ranked[0]?.deviceId).toBe('gpu.0');
    expect(rejected).toEqual([
      {
        deviceId: 'npu',
        provider: 'openvino',
        reason:
          'this prompt of about 3,000 tokens is longer than the 1,024 that it is compiled for (--max-prompt-tokens)',
      },
    ]);
    expect(recommend(request(lunarLake, { promptTokens: 3000, npuPromptTokens: 4096 })).ranked[0]?.deviceId).toBe(
      'npu',
    );
  });

  it('lets speed measured on this machine win over rules, and labels it', () => {
    const measurements = [measurement({}), measurement({ deviceId: 'gpu.0', decodeTokensPerSecond: 31 })];
    const { ranked } = recommend(request(lunarLake, { measurements }));
    expect(ranked.map(({ deviceId, provider, basis }) => `${deviceId} ${provider} ${basis}`)).toEqual([
      'gpu.0 openvino measured',
      'npu openvino measured',
      'gpu.0 dml rule',
      'cpu cpu rule',
      'cpu openvino rule',
    ]);
    expect(ranked[0]?.reason).toBe('measured here with 32 tokens of prompt: 31.0 tokens/s, the first after 80 ms');
  });

  it('counts prefill for what it weighs in a long prompt', () => {
    const measurements = [
      measurement({ deviceId: 'cpu', provider: 'cpu', decodeTokensPerSecond: 25, prefillTokensPerSecond: 60 }),
      measurement({ deviceId: 'cpu', provider: 'openvino', decodeTokensPerSecond: 20, prefillTokensPerSecond: 300 }),
    ];
    const best = (promptTokens: number): string | undefined =>
      recommend(
        request(
          { has: machine(VNNI, []), providers: [...cpuOnly, provider('openvino', ['cpu'])] },
          { measurements, promptTokens },
        ),
      ).ranked[0]?.provider;
    expect([best(16), best(2000)]).toEqual(['cpu', 'openvino']);
  });

  it('takes the measurement nearest in length of prompt', () => {
    const measurements = [
      measurement({ promptTokens: 32 }),
      measurement({ promptTokens: 1024, decodeTokensPerSecond: 15 }),
    ];
    const { ranked } = recommend(request(lunarLake, { measurements, promptTokens: 800 }));
    expect(ranked.find(({ deviceId }) => deviceId === 'npu')?.measurement?.promptTokens).toBe(1024);
  });

  it('ignores what was measured of another model or format', () => {
    const measurements = [
      measurement({ modelId: 'demo', deviceId: 'cpu', provider: 'cpu', decodeTokensPerSecond: 900 }),
      measurement({ deviceId: 'cpu', provider: 'cpu', weightFormat: 'fp32', decodeTokensPerSecond: 900 }),
    ];
    const model = { ...PHI, weightFormat: 'int4' };
    expect(recommend(request(lunarLake, { measurements, model })).ranked.every(({ basis }) => basis === 'rule')).toBe(
      true,
    );
  });

  it('does not let speed decide between devices where power is preferred, but between providers of one', () => {
    const measurements = [
      measurement({ decodeTokensPerSecond: 5 }),
      measurement({ deviceId: 'gpu.0', provider: 'openvino', decodeTokensPerSecond: 20 }),
      measurement({ deviceId: 'gpu.0', provider: 'dml', decodeTokensPerSecond: 30 }),
    ];
    const { ranked } = recommend(request(lunarLake, { measurements, prefer: 'power' }));
    expect(ranked.slice(0, 3).map(({ deviceId, provider }) => `${deviceId} ${provider}`)).toEqual([
      'npu openvino',
      'gpu.0 dml',
      'gpu.0 openvino',
    ]);
  });

  it('rejects a card whose memory is too small, and names both figures', () => {
    const has = machine(VNNI, [
      accelerator('gpu.0', { vendor: '10de', device: '2191', isIntegrated: false, memoryBytes: 4e9 }),
    ]);
    const { ranked, rejected } = recommend(request({ has, providers: [...cpuOnly, provider('cuda', ['gpu.0'])] }));
    expect(ranked[0]?.deviceId).toBe('cpu');
    expect(rejected[0]?.reason).toBe('phi-3-mini-4k needs about 6.0 GB, gpu.0 has 4.0 GB');
  });

  it('ranks nothing where nothing has the room', () => {
    const { ranked, rejected } = recommend(request({ has: machine(VNNI, [], 1e9), providers: cpuOnly }));
    expect([ranked, rejected]).toEqual([
      [],
      [{ deviceId: 'cpu', provider: 'cpu', reason: 'phi-3-mini-4k needs about 6.0 GB, the machine has 1.0 GB' }],
    ]);
  });

  it('rejects a driver that is too old, weights that do not suit, and providers that do not run the model', () => {
    const has = machine(VNNI, [
      accelerator('gpu.0', { vendor: '8086', device: '64a0' }),
      accelerator('npu', { vendor: '8086', device: '643e', isTooOld: true }),
    ]);
    const providers = [...cpuOnly, provider('openvino', ['cpu', 'gpu.0', 'npu'])];
    expect(recommend(request({ has, providers })).rejected).toEqual([
      {
        deviceId: 'npu',
        provider: 'openvino',
        reason: 'its driver 1.2 is older than 1.13.0, the oldest that runs language models',
      },
    ]);
    const model = { ...PHI, providers: ['cpu', 'dml'], unsuited: { npu: 'it has groups of 32 channels' } };
    const { ranked, rejected } = recommend(request(lunarLake, { model }));
    expect(ranked.map(({ provider: name }) => name)).toEqual(['dml', 'cpu']);
    expect(rejected.map(({ reason }) => reason)).toContain('phi-3-mini-4k is not for the provider openvino');
    const unsuited = { ...PHI, unsuited: { npu: 'it has groups of 32 channels' } };
    expect(recommend(request(lunarLake, { model: unsuited })).rejected[0]?.reason).toBe('it has groups of 32 channels');
    const wide = { ...PHI, weightFormat: 'fp16' };
    expect(recommend(request(lunarLake, { model: wide })).rejected[0]?.reason).toMatch(
      /takes int4 weights, these are fp16/u,
    );
  });

  it('says of a device that nothing drives what is missing', () => {
    const has = machine(VNNI, [
      accelerator('npu', { vendor: '8086', device: '643e', problems: ['no dev/accel: the driver is not loaded'] }),
    ]);
    const providers = [...cpuOnly, provider('openvino', [], 'not installed: npx aipc setup openvino')];
    expect(recommend(request({ has, providers })).rejected).toEqual([
      {
        deviceId: 'npu',
        provider: null,
        reason: 'no dev/accel: the driver is not loaded; openvino: not installed: npx aipc setup openvino',
      },
    ]);
  });
});

describe('hasMatrixUnits', () => {
  it('tells Arrow Lake H from Meteor Lake', () => {
    expect([hasMatrixUnits('8086', '7d51'), hasMatrixUnits('8086', '7d55'), hasMatrixUnits('8086', 'e20b')]).toEqual([
      true,
      false,
      true,
    ]);
  });
});
