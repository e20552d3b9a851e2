import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openWeights } from '../../weights/open-weights.js';
import type { WeightSource } from '../../weights/weights.js';
import { memorySource, tensorShapes, TINY_CONFIG } from '../testing/memory-source.js';
import type { ExportProgress } from '../export-folder.js';
import { exportOnnx, type ExportOnnxOptions } from './export-onnx.js';

const PHI3_FOLDER = 'test/golden/models/phi3-window';

let parent: string;
let outputFolder: string;
beforeEach(() => {
  parent = mkdtempSync(path.join(tmpdir(), 'aipc-export-'));
  outputFolder = path.join(parent, 'model');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

function readFolder(folder: string): Map<string, string> {
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name)).toString('base64')]));
}

/** Too large for one slice of any tensor, small enough for a test. */
const MEDIUM_CONFIG = { ...TINY_CONFIG, vocabularySize: 40_000, layerCount: 3 };

describe('exportOnnx', () => {
  it('gives the same bytes inline, with one worker and with two, from a path and from an open source', async () => {
    const run = async (name: string, options: Partial<ExportOnnxOptions>): Promise<Map<string, string>> => {
      await exportOnnx({ source: PHI3_FOLDER, outputFolder: path.join(parent, name), ...options });
      return readFolder(path.join(parent, name));
    };
    const inline = await run('inline', { workers: 0 });
    expect([...inline.keys()].sort()).toEqual(['aipc.json', 'genai_config.json', 'model.onnx', 'model.onnx.data']);
    const differing = (other: Map<string, string>): string[] =>
      [...inline.keys()].filter((name) => inline.get(name) !== other.get(name));
    expect(differing(await run('one', { workers: 1 }))).toEqual([]);
    expect(differing(await run('two', { workers: 2 }))).toEqual([]);
    await using source = await openWeights(PHI3_FOLDER);
    expect(differing(await run('open', { source, workers: 2 }))).toEqual([]);
    // The source stays the caller's: it is still open.
    expect(await source.readRows('model.norm.weight', 0, 4)).toHaveLength(4);
  });

  it('says in aipc.json what was made from what, and in the summary what is there', async () => {
    const summary = await exportOnnx({ source: PHI3_FOLDER, outputFolder, weightFormat: 'int8', symmetric: false });
    expect(JSON.parse(readFileSync(path.join(outputFolder, 'aipc.json'), 'utf8'))).toMatchObject({
      schemaVersion: 1,
      exporterVersion: summary.exporterVersion,
      source: { name: 'phi3-window' },
      architecture: 'phi3',
      slidingWindow: 20,
      weightFormat: 'int8',
      blockSize: 32,
      symmetric: false,
      accuracyLevel: 4,
    });
    expect(summary.folder).toBe(outputFolder);
    for (const { name, bytes } of summary.files) expect(statSync(path.join(outputFolder, name)).size).toBe(bytes);
    expect(summary.files.map(({ name }) => name).sort()).toEqual(readdirSync(outputFolder).sort());
  });

  it('writes a genai_config.json with all end tokens and without a sliding_window block', async () => {
    const config = { ...TINY_CONFIG, eosTokenIds: [7, 9], padTokenId: null, bosTokenId: null, slidingWindow: 20 };
    await exportOnnx({ source: memorySource(config), outputFolder });
    const written = JSON.parse(readFileSync(path.join(outputFolder, 'genai_config.json'), 'utf8')) as {
      readonly model: { readonly decoder: object };
    };
    expect(written.model).toMatchObject({ type: 'phi3', eos_token_id: [7, 9], pad_token_id: 7, context_length: 128 });
    expect(written.model.decoder).not.toHaveProperty('sliding_window');
  });

  it('puts sidecars into the folder as they are', async () => {
    const file = path.join(parent, 'tokenizer.json');
    writeFileSync(file, '{"a": 1}');
    await exportOnnx({
      source: memorySource(TINY_CONFIG),
      outputFolder,
      sidecars: [
        { name: 'tokenizer.json', sourcePath: file },
        { name: 'chat_template.jinja', bytes: Buffer.from('{{ x }}') },
      ],
    });
    expect(readFileSync(path.join(outputFolder, 'tokenizer.json'), 'utf8')).toBe('{"a": 1}');
    expect(readFileSync(path.join(outputFolder, 'chat_template.jinja'), 'utf8')).toBe('{{ x }}');
  });

  it('reports bytes that only grow and end at the total', async () => {
    const reports: ExportProgress[] = [];
    await exportOnnx({
      source: memorySource(MEDIUM_CONFIG),
      outputFolder,
      onProgress: (progress) => reports.push(progress),
    });
    const done = reports.map(({ doneBytes }) => doneBytes);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(reports[0]).toMatchObject({ phase: 'preparing', doneBytes: 0 });
    expect(reports.at(-1)).toMatchObject({ phase: 'finishing', doneBytes: reports[0]?.totalBytes });
    expect(reports.some(({ tensor }) => tensor === 'model.layers.2.mlp.up_proj.weight')).toBe(true);
  });

  it.each([
    ['inline', memorySource(MEDIUM_CONFIG), 0],
    ['in worker threads', PHI3_FOLDER, 2],
  ] as const)(
    "stops in the middle when aborted, rejects with the signal's reason and leaves nothing (%s)",
    async (_, source, workers) => {
      const abort = new AbortController();
      const reason = new Error('enough');
      let reports = 0;
      await expect(
        exportOnnx({
          source,
          outputFolder,
          workers,
          signal: abort.signal,
          onProgress: ({ phase }) => {
            if (phase === 'weights') reports++;
            if (reports === 3) abort.abort(reason);
          },
        }),
      ).rejects.toBe(reason);
      expect(reports).toBeLessThan(8);
      expect(readdirSync(parent)).toEqual([]);
    },
  );

  it('does nothing when it is aborted before it begins', async () => {
    const reason = new Error('never mind');
    await expect(exportOnnx({ source: PHI3_FOLDER, outputFolder, signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    expect(readdirSync(parent)).toEqual([]);
  });

  it('leaves nothing when reading the weights fails, inline and in a worker', async () => {
    const memory = memorySource(TINY_CONFIG);
    const failure = new Error('disk on fire');
    const failing: WeightSource = {
      ...memory,
      readRows: (name, first, count) =>
        name === 'model.norm.weight' ? Promise.reject(failure) : memory.readRows(name, first, count),
    };
    await expect(exportOnnx({ source: failing, outputFolder })).rejects.toBe(failure);
    expect(readdirSync(parent)).toEqual([]);

    const copy = path.join(parent, 'source');
    mkdirSync(copy);
    for (const name of ['config.json', 'model.safetensors']) {
      writeFileSync(path.join(copy, name), readFileSync(path.join(PHI3_FOLDER, name)));
    }
    await using source = await openWeights(copy);
    writeFileSync(
      path.join(copy, 'model.safetensors'),
      readFileSync(path.join(PHI3_FOLDER, 'model.safetensors')).subarray(0, 300_000),
    );
    await expect(exportOnnx({ source, outputFolder, workers: 2 })).rejects.toMatchObject({
      name: 'ModelFormatError',
      code: expect.stringMatching(/^FILE_/) as string,
    });
    expect(readdirSync(parent)).toEqual(['source']);
  });

  it('says how much disk is missing before anything is written', async () => {
    const config = { ...TINY_CONFIG, vocabularySize: 1e12 };
    await expect(exportOnnx({ source: memorySource(config), outputFolder })).rejects.toMatchObject({
      code: 'DISK_INSUFFICIENT',
      details: { neededBytes: expect.any(Number) as number, availableBytes: expect.any(Number) as number },
    });
    expect(readdirSync(parent)).toEqual([]);
  });

  it('keeps a folder that is not empty, unless force replaces an exported model', async () => {
    const source = memorySource(TINY_CONFIG);
    await exportOnnx({ source, outputFolder });
    const before = readFolder(outputFolder);
    await expect(exportOnnx({ source, outputFolder, weightFormat: 'fp32' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      details: { option: 'outputFolder' },
    });
    expect(readFolder(outputFolder)).toEqual(before);
    await exportOnnx({ source, outputFolder, weightFormat: 'fp32', force: true });
    expect(readFolder(outputFolder).get('model.onnx')).not.toBe(before.get('model.onnx'));
    expect(readdirSync(parent)).toEqual(['model']);
  });

  it('lets the first of two exports to one target win, and leaves nothing of the other', async () => {
    const source = memorySource(TINY_CONFIG);
    const outcomes = await Promise.allSettled([
      exportOnnx({ source, outputFolder }),
      exportOnnx({ source, outputFolder }),
    ]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'OPTION_INVALID' } });
    expect(readdirSync(parent)).toEqual(['model']);
  });

  it('refuses weights that contradict the configuration', async () => {
    const shapes = tensorShapes(TINY_CONFIG).set('model.layers.1.mlp.down_proj.weight', [32, 47]);
    await expect(exportOnnx({ source: memorySource(TINY_CONFIG, shapes), outputFolder })).rejects.toMatchObject({
      code: 'TENSOR_SHAPE_MISMATCH',
    });
    expect(readdirSync(parent)).toEqual([]);
  });

  it.each([
    [{ blocksize: 32 }, 'OPTION_UNKNOWN'],
    [{ outputFolder: '' }, 'OPTION_INVALID'],
    [{ workers: -1 }, 'OPTION_INVALID'],
    [{ workers: 1.5 }, 'OPTION_INVALID'],
    [{ force: 1 }, 'OPTION_INVALID'],
    [{ sidecars: [{ name: '../evil', bytes: Buffer.of() }] }, 'OPTION_INVALID'],
    [{ sidecars: [{ name: '..', bytes: Buffer.of() }] }, 'OPTION_INVALID'],
    [{ sidecars: [{ name: 'a\\b', bytes: Buffer.of() }] }, 'OPTION_INVALID'],
    [{ sidecars: [{ name: 'model.onnx', bytes: Buffer.of() }] }, 'OPTION_INVALID'],
    [{ sidecars: [{ name: 'Model.ONNX', bytes: Buffer.of() }] }, 'OPTION_INVALID'],
    [{ sidecars: [{ name: 'tokenizer.json', sourcePath: '/no/such/file' }] }, 'MODEL_FILE_MISSING'],
    [{ source: '/no/such/model' }, 'MODEL_NOT_FOUND'],
  ])('refuses %o and leaves nothing', async (options, code) => {
    const all = { source: PHI3_FOLDER, outputFolder, ...options } as ExportOnnxOptions;
    await expect(exportOnnx(all)).rejects.toMatchObject({ code });
    expect(readdirSync(parent)).toEqual([]);
  });
});
