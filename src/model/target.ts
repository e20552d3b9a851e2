/**
 * Which runtime and which device an answer will be computed on: the caller's device and provider, and what kind of
 * model it is, become one target or an error. Nothing is replaced by something else. It loads nothing and does not
 * know whether the device is there: the runtime is asked for that.
 */
import { OptionError } from '../errors.js';
import type { ModelKind } from '../models/resolve.js';

export type Target =
  | { readonly runtime: 'onnxruntime'; readonly provider: 'cpu'; readonly device: 'cpu' }
  | { readonly runtime: 'onnxruntime'; readonly provider: GpuProvider; readonly device: GpuDevice }
  | { readonly runtime: 'openvino'; readonly device: OpenvinoDevice };

export type GpuDevice = 'gpu' | `gpu.${number}`;
export type OpenvinoDevice = 'cpu' | GpuDevice | 'npu';
/** Execution providers of ONNX Runtime for GPUs. */
export type GpuProvider = 'dml' | 'webgpu' | 'cuda';

/** What the caller asked for, as names that mean something; which model it is for is not known yet. */
export interface RequestedTarget {
  readonly device: OpenvinoDevice;
  readonly provider: 'auto' | 'cpu' | 'openvino' | GpuProvider;
}

export interface TargetRequest {
  /** auto, cpu, gpu, gpu.N, npu; dml, webgpu, cuda are short for gpu with that provider; case-insensitive. */
  readonly device: string;
  /** auto, cpu, dml, webgpu, cuda (ONNX Runtime's providers), openvino; case-insensitive. */
  readonly provider: string;
  readonly kind: ModelKind;
  /** Path of the model, for messages. */
  readonly location: string;
}

const DEVICES = 'auto, cpu, gpu, gpu.N, npu, dml, webgpu, cuda';
const GPU_PROVIDERS: readonly GpuProvider[] = ['dml', 'webgpu', 'cuda'];
const PROVIDERS = ['auto', 'cpu', 'dml', 'webgpu', 'cuda', 'openvino'] as const;

/**
 * auto device: the CPU, or the GPU where the provider is one for GPUs (choose-device.ts has put a better one in its place). auto provider: OpenVINO for gpu and npu and for IR
 * folders, ONNX Runtime otherwise. Throws OPTION_INVALID for names that mean nothing, for a device and a provider that
 * exclude each other, and for a model that the provider cannot run.
 */
export function chooseTarget(request: TargetRequest): Target {
  const { device, provider } = parseTarget(request);
  if (provider === 'openvino' || (provider === 'auto' && (device !== 'cpu' || request.kind === 'openvino'))) {
    if (request.kind === 'onnx') {
      throw unfit(
        request,
        'is an ONNX folder, which OpenVINO is not given here',
        "Give the model's weights or an IR folder, or use the provider cpu.",
      );
    }
    return { runtime: 'openvino', device };
  }
  if (request.kind === 'openvino') {
    throw unfit(
      request,
      'is an OpenVINO IR folder, which ONNX Runtime does not run',
      'Use the provider openvino or auto.',
    );
  }
  if (isGpuProvider(provider) && device !== 'cpu' && device !== 'npu') {
    return { runtime: 'onnxruntime', provider, device };
  }
  if (device !== 'cpu') {
    throw excluding(request.device, request.provider, 'Use the provider openvino, dml, webgpu, cuda or auto.');
  }
  return { runtime: 'onnxruntime', provider: 'cpu', device };
}

/** Throws OPTION_INVALID for names that mean nothing here or exclude each other. */
export function parseTarget({ device, provider }: Pick<TargetRequest, 'device' | 'provider'>): RequestedTarget {
  const asked = parseProvider(provider);
  const short = GPU_PROVIDERS.find((name) => name === device.toLowerCase());
  if (short !== undefined) {
    if (asked !== 'auto' && asked !== short) throw excluding(device, provider, `Leave the provider out.`);
    return { device: 'gpu', provider: short };
  }
  if (!isGpuProvider(asked)) return { device: parseDevice(device, 'cpu'), provider: asked };
  const chosen = parseDevice(device, 'gpu');
  if (chosen === 'cpu' || chosen === 'npu') {
    throw excluding(device, provider, `${asked} is for GPUs: use the device gpu, gpu.N or auto.`);
  }
  return { device: chosen, provider: asked };
}

/** N of gpu.N; undefined: no particular one. */
export function gpuIndex(device: GpuDevice): number | undefined {
  return device === 'gpu' ? undefined : Number(device.slice('gpu.'.length));
}

function isGpuProvider(provider: string): provider is GpuProvider {
  return GPU_PROVIDERS.some((name) => name === provider);
}

function excluding(device: string, provider: string, remedy: string): OptionError {
  return new OptionError(
    'OPTION_INVALID',
    `device '${device}' and provider '${provider}' exclude each other. ${remedy}`,
    {
      details: { device, provider },
    },
  );
}

/** Throws OPTION_INVALID. */
export function parseDevice(text: string, auto: 'cpu' | 'gpu'): OpenvinoDevice {
  const device = text.toLowerCase();
  if (device === 'auto') return auto;
  if (device === 'cpu' || device === 'gpu' || device === 'npu') return device;
  const number = /^gpu\.(\d{1,2})$/u.exec(device)?.[1];
  if (number !== undefined) return `gpu.${Number(number)}`;
  throw new OptionError('OPTION_INVALID', `device '${text}' is none of ${DEVICES}.`, {
    details: { option: 'device', found: text, allowed: DEVICES },
  });
}

function parseProvider(text: string): RequestedTarget['provider'] {
  const provider = PROVIDERS.find((name) => name === text.toLowerCase());
  if (provider !== undefined) return provider;
  const allowed = PROVIDERS.join(', ');
  throw new OptionError('OPTION_INVALID', `provider '${text}' is none of ${allowed}.`, {
    details: { option: 'provider', found: text, allowed },
  });
}

function unfit(request: TargetRequest, problem: string, remedy: string): OptionError {
  return new OptionError('OPTION_INVALID', `${request.location} ${problem}. ${remedy}`, {
    details: { option: 'provider', device: request.device, provider: request.provider },
  });
}
