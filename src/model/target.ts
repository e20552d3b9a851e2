/**
 * Which runtime and which device an answer will be computed on: the caller's device and provider, and what kind of
 * model it is, become one target or an error. Nothing is replaced by something else. It loads nothing and does not
 * know whether the device is there: the runtime is asked for that.
 */
import { NotFoundError, OptionError } from '../errors.js';
import type { ModelKind } from '../models/resolve.js';

export type Target =
  | { readonly runtime: 'onnxruntime'; readonly device: 'cpu' }
  | { readonly runtime: 'openvino'; readonly device: OpenvinoDevice };

export type OpenvinoDevice = 'cpu' | 'gpu' | `gpu.${number}` | 'npu';

/** What the caller asked for, as names that mean something; which model it is for is not known yet. */
export interface RequestedTarget {
  readonly device: OpenvinoDevice;
  readonly provider: 'auto' | 'cpu' | 'openvino';
}

export interface TargetRequest {
  /** auto, cpu, gpu, gpu.N, npu; case-insensitive. */
  readonly device: string;
  /** auto, cpu (ONNX Runtime's CPU provider), openvino; case-insensitive. */
  readonly provider: string;
  readonly kind: ModelKind;
  /** Path of the model, for messages. */
  readonly location: string;
}

const DEVICES = 'auto, cpu, gpu, gpu.N, npu';
const PROVIDERS = 'auto, cpu, openvino';
/** Providers of ONNX Runtime that other versions of aipc may drive. */
const ABSENT_PROVIDERS = ['dml', 'webgpu', 'cuda'];

/**
 * auto device: the CPU (choose-device.ts has put a better one in its place). auto provider: OpenVINO for gpu and npu and for IR folders, ONNX Runtime otherwise.
 * Throws OPTION_INVALID for names that mean nothing and for a model that the provider cannot run, DEVICE_NOT_FOUND for
 * a device that no provider of this version drives.
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
  if (device !== 'cpu') {
    throw new OptionError(
      'OPTION_INVALID',
      `device '${request.device}' and provider 'cpu' exclude each other. Use the provider openvino or auto.`,
      { details: { device: request.device, provider: request.provider } },
    );
  }
  if (request.kind === 'openvino') {
    throw unfit(
      request,
      'is an OpenVINO IR folder, which ONNX Runtime does not run',
      'Use the provider openvino or auto.',
    );
  }
  return { runtime: 'onnxruntime', device };
}

/** Throws OPTION_INVALID, DEVICE_NOT_FOUND for names that mean nothing here. */
export function parseTarget({ device, provider }: Pick<TargetRequest, 'device' | 'provider'>): RequestedTarget {
  return { device: parseDevice(device), provider: parseProvider(provider) };
}

function parseDevice(text: string): OpenvinoDevice {
  const device = text.toLowerCase();
  if (device === 'auto') return 'cpu';
  if (device === 'cpu' || device === 'gpu' || device === 'npu') return device;
  const number = /^gpu\.(\d{1,2})$/u.exec(device)?.[1];
  if (number !== undefined) return `gpu.${Number(number)}`;
  throw new OptionError('OPTION_INVALID', `device '${text}' is none of ${DEVICES}.`, {
    details: { option: 'device', found: text, allowed: DEVICES },
  });
}

function parseProvider(text: string): 'auto' | 'cpu' | 'openvino' {
  const provider = text.toLowerCase();
  if (provider === 'auto' || provider === 'cpu' || provider === 'openvino') return provider;
  if (ABSENT_PROVIDERS.includes(provider)) {
    throw new NotFoundError(
      'DEVICE_NOT_FOUND',
      `provider '${text}' is not in this version of aipc, which has ${PROVIDERS}. On Intel GPUs use openvino.`,
      { details: { provider: text } },
    );
  }
  throw new OptionError('OPTION_INVALID', `provider '${text}' is none of ${PROVIDERS}.`, {
    details: { option: 'provider', found: text, allowed: PROVIDERS },
  });
}

function unfit(request: TargetRequest, problem: string, remedy: string): OptionError {
  return new OptionError('OPTION_INVALID', `${request.location} ${problem}. ${remedy}`, {
    details: { option: 'provider', device: request.device, provider: request.provider },
  });
}
