import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectSidecarsAndConfigs } from './sidecars.js';

const MODEL = 'test/golden/models/phi3-window';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'aipc-sidecars-'));
  cpSync(MODEL, folder, { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const textOf = async (name: string): Promise<string | undefined> => {
  const found = (await collectSidecarsAndConfigs(folder)).find((sidecar) => sidecar.name === name);
  return found === undefined ? undefined : Buffer.from(found.bytes).toString('utf8');
};

describe('collectSidecarsAndConfigs', () => {
  it('copies what the folder has', async () => {
    expect(await textOf('generation_config.json')).toContain('[2, 6]');
  });

  it('makes a generation_config.json from config.json where there is none', async () => {
    rmSync(path.join(folder, 'generation_config.json'));
    const made = await textOf('generation_config.json');
    expect(JSON.parse(made ?? '')).toEqual({ bos_token_id: 1, eos_token_id: 2, pad_token_id: 2 });
  });

  it('refuses a folder without tokenizer.json', async () => {
    rmSync(path.join(folder, 'tokenizer.json'));
    await expect(collectSidecarsAndConfigs(folder)).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
  });
});
