/** bench/phi3-gguf.mjs: the GGUF file that llama.cpp is measured on holds the very weights of the Hugging Face folder. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.js';
import { tokenizerJsonFromGguf } from '../../src/tokenizer/gguf-vocabulary.js';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.js';
import { readGgufTokenizer } from '../../src/weights/gguf-tokenizer.js';
import { openWeights } from '../../src/weights/open-weights.js';

const SIZES = ['--layers=2', '--hidden=128', '--intermediate=192', '--heads=4', '--kv-heads=2', '--vocabulary=512'];
const BLOCK = 32;

let root: string;
let folder: string;
let file: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'aipc-gguf-'));
  folder = path.join(root, 'hf');
  file = path.join(root, 'model.gguf');
  execFileSync(process.execPath, ['bench/phi3-shape.mjs', folder, ...SIZES]);
  execFileSync(process.execPath, ['bench/phi3-gguf.mjs', folder, file]);
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('bench/phi3-gguf.mjs', () => {
  it('writes a Phi-3 with the configuration of the folder', async () => {
    await using original = await openWeights(folder);
    await using written = await openWeights(file);
    const { rmsNormEpsilon, ...config } = written.config;
    expect(config).toEqual({ ...original.config, rmsNormEpsilon: undefined, eosTokenIds: config.eosTokenIds });
    expect(rmsNormEpsilon).toBeCloseTo(original.config.rmsNormEpsilon, 10);
    expect(config.eosTokenIds).toEqual(expect.arrayContaining([...original.config.eosTokenIds]));
    expect([...written.tensors.keys()].sort()).toEqual([...original.tensors.keys()].sort());
  });

  it('keeps norms exactly, and every other weight within half a step of its block', async () => {
    await using original = await openWeights(folder);
    await using written = await openWeights(file);
    for (const [name, { shape }] of original.tensors) {
      const rows = shape[0] ?? 0;
      const exact = await original.readRows(name, 0, rows);
      const quantised = await written.readRows(name, 0, rows);
      if (shape.length === 1) {
        expect(quantised, name).toEqual(exact);
        continue;
      }
      for (let block = 0; block < exact.length; block += BLOCK) {
        const values = exact.subarray(block, block + BLOCK);
        const step = Math.max(...values.map(Math.abs)) / 8;
        // The largest value becomes -8 steps; one of the other sign and its size has to do with 7.
        const errors = values.map((value, index) => Math.abs(value - (quantised[block + index] ?? NaN)) / step);
        expect(Math.max(...errors), `${name}, value ${block}`).toBeLessThan(1.01);
        expect(errors.filter((error) => error > 0.51).length, `${name}, value ${block}`).toBeLessThan(BLOCK / 4);
      }
    }
  });

  it('gives text the token ids of the folder', async () => {
    const original = await loadTokenizer(folder);
    const files = tokenizerJsonFromGguf(await readGgufTokenizer(file));
    const written = createTokenizer({ ...files, location: file });
    const text = 'hello the world, Ünï<|end|>';
    expect(written.encode(text, { specialTokens: 'parse' })).toEqual(original.encode(text, { specialTokens: 'parse' }));
  });
});
