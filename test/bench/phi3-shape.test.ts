/** bench/phi3-shape.mjs: the folders of random weights that benchmarks measure on are complete, seeded and readable. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadChatTemplate } from '../../src/chat/load-template.js';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.js';
import { openWeights } from '../../src/weights/open-weights.js';

const SIZES = ['--layers=2', '--hidden=128', '--intermediate=192', '--heads=4', '--kv-heads=2', '--vocabulary=512'];

let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'aipc-shape-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

function write(name: string, ...options: readonly string[]): { folder: string; report: unknown } {
  const folder = path.join(root, name);
  const output = execFileSync(process.execPath, ['bench/phi3-shape.mjs', folder, ...SIZES, ...options], {
    encoding: 'utf8',
  });
  return { folder, report: JSON.parse(output) };
}

const digest = async (file: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex');

describe('bench/phi3-shape.mjs', () => {
  it('writes a Phi-3 that aipc reads: weights in shards, config, tokenizer, chat template', async () => {
    const { folder } = write('shards', '--shard-bytes=300000');
    expect((await readdir(folder)).filter((name) => name.startsWith('model-')).length).toBeGreaterThan(2);
    await using weights = await openWeights(folder);
    expect(weights.config).toMatchObject({ architecture: 'phi3', layerCount: 2, kvHeadCount: 2, slidingWindow: 2047 });
    expect(weights.files.length).toBeGreaterThan(2);
    const tokenizer = await loadTokenizer(folder);
    const text = 'hello the world, Ünï<|end|>';
    const ids = Array.from(tokenizer.encode(text, { specialTokens: 'parse' }));
    expect(ids.at(-1)).toBe(512 - 64 + 7);
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(text);
    await using template = await loadChatTemplate(folder, { controlTokens: tokenizer.addedTokens.keys() });
    expect(template).toBeDefined();
  });

  it('writes the same bytes for the same seed, and others for another', async () => {
    const files = ['first', 'second'].map((name) => path.join(write(name).folder, 'model.safetensors'));
    const other = path.join(write('other', '--seed=2').folder, 'model.safetensors');
    const [first, second, third] = await Promise.all([...files, other].map(digest));
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  it('leaves a complete folder alone, and writes anew where the sizes differ', () => {
    expect(write('again').report).toMatchObject({ reused: false });
    expect(write('again').report).toMatchObject({ reused: true });
    expect(write('again', '--seed=3').report).toMatchObject({ reused: false });
  });

  it('gives each tensor values of its own', async () => {
    await using weights = await openWeights(write('own').folder);
    // Sizes differ by design; which values lie above the mean does not depend on them.
    const names = [...weights.tensors.keys()];
    const patterns = await Promise.all(
      names.map(async (name) => {
        const row = await weights.readRows(name, 0, weights.tensors.get(name)?.shape.length === 1 ? 64 : 1);
        expect(row.every((value) => Number.isFinite(value))).toBe(true);
        const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
        return Array.from(row.subarray(0, 64), (value) => (value > mean ? '+' : '-')).join('');
      }),
    );
    expect(names.length).toBeGreaterThan(18);
    expect(new Set(patterns).size).toBe(names.length);
  });
});
