import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { availableProviders, missingCudaLibrary } from './append-provider.js';
import { loadOrtApi } from './c-api.js';
import { createOnnxRuntimeEngine } from './onnxruntime-engine.js';

const folder = path.join('test', 'contract', 'models', 'builder-cpu-int4');
const opening = (provider: 'dml' | 'cuda' | 'webgpu', options = {}): Promise<unknown> =>
  createOnnxRuntimeEngine(folder, { provider, ...options });

describe('a provider that is not there', () => {
  it('is named, with what the library has and what to do', async () => {
    const api = await loadOrtApi();
    const found = availableProviders(api);
    expect(found.at(-1)).toBe('CPUExecutionProvider');
    if (found.includes('DmlExecutionProvider')) return; // Windows
    const error = await opening('dml').catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'DEVICE_NOT_FOUND', details: { provider: 'dml', found } });
    expect(String(error)).toMatch(/dml \(DirectML\) is not in .*CPUExecutionProvider\. DirectML needs Windows/u);
  });

  it.skipIf(process.platform === 'win32')('names the library of CUDA that is missing', async () => {
    expect(missingCudaLibrary(path.join('no', 'such', 'folder'))).toMatch(
      /^libonnxruntime_providers_shared\.so is missing/u,
    );
    const broken = await mkdtemp(path.join(tmpdir(), 'aipc-cuda-'));
    try {
      await writeFile(path.join(broken, 'libonnxruntime_providers_shared.so'), 'not a library');
      expect(missingCudaLibrary(broken)).toMatch(/cannot be loaded/u);
    } finally {
      await rm(broken, { recursive: true });
    }
    const { file } = await loadOrtApi();
    if (missingCudaLibrary(path.dirname(file)) === undefined) return; // CUDA is there
    await expect(opening('cuda')).rejects.toMatchObject({
      code: expect.stringMatching(/^(RUNTIME_LIBRARY_NOT_FOUND|DEVICE_NOT_FOUND)$/u) as string,
      message: expect.stringContaining('README.md') as string,
    });
  });

  it('is not asked for by a name or a device that means nothing', async () => {
    await expect(opening('vulkan' as 'dml')).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(opening('webgpu', { deviceIndex: -1 })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(opening('webgpu', { providerOptions: { deviceId: 1 } })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
  });
});
