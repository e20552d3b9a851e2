import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readOnnxFolder } from './onnx-folder.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-onnx-folder-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const config = {
  hidden_size: 3072,
  max_position_embeddings: 131072,
  num_attention_heads: 32,
  num_hidden_layers: 32,
  vocab_size: 32064,
  bos_token_id: 1,
  eos_token_id: 32000,
};

async function lay(files: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
}

describe('readOnnxFolder, of a folder as onnx-community lays it out', () => {
  it('reads sizes and end tokens from config.json and generation_config.json', async () => {
    await lay({
      'config.json': { ...config, rope_scaling: { type: 'longrope' }, original_max_position_embeddings: 4096 },
      'generation_config.json': { eos_token_id: [32007, 32001, 32000] },
      'onnx/model_q4f16.onnx': '',
      'onnx/model_q4f16.onnx_data': '',
    });
    expect(await readOnnxFolder(folder)).toMatchObject({
      file: path.join(folder, 'config.json'),
      modelFile: path.join(folder, 'onnx', 'model_q4f16.onnx'),
      ...{ contextTokens: 131072, vocabularySize: 32064, layers: 32, kvHeads: 32, headSize: 96 },
      endTokenIds: [32007, 32001, 32000],
      bosTokenId: 1,
      pastKey: 'past_key_values.%d.key',
      ropeBoundaries: [4096],
    });
  });

  it('takes grouped heads and head_dim from config.json', async () => {
    await lay({ 'config.json': { ...config, num_key_value_heads: 8, head_dim: 128 }, 'model.onnx': '' });
    expect(await readOnnxFolder(folder)).toMatchObject({
      modelFile: path.join(folder, 'model.onnx'),
      ...{ kvHeads: 8, headSize: 128 },
    });
  });

  it('asks which of several files is meant', async () => {
    await lay({ 'config.json': config, 'onnx/model.onnx': '', 'onnx/model_q4.onnx': '' });
    await expect(readOnnxFolder(folder)).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringContaining('several ONNX files') as string,
    });
    const named = path.join(folder, 'onnx', 'model_q4.onnx');
    expect(await readOnnxFolder(named)).toMatchObject({ modelFile: named, layers: 32 });
  });

  it('finds config.json above the folder of the graphs', async () => {
    await lay({ 'config.json': config, 'onnx/model.onnx': '' });
    expect(await readOnnxFolder(path.join(folder, 'onnx'))).toMatchObject({
      file: path.join(folder, 'config.json'),
      modelFile: path.join(folder, 'onnx', 'model.onnx'),
    });
  });

  it('names config.json where it is missing, and genai_config.json where no graph is there', async () => {
    await expect(readOnnxFolder(folder)).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringContaining('genai_config.json') as string,
    });
    await lay({ 'onnx/model.onnx': '' });
    await expect(readOnnxFolder(folder)).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringContaining('config.json of the model') as string,
    });
  });

  it('refuses a hidden size that does not divide into heads', async () => {
    await lay({ 'config.json': { ...config, num_attention_heads: 7 }, 'model.onnx': '' });
    await expect(readOnnxFolder(folder)).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
  });
});

describe('readOnnxFolder, of a folder with genai_config.json', () => {
  const genai = {
    model: {
      ...{ context_length: 4096, vocab_size: 320, eos_token_id: 2 },
      decoder: { filename: 'a.onnx', head_size: 16, num_hidden_layers: 2, num_key_value_heads: 2 },
    },
  };

  it('takes the file that it names, or the one that the caller names', async () => {
    await lay({ 'genai_config.json': genai, 'config.json': config, 'a.onnx': '', 'b.onnx': '' });
    expect((await readOnnxFolder(folder)).modelFile).toBe(path.join(folder, 'a.onnx'));
    const named = path.join(folder, 'b.onnx');
    expect(await readOnnxFolder(named)).toMatchObject({ modelFile: named, headSize: 16 });
  });
});
