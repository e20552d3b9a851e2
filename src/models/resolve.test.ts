import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { resolveModel } from './resolve.js';

describe('what a model reference means', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-resolve-'));
    vi.stubEnv('AIPC_CACHE', path.join(folder, 'cache'));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });

  it('finds the built-in model by name, in any case, with its notice', async () => {
    const model = await resolveModel('Demo', { download: 'never' });
    expect(model).toMatchObject({ id: 'demo', kind: 'weights', defaultWeightFormat: 'int4' });
    expect(model.notice).toContain('not Microsoft Phi');
    expect(path.basename(model.path)).toBe('demo');
  });

  it('takes a folder of Hugging Face weights, an OpenVINO or ONNX folder and a .gguf file', async () => {
    await writeFile(path.join(folder, 'config.json'), '{}');
    await expect(resolveModel(folder, { download: 'never' })).resolves.toMatchObject({ kind: 'weights', path: folder });
    await writeFile(path.join(folder, 'openvino_model.xml'), '');
    await expect(resolveModel(folder, { download: 'never' })).resolves.toMatchObject({ kind: 'openvino', path: folder });
    await writeFile(path.join(folder, 'genai_config.json'), '{}');
    await expect(resolveModel(folder, { download: 'never' })).resolves.toMatchObject({ kind: 'onnx', path: folder });
    const file = path.join(folder, 'model with spaces שלום 🙂.GGUF');
    await writeFile(file, '');
    await expect(resolveModel(file, { download: 'never' })).resolves.toMatchObject({ kind: 'weights', path: file });
  });

  it('refuses an unknown name with the known ones', async () => {
    await expect(resolveModel('phi-99', { download: 'never' })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('demo, smollm2-135m') as string,
    });
  });

  it('refuses a folder without a model and a file of another kind', async () => {
    await mkdir(path.join(folder, 'empty'));
    await expect(resolveModel(path.join(folder, 'empty'), { download: 'never' })).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
    });
    await writeFile(path.join(folder, 'notes.txt'), 'x');
    await expect(resolveModel(path.join(folder, 'notes.txt'), { download: 'never' })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('not a .gguf file') as string,
    });
  });

  it('does not download where downloading is off', async () => {
    await expect(resolveModel('smollm2-135m', { download: 'never' })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('downloading is off') as string,
    });
  });
});
