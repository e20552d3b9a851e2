import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_TOKENIZER_FILE_BYTES, MAX_TOKENIZER_FILE_CONTAINERS } from './limits.js';
import { loadTokenizer } from './load-tokenizer.js';

const tokenizerJson = {
  added_tokens: [],
  model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] },
};

describe('loadTokenizer', () => {
  let folder = '';
  const file = (name: string): string => path.join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-tokenizer-'));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  it('says which file is missing', async () => {
    await expect(loadTokenizer(folder)).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      details: { file: file('tokenizer.json') },
    });
  });

  it('reads tokenizer.json, and add_bos_token from tokenizer_config.json', async () => {
    await writeFile(file('tokenizer.json'), JSON.stringify(tokenizerJson));
    const tokenizer = await loadTokenizer(folder);
    expect([...tokenizer.encode('ab')]).toEqual([2]);
    expect(tokenizer.prependsBos).toBe(false);
    await writeFile(file('tokenizer_config.json'), '{"add_bos_token": true}');
    expect((await loadTokenizer(folder)).prependsBos).toBe(true);
  });

  it('refuses what is not JSON, and names the file', async () => {
    await writeFile(file('tokenizer_config.json'), '{"add_bos_token": tr');
    await expect(loadTokenizer(folder)).rejects.toMatchObject({
      code: 'TOKENIZER_MALFORMED',
      details: { file: file('tokenizer_config.json') },
    });
  });

  it('refuses a file that would become far larger in memory', async () => {
    await writeFile(file('tokenizer.json'), `[${'{},'.repeat(MAX_TOKENIZER_FILE_CONTAINERS)}{}]`);
    await expect(loadTokenizer(folder)).rejects.toMatchObject({
      code: 'FILE_LIMIT_EXCEEDED',
      details: { what: 'objects and arrays' },
    });
  });

  it('refuses a file over the limit without reading it', async () => {
    await writeFile(file('tokenizer.json'), '');
    await truncate(file('tokenizer.json'), MAX_TOKENIZER_FILE_BYTES + 1);
    await expect(loadTokenizer(folder)).rejects.toMatchObject({ code: 'FILE_LIMIT_EXCEEDED' });
  });
});
