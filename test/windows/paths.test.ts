/** Folders as people have them: spaces, other scripts, emoji, deeper than Windows' old limit of 260 characters. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/testing/run-cli.js';
import { findOnnxRuntimeLibrary } from '../../src/engine/native-library.js';
import { exportModel, exportOpenvinoModel, loadModel, type LoadModelOptions } from '../../src/index.js';
import { describeWithOpenvino, openvinoEnvironment } from '../openvino.js';

const QUESTION = 'Can you introduce yourself?';
/** Wine 8's GetFinalPathNameByHandle, which ONNX Runtime asks for the model's folder, knows no longer ones. */
const deepestForOnnx = process.platform === 'win32' && process.env['WINEPREFIX'] !== undefined ? 250 : Infinity;
/** Brings rounding to the reference's. */
const EXACT = { INFERENCE_PRECISION_HINT: 'f32', KV_CACHE_PRECISION: 'f32', DYNAMIC_QUANTIZATION_GROUP_SIZE: '0' };

let root: string;
let shallow: string;
let folder: string;
let reference: number[];
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'aipc paths '));
  const steps = Array.from({ length: 8 }, (_, level) => `level ${level} of a folder tree with long names`);
  shallow = path.join(root, "Program Files (x86) & Co's", 'תיקייה של מודלים', '模型 🙂');
  folder = path.join(shallow, ...steps);
  expect(folder.length).toBeGreaterThan(300);
  await mkdir(folder, { recursive: true });
  ({ outputTokenIds: reference } = JSON.parse(
    await readFile(path.join('models', 'demo', 'reference.json'), 'utf8'),
  ) as { outputTokenIds: number[] });
});
afterAll(() => rm(root, { recursive: true, maxRetries: 5 }));

async function answer(model: string, options: LoadModelOptions): Promise<{ tokenIds: readonly number[]; on: string }> {
  const loaded = await loadModel(model, options);
  try {
    const { tokenIds } = await loaded.generate(QUESTION, { maxNewTokens: reference.length });
    return { tokenIds, on: loaded.execution.runtimeVersion };
  } finally {
    await loaded.dispose();
  }
}

describe.each([
  ['a folder with spaces, Hebrew, Chinese and emoji in its path', () => shallow],
  ['such a folder with a path of more than 300 characters', () => folder],
])('%s', (_, folderOf) => {
  it("holds an exported ONNX model, which gives the reference's tokens", async ({ skip }) => {
    const exported = path.join(folderOf(), 'onnx מודל 🙂');
    skip(exported.length > deepestForOnnx, "Wine's limit");
    await exportModel('demo', exported, { weightFormat: 'int4' });
    const { tokenIds, on } = await answer(exported, { provider: 'cpu' });
    expect(on).toMatch(/^ONNX Runtime /u);
    expect(tokenIds).toEqual(reference);
  });

  it("holds aipc's cache, from which the command line answers", async ({ skip }) => {
    const cache = path.join(folderOf(), 'cache מטמון');
    skip(cache.length > deepestForOnnx, "Wine's limit");
    const args = ['run', 'demo', QUESTION, '--max-new-tokens', String(reference.length), '--json'];
    const { exitCode, stdout } = await runCli(args, { environment: { AIPC_CACHE: cache } });
    expect(exitCode).toBe(0);
    expect((JSON.parse(stdout) as { tokenIds: number[] }).tokenIds).toEqual(reference);
  });
});

describe('a folder with spaces, Hebrew and emoji in its path', () => {
  it('holds the ONNX Runtime that ONNXRUNTIME_LIB_DIR names, and the libraries that it needs', async () => {
    const libraries = path.join(root, 'ספריות 🙂 of mine');
    const installed = path.dirname(findOnnxRuntimeLibrary({}));
    await mkdir(libraries);
    for (const name of await readdir(installed)) {
      if (/^(lib)?(onnxruntime|DirectML)[\d.]*\.(dll|so|dylib)/u.test(name)) {
        await cp(path.join(installed, name), path.join(libraries, name));
      }
    }
    const args = ['run', 'demo', 'Hello', '--max-new-tokens', '1', '--json'];
    const { exitCode, stderr } = await runCli(args, {
      environment: { ONNXRUNTIME_LIB_DIR: libraries, AIPC_CACHE: path.join(root, 'cache') },
    });
    expect([exitCode, stderr]).toEqual([0, expect.not.stringContaining('aipc:') as string]);
  });
});

describeWithOpenvino('OpenVINO, in a folder with such a path', () => {
  it("reads an exported model, which gives the reference's tokens", async () => {
    const exported = path.join(folder, 'ir מודל 🙂');
    await exportOpenvinoModel('demo', exported, { weightFormat: 'int4', groupSize: 128, symmetric: true });
    const { tokenIds, on } = await answer(exported, { provider: 'openvino', ovConfig: EXACT });
    expect(on).toMatch(/^OpenVINO /u);
    expect(tokenIds).toEqual(reference);
  });

  it("keeps compiled models in aipc's cache", async () => {
    const cache = path.join(root, 'cache מטמון 🙂');
    const args = ['run', 'demo', QUESTION, '--max-new-tokens', '1', '--json', '--provider', 'openvino'];
    const environment = { ...openvinoEnvironment(), AIPC_CACHE: cache };
    const { exitCode, stderr } = await runCli([...args, '--ov-config', `CACHE_DIR=${cache}`], { environment });
    expect([exitCode, stderr]).toEqual([0, expect.not.stringContaining('aipc:') as string]);
    const compiled = (await readdir(cache, { recursive: true })).filter((name) => name.endsWith('.blob'));
    expect(compiled.length).toBeGreaterThan(0);
  });
});
