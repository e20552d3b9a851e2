import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findOnnxRuntimeLibrary } from '../native-library.js';
import { loadOrtApi } from './c-api.js';
import { openPlugin, pluginDevices } from './plugin-provider.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-plugin-'));
});
afterAll(() => rm(folder, { recursive: true, maxRetries: 5 }));

describe('a library that is no provider', () => {
  it('is refused where it is not there', async () => {
    const library = path.join(folder, 'none.so');
    await expect(openPlugin(await loadOrtApi(), { name: 'Mine', library })).rejects.toMatchObject({
      code: 'RUNTIME_LIBRARY_NOT_FOUND',
      message: expect.stringMatching(/provider Mine is not there: .*none\.so.*docs\/gpu\.md/su) as string,
    });
  });

  it('is refused where the system loads no such file, and again when it is tried again', async () => {
    const library = path.join(folder, 'text.so');
    await writeFile(library, 'no library');
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(openPlugin(await loadOrtApi(), { name: 'Text', library })).rejects.toMatchObject({
        code: 'RUNTIME_INCOMPATIBLE',
        message: expect.stringMatching(/text\.so is no execution provider/u) as string,
      });
    }
  });

  it("is refused where it is a library of another kind, in the runtime's own words", async () => {
    const library = findOnnxRuntimeLibrary();
    await expect(openPlugin(await loadOrtApi(), { name: 'Runtime', library })).rejects.toMatchObject({
      code: 'RUNTIME_INCOMPATIBLE',
      message: expect.stringContaining('CreateEpFactories') as string,
    });
  });
});

const library = process.env['AIPC_EP_WEBGPU'];

describe.skipIf(library === undefined)(
  "the plug-in of the wheel onnxruntime-ep-webgpu [needs its library's path in AIPC_EP_WEBGPU]",
  () => {
    const file = library ?? '';

    // A name that ends so asks for devices that ONNX Runtime did not find itself.
    it('offers a GPU, by its own name', async () => {
      const devices = await pluginDevices(await loadOrtApi(), 'WebGPU.virtual', file);
      expect(devices).toMatchObject([
        { kind: 'gpu', provider: 'WebGpuExecutionProvider', providerVendor: 'Microsoft' },
      ]);
      expect(await pluginDevices(await loadOrtApi(), 'WebGPU.virtual', file)).toBe(devices);
    });

    it('offers no NPU: the error says what it offers, and what there is', async () => {
      const query = { name: 'WebGPU.virtual', library: file, kind: 'npu' } as const;
      await expect(openPlugin(await loadOrtApi(), query)).rejects.toMatchObject({
        code: 'DEVICE_NOT_FOUND',
        message: expect.stringMatching(
          /WebGPU\.virtual .* offers no NPU .*offers: GPU of WebGpuExecutionProvider .*CPU of CPUExecutionProvider/su,
        ) as string,
      });
    });

    it('keeps its name: another library cannot take it', async () => {
      const query = { name: 'WebGPU.virtual', library: path.join(folder, 'other.so') };
      await expect(openPlugin(await loadOrtApi(), query)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    });
  },
);
