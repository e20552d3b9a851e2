import { access, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OPTIMUM_MODELS, OptimumFolder, type OptimumModel } from '../../../test/contract/optimum-models.js';
import { describeWithOpenvino } from '../../../test/openvino.js';
import { LOGITS_FIRST_ROW } from './input-names.js';
import { MODEL_BIN, MODEL_XML, readIr } from './ir-outline.js';
import { rewriteLogitsRows, withLogitsFirstRow, type RewrittenXml } from './logits-rows.js';
import { readIrXml } from './ir-xml.js';
import { createOpenvinoEngine } from './openvino-engine.js';

async function rewrite(folder: string): Promise<RewrittenXml | undefined> {
  return rewriteLogitsRows(await readIrXml(path.join(folder, MODEL_XML)), path.join(folder, MODEL_BIN));
}

describe('rewriteLogitsRows', () => {
  it.each(OPTIMUM_MODELS)('adds the input to %s and changes nothing else', async (model) => {
    await using folder = await OptimumFolder.unpack(model);
    const before = await readIr(folder.path, MODEL_XML);
    await using rewritten = await rewrite(folder.path);
    const text = await readFile(rewritten?.file ?? 'not rewritten', 'utf8');
    await writeFile(path.join(folder.path, 'rewritten.xml'), text);
    const after = await readIr(folder.path, 'rewritten.xml');
    expect(after.outline.inputs).toEqual(withLogitsFirstRow(before.outline.inputs));
    expect(after.outline).toMatchObject({ weights: before.outline.weights, binBytes: before.outline.binBytes });
    expect(after.xml.layers.size).toBe(before.xml.layers.size + 4);
    expect(after.xml.sources.size).toBe(before.xml.sources.size + 5);
  });

  it('removes its file when disposed', async () => {
    await using folder = await OptimumFolder.unpack('optimum-int8');
    const rewritten = await rewrite(folder.path);
    const file = rewritten?.file ?? '';
    await access(file);
    await rewritten?.[Symbol.asyncDispose]();
    await expect(access(path.dirname(file))).rejects.toThrow('ENOENT');
  });

  describe('leaves as it is', () => {
    let folder: OptimumFolder;
    beforeEach(async () => {
      folder = await OptimumFolder.unpack('optimum-int8');
    });
    afterEach(() => folder[Symbol.asyncDispose]());
    const edit = async (change: (text: string) => string): Promise<void> => {
      const file = path.join(folder.path, MODEL_XML);
      const text = await readFile(file, 'utf8');
      expect(change(text)).not.toBe(text);
      await writeFile(file, change(text));
    };

    it('a graph that has the input', async () => {
      await using rewritten = await rewrite(folder.path);
      await writeFile(path.join(folder.path, MODEL_XML), await readFile(rewritten?.file ?? '', 'utf8'));
      expect(await rewrite(folder.path)).toBeUndefined();
    });

    it('a graph that does not say what goes into lm_head', async () => {
      await edit((text) => text.replaceAll(/<dim>[^<]*<\/dim>/g, ''));
      expect(await rewrite(folder.path)).toBeUndefined();
    });

    it('a graph without the constants that it takes', async () => {
      await edit((text) =>
        text.replaceAll(/element_type="i64" shape="(1?)" offset="\d+"/g, 'element_type="i64" shape="$1" offset="0"'),
      );
      expect(await rewrite(folder.path)).toBeUndefined();
    });
  });
});

describeWithOpenvino('a rewritten graph', () => {
  const ovConfig = { INFERENCE_PRECISION_HINT: 'f32', KV_CACHE_PRECISION: 'f32', DYNAMIC_QUANTIZATION_GROUP_SIZE: '0' };

  /** Logits of all of some tokens, and of the last ones, each in a slot of its own. */
  async function logitsOf(folder: string): Promise<readonly (readonly number[])[]> {
    await using engine = await createOpenvinoEngine(folder, { device: 'cpu', prefillChunkTokens: 16, ovConfig });
    const tokens = Int32Array.from({ length: 40 }, (_, i) => (i * 37 + 5) % engine.info.vocabularySize);
    const results: number[][] = [];
    for (const logits of ['all', 'last', { last: 20 }] as const) {
      await using slot = await engine.openSlot({ capacityTokens: 64 });
      const [step] = await engine.forward([{ slot, tokens, logits, finalLength: 40 }]);
      results.push([...(step?.data ?? [])]);
    }
    return results;
  }

  it.each(['optimum-int8', 'optimum-int4-asym-gs32-ratio06'] satisfies OptimumModel[])(
    'gives the logits of the original, %s',
    async (model) => {
      await using folder = await OptimumFolder.unpack(model);
      const rewritten = await logitsOf(folder.path);
      const file = path.join(folder.path, MODEL_XML);
      const text = await readFile(file, 'utf8');
      // What goes into lm_head is unknown then, so that the graph runs as it is.
      await writeFile(file, text.replaceAll(/<dim>[^<]*<\/dim>/g, ''));
      expect((await readIr(folder.path, MODEL_XML)).outline.inputs.has(LOGITS_FIRST_ROW)).toBe(false);
      const original = await logitsOf(folder.path);
      expect(original.map(({ length }) => length)).toEqual([40 * 320, 320, 20 * 320]);
      for (const [i, row] of original.entries()) {
        const worst = row.reduce((most, value, at) => Math.max(most, Math.abs(value - (rewritten[i]?.[at] ?? NaN))), 0);
        expect(worst).toBeLessThan(1e-4);
      }
    },
  );
});
