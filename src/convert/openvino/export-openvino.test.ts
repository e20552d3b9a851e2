import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WeightSource } from '../../weights/weights.js';
import { memorySource, tensorShapes, TINY_CONFIG } from '../testing/memory-source.js';
import { exportOpenvino, type ExportOpenvinoOptions } from './export-openvino.js';

const MODELS = 'test/golden/models';
const PHI3_FOLDER = `${MODELS}/phi3-window`;
const LLAMA_FOLDER = `${MODELS}/llama-tiny`;

let parent: string;
let outputFolder: string;
beforeEach(() => {
  parent = mkdtempSync(path.join(tmpdir(), 'aipc-export-openvino-'));
  outputFolder = path.join(parent, 'model');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const read = (name: string): string => readFileSync(path.join(outputFolder, name), 'utf8');

interface Constant {
  readonly type: string;
  readonly shape: string;
  readonly offset: number;
  readonly size: number;
}

/** Named constants of one XML. */
function constants(xmlName: string): Map<string, Constant> {
  const pattern =
    /<layer id="\d+" name="([^"]*)" type="Const"[^>]*><data element_type="(\w+)" shape="([^"]*)" offset="(\d+)" size="(\d+)"/g;
  return new Map(
    [...read(xmlName).matchAll(pattern)].map(([, name = '', type = '', shape = '', offset, size]) => [
      name,
      { type, shape: shape.replaceAll(' ', ''), offset: Number(offset), size: Number(size) },
    ]),
  );
}

/** As make_openvino_golden.py describes optimum-intel's exports: matrix -> `type[shape] hash`. */
function matrices(): Record<string, string> {
  const data = readFileSync(path.join(outputFolder, 'openvino_model.bin'));
  const found = constants('openvino_model.xml');
  const described: Record<string, string> = {};
  for (const [name, { type, shape }] of found) {
    const matrix = /^self\.(.*)\.weight$/.exec(name)?.[1];
    if (matrix === undefined) continue;
    const hash = createHash('sha256');
    for (const part of ['', '/zero_point', '/scale']) {
      const constant = found.get(`${name}${part}`);
      if (constant === undefined) continue;
      hash.update(`${part}:${constant.type}[${constant.shape}]:`);
      hash.update(data.subarray(constant.offset, constant.offset + constant.size));
    }
    described[matrix] = `${type}[${shape}] ${hash.digest('hex').slice(0, 16)}`;
  }
  return described;
}

interface GoldenExport {
  readonly options: Partial<ExportOpenvinoOptions>;
  readonly matrices: Readonly<Record<string, string>>;
}

const golden = JSON.parse(readFileSync('test/golden/openvino/exports.json', 'utf8')) as {
  readonly models: Readonly<Record<string, readonly GoldenExport[]>>;
};

describe("exportOpenvino, beside optimum-intel's export with NNCF", () => {
  const cases = Object.entries(golden.models).flatMap(([model, exports]) =>
    exports.map((expected) => ({ model, name: JSON.stringify(expected.options), ...expected })),
  );
  it.each(cases)('stores every matrix the same: $model $name', async ({ model, options, matrices: expected }) => {
    const source = model === 'demo' ? 'models/demo' : `${MODELS}/${model}`;
    await exportOpenvino({ source, outputFolder, workers: 0, ...options });
    expect(matrices()).toEqual(expected);
  });
});

describe('exportOpenvino', () => {
  it('gives the same bytes inline, with one worker and with two', async () => {
    const folders: string[][] = [];
    for (const workers of [0, 1, 2]) {
      const folder = path.join(parent, String(workers));
      await exportOpenvino({
        source: LLAMA_FOLDER,
        outputFolder: folder,
        workers,
        weightFormat: 'int4',
        groupSize: 32,
        ratio: 0.6,
      });
      folders.push(
        readdirSync(folder).map((name) => `${name} ${readFileSync(path.join(folder, name)).toString('base64')}`),
      );
    }
    expect(folders[0]?.map((file) => file.split(' ')[0])).toEqual([
      'aipc.json',
      'openvino_config.json',
      'openvino_model.bin',
      'openvino_model.xml',
      'openvino_model_logits_rows.xml',
    ]);
    expect(folders[1]).toEqual(folders[0]);
    expect(folders[2]).toEqual(folders[0]);
  });

  it('writes two graphs with one more input in the second, and the same weights at the same place of one file', async () => {
    const summary = await exportOpenvino({ source: PHI3_FOLDER, outputFolder, weightFormat: 'int8' });
    const inputs = (xmlName: string): string[] =>
      [...read(xmlName).matchAll(/name="(\w+)" type="Parameter"/g)].map(([, name = '']) => name);
    const standard = ['input_ids', 'attention_mask', 'position_ids', 'beam_idx'];
    expect(inputs('openvino_model.xml')).toEqual(standard);
    expect(inputs('openvino_model_logits_rows.xml')).toEqual([...standard, 'logits_first_row']);
    const weights = (xmlName: string): [string, Constant][] =>
      [...constants(xmlName)].filter(([name]) => name.startsWith('self.'));
    expect(weights('openvino_model_logits_rows.xml')).toEqual(weights('openvino_model.xml'));
    for (const { name, bytes } of summary.files) expect(statSync(path.join(outputFolder, name)).size).toBe(bytes);
    const end = Math.max(...weights('openvino_model.xml').map(([, { offset, size }]) => offset + size));
    expect(statSync(path.join(outputFolder, 'openvino_model.bin')).size).toBeGreaterThanOrEqual(end);
  });

  it('stores a tied embedding once', async () => {
    await exportOpenvino({ source: LLAMA_FOLDER, outputFolder, weightFormat: 'fp16' });
    const names = [...constants('openvino_model.xml').keys()].filter((name) => /embed|lm_head/.test(name));
    expect(names).toEqual(['self.model.embed_tokens.weight']);
    expect(read('openvino_model.xml').split('<rt_info><attribute name="decompression"').length - 1).toBe(15);
  });

  it("says in rt_info what NNCF's exports say, and nothing of programs that had no part in it", async () => {
    await exportOpenvino({
      source: PHI3_FOLDER,
      outputFolder,
      weightFormat: 'int4',
      groupSize: 32,
      symmetric: true,
      ratio: 0.6,
    });
    const info = read('openvino_model.xml').split('</edges>')[1] ?? '';
    for (const entry of [
      'mode value="int4_sym"',
      'group_size value="32"',
      'ratio value="0.6"',
      'all_layers value="False"',
    ]) {
      expect(info).toContain(`<${entry}/>`);
    }
    expect(info).toContain('<ACTIVATIONS_SCALE_FACTOR value="8.0"/>');
    expect(info).not.toMatch(/KV_CACHE_PRECISION|version value="3|optimum|pytorch/);
    expect(JSON.parse(read('openvino_config.json'))).toMatchObject({
      dtype: 'int4',
      quantization_config: { bits: 4, sym: true, group_size: 32, ratio: 0.6, all_layers: false },
    });
    expect(JSON.parse(read('aipc.json'))).toMatchObject({
      schemaVersion: 1,
      runtime: 'openvino',
      source: { name: 'phi3-window' },
      slidingWindow: 20,
      weightFormat: 'int4',
      groupSize: 32,
      ratio: 0.6,
    });
  });

  it('asks for an fp16 cache where nothing is compressed', async () => {
    await exportOpenvino({ source: PHI3_FOLDER, outputFolder, weightFormat: 'fp16' });
    const info = read('openvino_model.xml').split('</edges>')[1] ?? '';
    expect(info).toContain('<KV_CACHE_PRECISION value="f16"/>');
    expect(info).not.toContain('nncf');
    expect(JSON.parse(read('openvino_config.json'))).toMatchObject({ dtype: 'fp16' });
  });

  it('tells how much of the weights became what', async () => {
    const { shares, recipe } = await exportOpenvino({
      source: `${MODELS}/phi3-gqa`,
      outputFolder,
      weightFormat: 'int4',
      ratio: 0.6,
    });
    expect(recipe).toMatchObject({ symmetric: false, groupSize: 128, groupSizeFallback: 'error' });
    expect(shares.int4).toBeGreaterThan(0.3);
    expect(shares.int4 / (1 - 0.3125)).toBeLessThan(0.6); // of the matrices between embedding and head
    expect(shares.int4 + shares.int8).toBe(1);
    expect(shares.float).toBe(0);
  });

  it.each([
    ['measuring', memorySource({ ...TINY_CONFIG, layerCount: 6 }), 0],
    ['weights', memorySource({ ...TINY_CONFIG, layerCount: 6 }), 0],
    ['measuring', LLAMA_FOLDER, 2],
    ['weights', LLAMA_FOLDER, 2],
  ] as const)(
    "stops while %s when aborted, rejects with the signal's reason and leaves nothing",
    async (phase, source, workers) => {
      const abort = new AbortController();
      const reason = new Error('enough');
      let reports = 0;
      const aborted = exportOpenvino({
        source,
        outputFolder,
        workers,
        weightFormat: 'int4',
        groupSize: 16,
        ratio: 0.5,
        signal: abort.signal,
        onProgress: (progress) => {
          if (progress.phase === phase && ++reports === 2) abort.abort(reason);
        },
      });
      await expect(aborted).rejects.toBe(reason);
      expect(reports).toBeLessThan(8);
      expect(readdirSync(parent)).toEqual([]);
    },
  );

  it('reports bytes that grow to the total in both passes', async () => {
    const done: Record<string, number[]> = {};
    let totals: number[] = [];
    await exportOpenvino({
      source: memorySource(TINY_CONFIG),
      outputFolder,
      weightFormat: 'int4',
      groupSize: 16,
      ratio: 0.5,
      onProgress: ({ phase, doneBytes, totalBytes }) => {
        (done[phase] ??= []).push(doneBytes);
        if (phase === 'finishing') totals = [doneBytes, totalBytes];
      },
    });
    expect(Object.keys(done)).toEqual(['measuring', 'preparing', 'weights', 'finishing']);
    for (const values of Object.values(done)) expect(values).toEqual([...values].sort((a, b) => a - b));
    expect(totals[0]).toBe(totals[1]);
  });

  const failing = (tensor: string, change: (rows: Float32Array) => Float32Array): WeightSource => {
    const memory = memorySource(TINY_CONFIG);
    return {
      ...memory,
      async readRows(name, first, count) {
        const rows = await memory.readRows(name, first, count);
        return name === tensor ? change(rows) : rows;
      },
    };
  };

  it.each(['int4', 'int8', 'fp16', 'fp32'] as const)(
    'refuses NaN, names the tensor and leaves nothing (%s)',
    async (weightFormat) => {
      const tensor = 'model.layers.1.mlp.up_proj.weight';
      const source = failing(tensor, (rows) => rows.fill(NaN, 7, 8));
      const options = weightFormat === 'int4' ? { groupSize: 16, ratio: 0.9 } : {};
      await expect(exportOpenvino({ source, outputFolder, weightFormat, ...options })).rejects.toMatchObject({
        code: 'FILE_MALFORMED',
        message: expect.stringContaining(tensor) as string,
      });
      expect(readdirSync(parent)).toEqual([]);
    },
  );

  it('calls a disk that fills up by its name and leaves nothing', async () => {
    const source = failing('model.norm.weight', () => {
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    });
    await expect(exportOpenvino({ source, outputFolder, weightFormat: 'fp16' })).rejects.toMatchObject({
      code: 'DISK_INSUFFICIENT',
    });
    expect(readdirSync(parent)).toEqual([]);
  });

  it('says how much disk is missing before anything is written', async () => {
    const config = { ...TINY_CONFIG, vocabularySize: 1e12 };
    const huge = exportOpenvino({ source: memorySource(config), outputFolder, weightFormat: 'fp16' });
    await expect(huge).rejects.toMatchObject({ code: 'DISK_INSUFFICIENT' });
    expect(readdirSync(parent)).toEqual([]);
  });

  it('refuses a group size that does not divide a layer, naming it and the way out', async () => {
    await expect(
      exportOpenvino({ source: PHI3_FOLDER, outputFolder, weightFormat: 'int4', groupSize: 64 }),
    ).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringMatching(
        /model\.layers\.0\.mlp\.down_proj\.weight \(channel size 96\).*'adjust'/,
      ) as string,
    });
    expect(readdirSync(parent)).toEqual([]);
  });

  it('refuses heads that do not share KV heads evenly', async () => {
    const config = { ...TINY_CONFIG, headCount: 3, kvHeadCount: 2 };
    const source = memorySource(config, tensorShapes(config));
    await expect(exportOpenvino({ source, outputFolder })).rejects.toMatchObject({ code: 'MODEL_FEATURE_UNSUPPORTED' });
  });

  it.each([
    [{ groupsize: 32 }, 'OPTION_UNKNOWN'],
    [{ weightFormat: 'nf4' }, 'OPTION_INVALID'],
    [{ groupSize: 0 }, 'OPTION_INVALID'],
    [{ groupSize: -2 }, 'OPTION_INVALID'],
    [{ groupSize: 1.5 }, 'OPTION_INVALID'],
    [{ ratio: 1.1 }, 'OPTION_INVALID'],
    [{ ratio: NaN }, 'OPTION_INVALID'],
    [{ symmetric: 'yes' }, 'OPTION_INVALID'],
    [{ allLayers: 1 }, 'OPTION_INVALID'],
    [{ groupSizeFallback: 'shrug' }, 'OPTION_INVALID'],
    [{ weightFormat: 'int8', groupSize: 128 }, 'OPTION_INVALID'],
    [{ weightFormat: 'fp16', symmetric: true }, 'OPTION_INVALID'],
    [{ sidecars: [{ name: 'OPENVINO_MODEL.xml', bytes: Buffer.of() }] }, 'OPTION_INVALID'],
    [{ source: '/no/such/model' }, 'MODEL_NOT_FOUND'],
  ])('refuses %o and leaves nothing', async (options, code) => {
    const all = { source: PHI3_FOLDER, outputFolder, weightFormat: 'int4', ...options } as ExportOpenvinoOptions;
    await expect(exportOpenvino(all)).rejects.toMatchObject({ code });
    expect(readdirSync(parent)).toEqual([]);
  });
});
