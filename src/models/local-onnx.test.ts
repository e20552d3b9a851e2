import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveModel } from './resolve.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-local-onnx-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function lay(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), '{}');
  }
}

const resolve = (inside = '', weightFormat?: 'int4' | 'fp16') =>
  resolveModel(path.join(folder, inside), {
    request: { device: 'cpu', provider: 'auto', weightFormat },
    download: 'never',
  });

const OFFICIAL = [
  'cpu_and_mobile/cpu-int4-rtn-block-32-acc-level-4/genai_config.json',
  'cpu_and_mobile/cpu-int4-rtn-block-32-acc-level-4/phi3-mini-cpu-int4.onnx',
  'cpu_and_mobile/cpu-int4-rtn-block-32-acc-level-4/tokenizer.json',
  'directml/directml-int4-awq-block-128/genai_config.json',
  'directml/directml-int4-awq-block-128/model.onnx',
];
const COMMUNITY = ['config.json', 'tokenizer.json', 'onnx/model_fp16.onnx', 'onnx/model_q4.onnx'];

describe('an ONNX model by its path', () => {
  it("is found below a copy of one of Microsoft's repositories: the one for the CPU", async () => {
    await lay('config.json', 'README.md', ...OFFICIAL);
    const inside = path.join(folder, 'cpu_and_mobile', 'cpu-int4-rtn-block-32-acc-level-4');
    expect(await resolve()).toMatchObject({ kind: 'onnx', path: inside, tokenizerFolder: inside });
    const named = path.join('directml', 'directml-int4-awq-block-128');
    expect(await resolve(named)).toMatchObject({ kind: 'onnx', path: path.join(folder, named) });
  });

  it('has to be named where several are for the CPU, or none is', async () => {
    await lay(...OFFICIAL, 'cpu_and_mobile/cpu-int4-rtn-block-32/genai_config.json');
    await expect(resolve()).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringMatching(/several ONNX models.*cpu-int4-rtn-block-32,.*directml-int4/u) as string,
    });
  });

  it('is one file of several, by the weight format or by its own path, with the tokenizer above it', async () => {
    await lay(...COMMUNITY);
    await expect(resolve()).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringMatching(/model_fp16\.onnx \(fp16\).*model_q4\.onnx \(int4\).*--weight-format/u) as string,
    });
    const file = path.join(folder, 'onnx', 'model_q4.onnx');
    for (const found of [await resolve('', 'int4'), await resolve(path.join('onnx', 'model_q4.onnx'))]) {
      expect(found).toMatchObject({ kind: 'onnx', path: file, tokenizerFolder: folder, storedWeightFormat: 'int4' });
    }
    await rm(path.join(folder, 'onnx', 'model_fp16.onnx'));
    expect(await resolve()).toMatchObject({ kind: 'onnx', path: file });
    expect(await resolve('onnx')).toMatchObject({ kind: 'onnx', path: file, tokenizerFolder: folder });
  });

  it('does not hide weights, nor an OpenVINO model, in the same folder', async () => {
    await lay(...COMMUNITY, 'model.safetensors');
    expect(await resolve()).toMatchObject({ kind: 'weights', path: folder });
    await lay('openvino_model.xml');
    expect(await resolve()).toMatchObject({ kind: 'openvino', path: folder });
  });

  it('is looked for three folders deep, not further', async () => {
    await lay('a/b/c/genai_config.json');
    expect(await resolve()).toMatchObject({ path: path.join(folder, 'a', 'b', 'c') });
    await rm(path.join(folder, 'a'), { recursive: true });
    await lay('a/b/c/d/genai_config.json');
    await expect(resolve()).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
  });
});
