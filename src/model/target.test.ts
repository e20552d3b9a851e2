import { describe, expect, it } from 'vitest';
import type { ModelKind } from '../models/resolve.js';
import { chooseTarget } from './target.js';

const choose = (device: string, provider: string, kind: ModelKind = 'weights') =>
  chooseTarget({ device, provider, kind, location: '/models/phi' });

describe('chooseTarget', () => {
  it.each<[string, string, ModelKind, string]>([
    ['auto', 'auto', 'weights', 'onnxruntime cpu'],
    ['cpu', 'auto', 'onnx', 'onnxruntime cpu'],
    ['CPU', 'OpenVINO', 'weights', 'openvino cpu'],
    ['auto', 'auto', 'openvino', 'openvino cpu'],
    ['GPU.0', 'auto', 'weights', 'openvino gpu.0'],
    ['gpu', 'openvino', 'openvino', 'openvino gpu'],
    ['NPU', 'auto', 'weights', 'openvino npu'],
  ])('device %s, provider %s, %s: %s', (device, provider, kind, expected) => {
    const target = choose(device, provider, kind);
    expect(`${target.runtime} ${target.device}`).toBe(expected);
  });

  it.each<[string, string, ModelKind, string]>([
    ['tpu', 'auto', 'weights', 'OPTION_INVALID'],
    ['gpu.x', 'auto', 'weights', 'OPTION_INVALID'],
    ['cpu', 'tensorflow', 'weights', 'OPTION_INVALID'],
    ['npu', 'cpu', 'weights', 'OPTION_INVALID'],
    ['npu', 'auto', 'onnx', 'OPTION_INVALID'],
    ['cpu', 'cpu', 'openvino', 'OPTION_INVALID'],
    ['gpu', 'dml', 'weights', 'DEVICE_NOT_FOUND'],
  ])('refuses device %s with provider %s for %s', (device, provider, kind, code) => {
    expect(() => choose(device, provider, kind)).toThrow(expect.objectContaining({ code }) as Error);
  });
});
