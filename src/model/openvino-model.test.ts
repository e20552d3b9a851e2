/** loadModel on OpenVINO: conversion for the device, what ran, what is refused. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { describeWithOpenvino, openvinoEnvironment } from '../../test/openvino.js';
import type { OnLoadProgress } from '../models/progress.js';
import { exportOpenvinoModel } from './export-openvino-model.js';
import { loadModel } from './load-model.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const anyPhi = path.join(repository, 'test', 'golden', 'models', 'phi3-deep');
/** f32 throughout, so that two ways to the same tokens give the same tokens. */
const exact = { INFERENCE_PRECISION_HINT: 'f32', KV_CACHE_PRECISION: 'f32', DYNAMIC_QUANTIZATION_GROUP_SIZE: '0' };
const emulated = { NPUW_DEVICES: 'CPU', CACHE_DIR: '' };
const question = 'Can you introduce yourself?';

describeWithOpenvino('loadModel on OpenVINO', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-openvino-'));
    // The runtime may be in the cache that is about to be replaced.
    for (const [name, value] of Object.entries(openvinoEnvironment())) vi.stubEnv(name, value);
    vi.stubEnv('AIPC_CACHE', path.join(folder, 'cache'));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });
  const conversions = (): Promise<string[]> => readdir(path.join(folder, 'cache', 'conversions')).catch(() => []);

  it('converts weights once, and says what ran', async () => {
    const phases: string[] = [];
    const onProgress: OnLoadProgress = ({ phase }) => phases.push(phase);
    const options = { provider: 'openvino', weightFormat: 'fp16', ovConfig: exact, onProgress } as const;
    await using model = await loadModel(anyPhi, options);
    expect(model.execution).toMatchObject({
      requested: 'auto',
      device: 'cpu',
      provider: 'openvino',
      activationDtype: 'f32',
      kvDtype: 'f32',
      emulated: false,
    });
    expect(model.identity.weightFormat).toBe('fp16');
    expect(phases).toContain('convert');
    phases.length = 0;
    await using again = await loadModel(anyPhi, options);
    expect(phases).not.toContain('convert');
    expect(await conversions()).toHaveLength(1);
    const [a, b] = [
      await model.generate(question, { maxNewTokens: 8 }),
      await again.generate(question, { maxNewTokens: 8 }),
    ];
    expect(a.tokenIds).toEqual(b.tokenIds);
  });

  it('gives the same tokens as ONNX Runtime from the same weights', async () => {
    await using onOpenvino = await loadModel(anyPhi, { provider: 'openvino', weightFormat: 'fp32', ovConfig: exact });
    await using onOnnxRuntime = await loadModel(anyPhi, { weightFormat: 'fp32' });
    const [a, b] = [
      await onOpenvino.generate(question, { maxNewTokens: 24 }),
      await onOnnxRuntime.generate(question, { maxNewTokens: 24 }),
    ];
    expect(a.tokenIds).toEqual(b.tokenIds);
    const { perplexity } = await onOpenvino.score({ tokenIds: a.tokenIds });
    expect(perplexity).toBeCloseTo((await onOnnxRuntime.score({ tokenIds: a.tokenIds })).perplexity, 2);
  });

  it('quantises at load for the NPU as Intel asks, and runs several turns there, emulated', async () => {
    await using model = await loadModel('demo', {
      device: 'npu',
      weightFormat: 'int4',
      ovConfig: emulated,
      maxPromptTokens: 256,
      minResponseTokens: 128,
    });
    expect(model.execution).toMatchObject({ requested: 'npu', provider: 'openvino', device: 'cpu', emulated: true });
    await using chat = model.createChat();
    const first = await chat.send(question, { maxNewTokens: 24 });
    expect(first.text).toContain('built-in test model');
    const second = await chat.send('What is an NPU?', { maxNewTokens: 24 });
    expect(second.usage.cachedInputTokens).toBeGreaterThan(0);
    const whole = await model.generate({ messages: chat.messages.slice(0, 3) }, { maxNewTokens: 24 });
    expect(whole.text).toBe(second.text);
  });

  it('refuses what the NPU cannot run before anything is compiled, naming the export that would work', async () => {
    const mixed = path.join(folder, 'mixed');
    await exportOpenvinoModel('demo', mixed, { weightFormat: 'int4', groupSize: 128, ratio: 0.6, symmetric: true });
    await expect(loadModel(mixed, { device: 'npu', ovConfig: emulated })).rejects.toMatchObject({
      code: 'MODEL_FEATURE_UNSUPPORTED',
      message: expect.stringMatching(/--ratio 1\.0.*allow-unsupported/su) as string,
    });
    await using model = await loadModel(mixed, { device: 'npu', ovConfig: emulated, allowUnsupported: true });
    expect(model.execution.emulated).toBe(true);
  });

  it('does not convert for a device that is not there', async () => {
    await expect(loadModel(anyPhi, { device: 'gpu.9' })).rejects.toMatchObject({ code: 'DEVICE_NOT_FOUND' });
    expect(await conversions()).toEqual([]);
  });

  it('refuses a weight format for a folder that is converted already', async () => {
    const exported = path.join(folder, 'exported');
    await exportOpenvinoModel(anyPhi, exported, { weightFormat: 'fp16' });
    await expect(loadModel(exported, { weightFormat: 'int4' })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(loadModel(exported, { provider: 'cpu' })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('refuses an unknown property with the list of those there are', async () => {
    await expect(loadModel(anyPhi, { provider: 'openvino', ovConfig: { PERFORMANCE: 'x' } })).rejects.toMatchObject({
      code: 'OPTION_UNKNOWN',
      message: expect.stringContaining('PERFORMANCE_HINT') as string,
    });
  });
});
