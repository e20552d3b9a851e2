/** What loadModel makes of broken, hostile and impossible requests: a typed error, and nothing left behind. */
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadModel } from './load-model.js';
import type { LoadModelOptions } from './load-options.js';

const models = fileURLToPath(new URL('../../../test/golden/models/', import.meta.url));

let folder: string;
let modelFolder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-load-'));
  modelFolder = path.join(folder, 'model');
  vi.stubEnv('AIPC_CACHE', path.join(folder, 'cache'));
  await cp(path.join(models, 'phi3-window'), modelFolder, { recursive: true });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function refusal(options: LoadModelOptions = {}): Promise<{ code: string; message: string }> {
  const error: unknown = await loadModel(modelFolder, options).then(
    (model) => model.dispose().then(() => new Error('it loaded')),
    (reason: unknown) => reason,
  );
  const conversions = path.join(folder, 'cache', 'conversions');
  expect(await readdir(conversions).catch(() => [])).toEqual([]);
  return error as { code: string; message: string };
}

async function editJson(name: string, change: (json: Record<string, unknown>) => void): Promise<void> {
  const file = path.join(modelFolder, name);
  const json = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  change(json);
  await writeFile(file, JSON.stringify(json));
}

describe('a folder that cannot be loaded', () => {
  it('has truncated weights', async () => {
    await truncate(path.join(modelFolder, 'model.safetensors'), 5000);
    const error = await refusal();
    expect(error.code).toBe('FILE_TRUNCATED');
    expect(error.message).toContain('model.safetensors');
  });

  it('has tensors of another shape than config.json says', async () => {
    await editJson('config.json', (json) => (json['intermediate_size'] = 128));
    expect((await refusal()).code).toBe('TENSOR_SHAPE_MISMATCH');
  });

  it('has an unknown architecture', async () => {
    await editJson('config.json', (json) => {
      json['architectures'] = ['MambaForCausalLM'];
      json['model_type'] = 'mamba';
    });
    const error = await refusal();
    expect(error.code).toBe('ARCHITECTURE_UNSUPPORTED');
    expect(error.message).toMatch(/mamba/iu);
  });

  it('has no tokenizer', async () => {
    await rm(path.join(modelFolder, 'tokenizer.json'));
    expect(await refusal()).toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringContaining('tokenizer.json') as string,
    });
  });

  it('has a tokenizer that is none', async () => {
    await writeFile(path.join(modelFolder, 'tokenizer.json'), '{"model": 3}');
    const error: unknown = await loadModel(modelFolder).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'TOKENIZER_MALFORMED' });
  });
});

describe('a hostile chat template', () => {
  it.each([
    ['counts to a billion', '{% for i in range(10**9) %}x{% endfor %}'],
    ['asks for a long range', '{% for i in range(1000000000) %}x{% endfor %}'],
    [
      'doubles a string for ever',
      '{% set ns = namespace(x="x") %}{% for i in range(99999) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}',
    ],
  ])('that %s fails by itself, and raw prompts still work', async (_name, template) => {
    await editJson('tokenizer_config.json', (json) => (json['chat_template'] = template));
    const model = await loadModel(modelFolder, { threads: 1 });
    try {
      await expect(model.generate('Hi', { maxNewTokens: 2 })).rejects.toMatchObject({
        code: expect.stringMatching(/^CHAT_TEMPLATE_(?:LIMIT_EXCEEDED|FAILED)$/u) as string,
      });
      await expect(model.generate({ prompt: 'Hi' }, { maxNewTokens: 2 })).resolves.toMatchObject({
        usage: { outputTokens: 2 },
      });
    } finally {
      await model.dispose();
    }
  });

  it('that is not there makes messages an error with the way out', async () => {
    await editJson('tokenizer_config.json', (json) => {
      delete json['chat_template'];
    });
    const model = await loadModel(modelFolder, { threads: 1 });
    try {
      await expect(model.generate('Hi')).rejects.toMatchObject({
        code: 'INPUT_INVALID',
        message: expect.stringContaining('--raw') as string,
      });
    } finally {
      await model.dispose();
    }
  });
});

describe('a request that cannot be met', () => {
  it.each<[string, LoadModelOptions, string]>([
    ['an unknown option', { wieghtFormat: 'int4' } as LoadModelOptions, 'OPTION_UNKNOWN'],
    ['a weight format that is none', { weightFormat: 'int3' as 'int4' }, 'OPTION_INVALID'],
    ['a device that is none', { device: 'tpu' }, 'OPTION_INVALID'],
    ['a device and a provider that exclude each other', { device: 'cpu', provider: 'dml' }, 'OPTION_INVALID'],
    ["OpenVINO's properties for ONNX Runtime", { ovConfig: { NUM_STREAMS: '1' } }, 'OPTION_INVALID'],
    ["ONNX Runtime's options for OpenVINO", { provider: 'openvino', sessionOptions: {} }, 'OPTION_INVALID'],
  ])('%s', async (_name, options, code) => {
    expect((await refusal(options)).code).toBe(code);
  });

  it.each<[string, LoadModelOptions]>([
    ['a context longer than the model has', { contextTokens: 100_000 }],
    ['no thread', { threads: 0 }],
    ['no slot', { maxSlots: 0 }],
  ])('%s', async (_name, options) => {
    await expect(loadModel(modelFolder, options)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('a weight format for a folder that is converted already', async () => {
    const made = await loadModel(modelFolder, { threads: 1 });
    await made.dispose();
    const [name] = await readdir(path.join(folder, 'cache', 'conversions'));
    const converted = path.join(folder, 'cache', 'conversions', String(name));
    await expect(loadModel(converted, { weightFormat: 'int8' })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    const model = await loadModel(converted, { threads: 1 });
    expect(model.identity.weightFormat).toBe('int4');
    await model.dispose();
  });
});

describe('conversions', () => {
  it('are made anew when the source or the recipe changes, and only then', async () => {
    const conversions = async (): Promise<number> => (await readdir(path.join(folder, 'cache', 'conversions'))).length;
    const load = async (options: LoadModelOptions = {}): Promise<void> =>
      (await loadModel(modelFolder, { threads: 1, ...options })).dispose();
    await load();
    await load();
    expect(await conversions()).toBe(1);
    await load({ weightFormat: 'int8' });
    expect(await conversions()).toBe(2);
    await editJson('generation_config.json', (json) => (json['eos_token_id'] = [2, 5]));
    await load();
    expect(await conversions()).toBe(3);
  });

  it('of two loads at once end with one folder and two models', async () => {
    const loaded = await Promise.all([loadModel(modelFolder, { threads: 1 }), loadModel(modelFolder, { threads: 1 })]);
    const answers = await Promise.all(loaded.map((model) => model.generate('Hi', { maxNewTokens: 4 })));
    expect(answers[0]?.tokenIds).toEqual(answers[1]?.tokenIds);
    expect(await readdir(path.join(folder, 'cache', 'conversions'))).toHaveLength(1);
    await Promise.all(loaded.map((model) => model.dispose()));
  });

  it('stop at an abort and leave nothing', async () => {
    const controller = new AbortController();
    const error = await refusal({
      signal: controller.signal,
      onProgress: ({ phase }) => {
        if (phase === 'convert') controller.abort(new Error('changed my mind'));
      },
    });
    expect(error.message).toBe('changed my mind');
  });
});
