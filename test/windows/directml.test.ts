/** DirectML up to where Direct3D 12 is needed, which Wine without a graphics card does not have (887A0004: DXGI_ERROR_UNSUPPORTED). */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOnnxRuntimeEngine } from '../../src/engine/onnxruntime/onnxruntime-engine.js';
import { exportModel } from '../../src/index.js';

const isWine = process.env['WINEPREFIX'] !== undefined && process.platform === 'win32';

describe.skipIf(!isWine)('the provider dml without Direct3D 12 [needs Wine: npm run test:windows]', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-dml-'));
    await exportModel(path.join('test', 'golden', 'models', 'phi3-gqa'), path.join(folder, 'model'));
  });
  afterAll(() => rm(folder, { recursive: true, maxRetries: 5 }));

  it.each([
    ['the first adapter', { deviceIndex: 0 }, '887A0004'],
    ['the best adapter', {}, 'dxcore.dll'],
  ])('does not start on %s: the error names it, what was found and what it needs', async (_, options, found) => {
    const engine = createOnnxRuntimeEngine(path.join(folder, 'model'), { provider: 'dml', ...options });
    await expect(engine).rejects.toMatchObject({
      code: 'DEVICE_NOT_FOUND',
      message: expect.stringMatching(
        new RegExp(`provider dml \\(DirectML\\) does not start.*${found}.*DirectX 12`, 'su'),
      ) as string,
      details: { provider: 'dml' },
    });
  });
});
