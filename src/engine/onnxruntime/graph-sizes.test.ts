/** The sizes of graphs that exporters wrote are told, and far from the limits; those of each operator of decoders can be. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { DECODER_OPERATORS, PLAIN_ATTENTION_OPERATORS } from './graph-check.js';
import { checkGraphSizes } from './graph-sizes.js';
import { readOnnxFolder } from './onnx-folder.js';
import { readOnnxGraph } from './onnx-graph.js';
import { SIZE_RULES } from './operator-sizes.js';

const MODELS = path.join('test', 'contract', 'models');
const graphs = (await readdir(MODELS, { recursive: true })).filter((name) => name.endsWith('.onnx'));

describe('the sizes of a graph', () => {
  it('are looked for in all models of the contract', () => {
    expect(graphs.length).toBeGreaterThan(15);
  });

  it.each(graphs)('of %s are allowed, even if its weights were a tenth', async (name) => {
    const config = await readOnnxFolder(path.join(MODELS, name));
    const graph = await readOnnxGraph(config.modelFile);
    const bytes = [...graph.weightBytes.values()].reduce((sum, count) => sum + count, 0);
    expect(() => checkGraphSizes(config, graph, bytes / 10)).not.toThrow();
  });

  it('are known for every operator that a graph may have', () => {
    const unknown = [...DECODER_OPERATORS, ...PLAIN_ATTENTION_OPERATORS].filter((name) => !SIZE_RULES.has(name));
    expect(unknown).toEqual(['If']); // followed into its branches
  });
});
