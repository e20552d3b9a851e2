/** Ready-made folders that are not whole or not what they seem: each error names the part and what would work. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createOnnxRuntimeEngine, type OnnxRuntimeEngineOptions } from './onnxruntime-engine.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-odd-folder-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const take = (name: string): Promise<void> =>
  cp(path.join('test', 'contract', 'models', name), folder, { recursive: true });

/** Puts a text of the same length in another's place, everywhere in a file. */
async function patch(file: string, from: string, to: string): Promise<void> {
  expect(to).toHaveLength(from.length);
  const bytes = await readFile(path.join(folder, file));
  const patched = bytes.toString('latin1').replaceAll(from, to);
  expect(patched).not.toBe(bytes.toString('latin1'));
  await writeFile(path.join(folder, file), patched, 'latin1');
}

async function configure(change: (decoder: Record<string, unknown>) => void): Promise<void> {
  const file = path.join(folder, 'genai_config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as { model: { decoder: Record<string, unknown> } };
  change(config.model.decoder);
  await writeFile(file, JSON.stringify(config));
}

const open = (inside = '', options: OnnxRuntimeEngineOptions = {}) =>
  createOnnxRuntimeEngine(path.join(folder, inside), options);

describe('a folder that is not whole', () => {
  it('names the data file that is missing, of several', async () => {
    await take('opset14-dml-int4');
    const name = 'tiny-directml-int4-rtn-block-32.onnx.data_1';
    await rm(path.join(folder, name));
    await expect(open()).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringMatching(new RegExp(`${name} is missing.*Download or export`, 'u')) as string,
    });
  });

  it('names the data file that is cut short', async () => {
    await take('onnx-community-gqa');
    await writeFile(path.join(folder, 'onnx', 'model_q4.onnx_data_1'), Buffer.alloc(100));
    await expect(open()).rejects.toMatchObject({
      code: 'FILE_TRUNCATED',
      message: expect.stringContaining('model_q4.onnx_data_1') as string,
    });
  });

  it('names the graph that its configuration names and that is not there', async () => {
    await take('builder-cpu-int4');
    await configure((decoder) => (decoder['filename'] = 'phi3.onnx'));
    await expect(open()).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringContaining('phi3.onnx') as string,
    });
  });
});

describe('a graph that is not what the configuration says', () => {
  it('names an input that aipc does not know', async () => {
    await take('onnx-community-gqa');
    await patch(path.join('onnx', 'model_q4.onnx'), 'num_logits_to_keep', 'num_logits_to_drop');
    await expect(open()).rejects.toMatchObject({
      code: 'MODEL_FEATURE_UNSUPPORTED',
      message: expect.stringMatching(/inputs that aipc does not know: num_logits_to_drop.*text decoders/u) as string,
    });
  });

  it('names a present output that is missing, and those there are', async () => {
    await take('builder-cpu-int4');
    await patch('model.onnx', 'present.1.value', 'present_1_value');
    await expect(open()).rejects.toMatchObject({
      code: 'TENSOR_MISSING',
      message: expect.stringMatching(/no output 'present\.1\.value'.*It has: .*present_1_value/u) as string,
    });
  });

  it('binds by the names that the configuration gives, whatever they are', async () => {
    await take('builder-cpu-int4');
    await patch('model.onnx', 'past_key_values.', 'cache_of_layers_');
    await patch('model.onnx', 'present.', 'updated_');
    await configure((decoder) => {
      decoder['inputs'] = { past_key_names: 'cache_of_layers_%d.key', past_value_names: 'cache_of_layers_%d.value' };
      decoder['outputs'] = { present_key_names: 'updated_%d.key', present_value_names: 'updated_%d.value' };
    });
    await using engine = await open();
    await using slot = await engine.openSlot({ capacityTokens: 8 });
    const [logits] = await engine.forward([{ slot, tokens: Int32Array.of(5), finalLength: 1, logits: 'last' }]);
    expect(logits?.rows).toBe(1);
  });

  it.each([['builder-cpu-int4'], ['torch-plain-attention']])(
    'says that the head size of %s does not fit',
    async (name) => {
      await take(name);
      let inside = '';
      if (name === 'builder-cpu-int4') await configure((decoder) => (decoder['head_size'] = 8));
      else {
        inside = path.join('onnx', 'model.onnx');
        const file = path.join(folder, 'config.json');
        await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), head_dim: 8 }));
      }
      await expect(open(inside)).rejects.toMatchObject({
        code: 'TENSOR_SHAPE_MISMATCH',
        message: expect.stringMatching(/head|shape/u) as string,
      });
    },
  );

  it("serves WebGPU's joined rotary tables on the CPU as far as the first one goes", async () => {
    await take('builder-webgpu-graph-longrope');
    await using engine = await open();
    expect(engine.limits).toMatchObject({ contextTokens: 64, ropeBoundaries: [] });
    await expect(open('', { contextTokens: 65 })).rejects.toMatchObject({
      code: 'MODEL_FEATURE_UNSUPPORTED',
      message: expect.stringMatching(/made for WebGPU.*64 tokens.*provider webgpu/u) as string,
    });
  });

  it('names what an If does that is no choice between rotary tables', async () => {
    await take('builder-cpu-longrope');
    await patch('model.onnx', 'Greater', 'Greatly');
    await expect(open()).rejects.toMatchObject({ code: 'MODEL_FEATURE_UNSUPPORTED' });
  });

  it('refuses a graph with plain attention off the CPU, and says what would work', async () => {
    await take('torch-plain-attention');
    await expect(open(path.join('onnx', 'model.onnx'), { provider: 'webgpu' })).rejects.toMatchObject({
      code: 'MODEL_FEATURE_UNSUPPORTED',
      message: expect.stringMatching(/no GroupQueryAttention.*provider cpu/u) as string,
    });
  });
});
