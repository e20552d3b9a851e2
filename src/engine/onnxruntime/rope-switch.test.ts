import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportOnnx } from '../../convert/onnx/export-onnx.js';
import type { OnnxNode } from '../../convert/onnx/onnx-model.js';
import { encodeModel } from '../../convert/onnx/onnx-proto.js';
import { memorySource, TINY_CONFIG } from '../../convert/testing/memory-source.js';
import { readOnnxGraph } from './onnx-graph.js';
import { findRopeSwitch, type RopeSwitch } from './rope-switch.js';

let folder: string;
let made = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-rope-switch-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const FACTORS = Array<number>(8).fill(2);
const LONGROPE = { originalContextTokens: 48, shortFactors: FACTORS, longFactors: FACTORS, attentionFactor: 1.1 };

async function exported(config: Partial<typeof TINY_CONFIG>): Promise<string> {
  const outputFolder = path.join(folder, String(made++));
  await exportOnnx({ source: memorySource({ ...TINY_CONFIG, ...config }), outputFolder, weightFormat: 'fp32' });
  return path.join(outputFolder, 'model.onnx');
}

const node = (opType: string, inputs: readonly string[], output: string): OnnxNode => ({
  opType,
  domain: '',
  name: output,
  inputs,
  outputs: [output],
  attributes: {},
});

/** A graph of these nodes, with an int64 constant `bound`. */
async function graphOf(bound: bigint, ...nodes: readonly OnnxNode[]): Promise<string> {
  const file = path.join(folder, `${made++}.onnx`);
  const inlineTensors = [{ name: 'bound', shape: [], values: [bound] }];
  const model = { producerVersion: '1', dataFile: 'none', inputs: [], outputs: [], externalTensors: [] };
  await writeFile(file, encodeModel({ ...model, inlineTensors, nodes }));
  return file;
}

const readRopeSwitch = async (file: string): Promise<RopeSwitch | undefined> =>
  findRopeSwitch(file, await readOnnxGraph(file));

describe('findRopeSwitch', () => {
  it("finds the boundary of aipc's longrope exports, and none where there is one table", async () => {
    const file = await exported({ longRope: LONGROPE });
    expect(await readRopeSwitch(file)).toEqual({ boundaryTokens: 48, by: 'mask' });
    const { operators, hasNestedGraphs } = await readOnnxGraph(file);
    // Those of the branches count too.
    expect([operators.has('If'), operators.has('Slice'), hasNestedGraphs]).toEqual([true, true, false]);
    expect(await readRopeSwitch(await exported({}))).toBeUndefined();
    // No sequence is longer than the boundary: no second table.
    const unreached = { ...LONGROPE, originalContextTokens: TINY_CONFIG.contextTokens };
    expect(await readRopeSwitch(await exported({ longRope: unreached }))).toBeUndefined();
  });

  it.each([
    ['GreaterOrEqual', 4096],
    ['Greater', 4097],
  ])('finds that of graphs that shift positions (%s)', async (comparison, boundaryTokens) => {
    const file = await graphOf(
      4096n,
      node('Cast', ['position_ids'], 'narrow'),
      node('ReduceMax', ['narrow'], 'highest'),
      node(comparison, ['highest', 'bound'], 'isBeyond'),
    );
    expect(await readRopeSwitch(file)).toEqual({ boundaryTokens, by: 'positions' });
  });

  it.each<[string, bigint, readonly OnnxNode[]]>([
    ['an If on something else', 4096n, [node('If', ['mask'], 'tables')]],
    ['an If on a bound that is not known', 1n, [node('Greater', ['width', 'other'], 'c'), node('If', ['c'], 'tables')]],
    ['a boundary below one token', 0n, [node('Greater', ['width', 'bound'], 'c'), node('If', ['c'], 'tables')]],
    [
      'two kinds of choice',
      64n,
      [
        node('Greater', ['width', 'bound'], 'c'),
        node('If', ['c'], 'tables'),
        node('ReduceMax', ['position_ids'], 'highest'),
        node('GreaterOrEqual', ['highest', 'bound'], 'isBeyond'),
      ],
    ],
  ])('refuses %s', async (_, bound, nodes) => {
    await expect(readRopeSwitch(await graphOf(bound, ...nodes))).rejects.toMatchObject({
      code: 'MODEL_FEATURE_UNSUPPORTED',
    });
  });

  it('does not hang on casts in a circle', async () => {
    const file = await graphOf(1n, node('Cast', ['b'], 'a'), node('Cast', ['a'], 'b'), node('If', ['a'], 'tables'));
    await expect(readRopeSwitch(file)).rejects.toMatchObject({ code: 'MODEL_FEATURE_UNSUPPORTED' });
  });

  it('counts what the branches of an If hold, and refuses graphs within them', async () => {
    const branch = { name: 'branch', nodes: [node('ConstantOfShape', ['bound'], 'much')], outputs: [] };
    const outer = (graph: typeof branch): OnnxNode => ({
      ...node('If', ['c'], 'tables'),
      attributes: { then_branch: { graph } },
    });
    const file = await graphOf(1n, node('Greater', ['width', 'bound'], 'c'), outer(branch));
    expect((await readOnnxGraph(file)).operators).toContain('ConstantOfShape');
    const deep = await graphOf(1n, outer({ ...branch, nodes: [outer(branch)] }));
    expect((await readOnnxGraph(deep)).hasNestedGraphs).toBe(true);
  });
});
