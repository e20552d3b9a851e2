import { describe, expect, it } from 'vitest';
import type { ModelKind } from '../models/resolve.js';
import { chooseTarget } from './target.js';

const choose = (device: string, provider: string, kind: ModelKind = 'weights') =>
  chooseTarget({ device, provider, kind, location: '/models/phi' });

describe('chooseTarget', () => {
  it.each<[string, string, ModelKind, string]>([
    ['auto', 'auto', 'weights', 'onnxruntime cpu cpu'],
    ['cpu', 'auto', 'onnx', 'onnxruntime cpu cpu'],
    ['CPU', 'OpenVINO', 'weights', 'openvino cpu'],
    ['auto', 'auto', 'openvino', 'openvino cpu'],
    ['GPU.0', 'auto', 'weights', 'openvino gpu.0'],
    ['gpu', 'openvino', 'openvino', 'openvino gpu'],
    ['NPU', 'auto', 'weights', 'openvino npu'],
    ['auto', 'DML', 'weights', 'onnxruntime dml gpu'],
    ['gpu.1', 'webgpu', 'onnx', 'onnxruntime webgpu gpu.1'],
    ['CUDA', 'auto', 'onnx', 'onnxruntime cuda gpu'],
    ['dml', 'dml', 'weights', 'onnxruntime dml gpu'],
  ])('device %s, provider %s, %s: %s', (device, provider, kind, expected) => {
    const target = choose(device, provider, kind);
    const by = target.runtime === 'onnxruntime' ? ` ${target.provider}` : '';
    expect(`${target.runtime}${by} ${target.device}`).toBe(expected);
  });

  it.each<[string, string, ModelKind, string]>([
    ['tpu', 'auto', 'weights', 'OPTION_INVALID'],
    ['gpu.x', 'auto', 'weights', 'OPTION_INVALID'],
    ['cpu', 'tensorflow', 'weights', 'OPTION_INVALID'],
    ['npu', 'cpu', 'weights', 'OPTION_INVALID'],
    ['npu', 'auto', 'onnx', 'OPTION_INVALID'],
    ['cpu', 'cpu', 'openvino', 'OPTION_INVALID'],
    ['gpu', 'cpu', 'weights', 'OPTION_INVALID'],
    ['cpu', 'dml', 'weights', 'OPTION_INVALID'],
    ['npu', 'webgpu', 'weights', 'OPTION_INVALID'],
    ['dml', 'cuda', 'weights', 'OPTION_INVALID'],
    ['webgpu', 'auto', 'openvino', 'OPTION_INVALID'],
  ])('refuses device %s with provider %s for %s', (device, provider, kind, code) => {
    expect(() => choose(device, provider, kind)).toThrow(expect.objectContaining({ code }) as Error);
  });
});
