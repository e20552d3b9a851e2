/** The sizes of graphs that exporters wrote are told, and far from the limits; those of each type of layer can be. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { OPTIMUM_MODELS, OptimumFolder } from '../../../test/contract/optimum-models.js';
import { tinyModelFolder } from '../../../test/golden/vectors.js';
import { exportOpenvinoModel } from '../../model/export-openvino-model.js';
import { ConstantNumbers } from './ir-constants.js';
import { checkGraph } from './ir-graph.js';
import { DECODER_OPERATORS } from './ir-operators.js';
import { LOGITS_ROWS_XML, MODEL_BIN, MODEL_XML, readIr } from './ir-outline.js';
import { IR_SIZE_RULES } from './ir-size-rules.js';
import { checkIrSizes } from './ir-sizes.js';

/** A tenth of the weights that it has. */
async function sizesWithATenth(folder: string, name: string): Promise<void> {
  const { xml, outline } = await readIr(folder, name);
  await using numbers = await ConstantNumbers.open(path.join(folder, MODEL_BIN));
  const { elements, products } = await checkIrSizes(xml, checkGraph(xml), numbers, outline.binBytes / 10);
  // Weights are multiplied with, for each token of each sequence.
  expect(products.get(110)).toBeGreaterThan(10_000);
  expect(elements.get(110)).toBeGreaterThan(1_000);
}

describe('the sizes of a graph', () => {
  it.each(OPTIMUM_MODELS)('of %s are allowed, even if its weights were a tenth', async (name) => {
    await using folder = await OptimumFolder.unpack(name);
    await sizesWithATenth(folder.path, MODEL_XML);
  });

  it.each([
    ['llama-tiny', 'int4'],
    ['phi3-gqa', 'int8'],
    ['phi3-longrope', 'fp16'],
    ['phi3-window', 'int4'],
    ['phi4', 'int8'],
    ['phi4-mini', 'int4'],
  ] as const)(
    'of %s as aipc exports it in %s are allowed, even if its weights were a tenth',
    async (name, weightFormat) => {
      const root = await mkdtemp(path.join(tmpdir(), 'aipc-ir-sizes-'));
      try {
        const folder = path.join(root, 'model');
        await exportOpenvinoModel(tinyModelFolder(name), folder, {
          weightFormat,
          groupSize: weightFormat === 'int4' ? 32 : undefined,
          workers: 0,
        });
        for (const graph of [MODEL_XML, LOGITS_ROWS_XML]) await sizesWithATenth(folder, graph);
      } finally {
        await rm(root, { recursive: true });
      }
    },
  );

  it('of a state are those of the run: of one without rows the runtime would read beyond its memory', async () => {
    await using folder = await OptimumFolder.unpack('optimum-int8');
    const file = path.join(folder.path, MODEL_XML);
    const xml = await readFile(file, 'utf8');
    // The batch is looked up in a constant 0, not in the shape of the ids.
    const changed = xml.replace(/<edge from-layer="5" from-port="1"( to-layer="8" to-port="0")/, (_, to: string) => {
      return `<edge from-layer="6" from-port="0"${to}`;
    });
    expect(changed).not.toBe(xml);
    await writeFile(file, changed);
    await expect(readIr(folder.path, MODEL_XML)).rejects.toMatchObject({
      code: 'MODEL_FEATURE_UNSUPPORTED',
      message: expect.stringContaining('ReadValue') as string,
    });
  });

  it('are known for every type of layer that a graph may have', () => {
    const unknown = [...DECODER_OPERATORS].filter((type) => !IR_SIZE_RULES.has(type));
    expect(unknown).toEqual(['Assign', 'Parameter', 'ReadValue']); // what a run and the one before bring
  });
});
