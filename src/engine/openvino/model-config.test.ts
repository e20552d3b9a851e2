import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readOpenvinoModelConfig } from './model-config.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-ov-config-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const config = { max_position_embeddings: 4096, bos_token_id: 1, eos_token_id: 32000, sliding_window: 2047 };
async function read(configuration: object, generation?: object): ReturnType<typeof readOpenvinoModelConfig> {
  await writeFile(path.join(folder, 'config.json'), JSON.stringify(configuration));
  if (generation !== undefined)
    await writeFile(path.join(folder, 'generation_config.json'), JSON.stringify(generation));
  return readOpenvinoModelConfig(folder);
}

describe('readOpenvinoModelConfig', () => {
  it('reads the context, the window and the tokens', async () => {
    expect(await read(config)).toEqual({
      file: path.join(folder, 'config.json'),
      contextTokens: 4096,
      endTokenIds: [32000],
      bosTokenId: 1,
      slidingWindowTokens: 2047,
      ropeBoundaries: [],
    });
  });

  it('takes the end tokens of generation_config.json before those of config.json', async () => {
    const generation = { eos_token_id: [32000, 32001, 32007] };
    expect(await read(config, generation)).toMatchObject({ endTokenIds: [32000, 32001, 32007], bosTokenId: 1 });
    expect(await read(config, { eos_token_id: null })).toMatchObject({ endTokenIds: [32000] });
  });

  it('knows no window and no tokens where there are none', async () => {
    expect(await read({ max_position_embeddings: 512, sliding_window: null })).toMatchObject({
      endTokenIds: [],
      bosTokenId: null,
      slidingWindowTokens: undefined,
    });
  });

  it.each([
    [{ rope_scaling: { type: 'longrope' }, original_max_position_embeddings: 4096 }, [4096]],
    [{ rope_scaling: { type: 'su' }, original_max_position_embeddings: 4096 }, [4096]],
    [{ rope_parameters: { rope_type: 'longrope', original_max_position_embeddings: 4096 } }, [4096]],
    [{ rope_scaling: { rope_type: 'linear', factor: 2 } }, []],
    [{ rope_parameters: { rope_type: 'default', rope_theta: 10000 } }, []],
    [{ rope_scaling: null }, []],
  ])('finds the rope regimes of %j', async (rope, boundaries) => {
    expect(await read({ max_position_embeddings: 131072, ...rope })).toMatchObject({ ropeBoundaries: boundaries });
  });

  it.each([
    [{}, 'FILE_MALFORMED'],
    [{ ...config, max_position_embeddings: -1 }, 'FILE_MALFORMED'],
    [{ ...config, max_position_embeddings: 1e300 }, 'FILE_MALFORMED'],
    [{ ...config, eos_token_id: ['</s>'] }, 'FILE_MALFORMED'],
    [{ ...config, sliding_window: 'wide' }, 'FILE_MALFORMED'],
    [{ ...config, rope_scaling: { type: 'longrope' } }, 'FILE_MALFORMED'],
    [[config], 'FILE_MALFORMED'],
  ])('refuses %j', async (configuration, code) => {
    await expect(read(configuration)).rejects.toMatchObject({ code });
  });

  it('says which file is missing', async () => {
    await expect(readOpenvinoModelConfig(folder)).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringContaining(path.join(folder, 'config.json')) as string,
    });
  });
});
