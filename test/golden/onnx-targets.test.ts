/**
 * What `aipc export onnx --target` writes for each execution provider: the inputs, outputs, types and nodes of
 * onnxruntime-genai's model builder, and, run by the CPU provider, the tokens that the CPU's own graph gives.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeDecoder } from '../../src/convert/decoder.js';
import { buildDecoderGraph } from '../../src/convert/onnx/decoder-graph.js';
import { genaiConfig } from '../../src/convert/onnx/genai-config.js';
import type { OnnxModel, OnnxNode, OnnxValue } from '../../src/convert/onnx/onnx-model.js';
import { resolveWeightRecipe, type WeightOptions } from '../../src/convert/recipe.js';
import { openWeights } from '../../src/weights/open-weights.js';
import { expectSameTokens } from './compare-tokens.js';
import { ExportedFolders, ModelRunner } from './model-runner.js';
import { GoldenVectors, TINY_MODELS, tinyModelFolder } from './vectors.js';

interface BuilderForm {
  readonly inputs: readonly { readonly name: string; readonly type: string }[];
  readonly outputs: readonly { readonly name: string; readonly type: string }[];
  readonly nodes: readonly {
    readonly opType: string;
    readonly domain: string;
    readonly attributes: Readonly<Record<string, number>>;
    readonly inputs: readonly string[];
  }[];
  readonly config: object;
}

const TYPE_NAMES: Readonly<Record<string, string>> = { float32: 'float' };
const typeName = (type: string): string => TYPE_NAMES[type] ?? type;
/** aipc's own: it chooses the rows of logits. */
const isOwnNode = ({ name }: OnnxNode): boolean => name === '/lm_head/Slice';
const OWN_INPUT = 'logits_first_row';

function formOf(model: OnnxModel): Omit<BuilderForm, 'config'> {
  const constants = new Map(model.externalTensors.map(({ name, dataType }) => [name, typeName(dataType)]));
  const values = (all: readonly OnnxValue[]): { name: string; type: string }[] =>
    all.map(({ name, dataType }) => ({ name, type: typeName(dataType) }));
  return {
    inputs: values(model.inputs).filter(({ name }) => name !== OWN_INPUT),
    outputs: values(model.outputs),
    nodes: model.nodes
      .filter((node) => !isOwnNode(node))
      .map(({ opType, domain, attributes, inputs }) => ({
        opType,
        domain,
        attributes: Object.fromEntries(
          Object.entries(attributes).map(([name, value]) => [name, Object.values(value)[0] as number]),
        ),
        inputs: inputs.map((name) => (name === '' ? '' : (constants.get(name) ?? 'value'))),
      })),
  };
}

/** The same nodes, whatever their order; optional inputs at the end may be left out, floats differ in the last digit. */
function comparable(nodes: BuilderForm['nodes']): string[] {
  return nodes
    .map(({ opType, domain, attributes, inputs }) => {
      const rounded = Object.entries(attributes)
        .filter(([name, value]) => !(opType === 'Gather' && name === 'axis' && value === 0)) // the default
        .sort(([a], [b]) => a.localeCompare(b))
        .map(([name, value]) => `${name}=${Number(value.toPrecision(5))}`);
      const given = inputs.slice(0, inputs.findLastIndex((input) => input !== '') + 1);
      return `${domain}.${opType}(${given.join(', ')}) ${rounded.join(' ')}`;
    })
    .sort();
}

const byName = (values: BuilderForm['inputs']): string[] => values.map(({ name, type }) => `${name}: ${type}`).sort();

describe("a graph for a target has the builder's form", async () => {
  const forms = JSON.parse(
    await readFile(path.join('test', 'golden', 'onnx-targets', 'builder-forms.json'), 'utf8'),
  ) as Readonly<Record<string, BuilderForm>>;

  it.each(Object.entries(forms))('%s', async (name, builder) => {
    const [targetName = '', weightFormat] = name.split('/');
    const [target, activations] = targetName.split('-');
    const recipe = resolveWeightRecipe('test', { target, activations, weightFormat } as WeightOptions);
    await using source = await openWeights(tinyModelFolder('phi3-gqa'));
    const decoder = describeDecoder(source.config, source.tensors, source.location);
    const { model } = buildDecoderGraph(decoder, recipe, { dataFile: 'd', producerVersion: '1' });
    const form = formOf(model);
    expect(byName(form.inputs)).toEqual(byName(builder.inputs));
    expect(byName(form.outputs)).toEqual(byName(builder.outputs));
    expect(comparable(form.nodes)).toEqual(comparable(builder.nodes));
    expect(genaiConfig(decoder, 'model.onnx', recipe.target)).toMatchObject({ model: { decoder: builder.config } });
  });
});

describe('run by the CPU provider, a graph for another target', () => {
  let folders: ExportedFolders;
  beforeAll(async () => {
    folders = await ExportedFolders.create();
  });
  afterAll(() => folders[Symbol.asyncDispose]());

  const targets = [
    { target: 'dml', weightFormat: 'int4' },
    { target: 'webgpu', weightFormat: 'int4', accuracyLevel: 0 },
    { target: 'cuda', weightFormat: 'int4' },
    { target: 'webgpu', weightFormat: 'int4', accuracyLevel: 0, activations: 'fp32' },
    { target: 'dml', weightFormat: 'fp16' },
    { target: 'webgpu', weightFormat: 'fp16' },
    { target: 'cuda', weightFormat: 'fp16' },
  ] as const satisfies readonly WeightOptions[];
  const cases = TINY_MODELS.flatMap((model) => targets.map((weights) => ({ model, ...weights })));

  it.each(cases)("$model, $target, $weightFormat $activations: the CPU's logits and tokens", async (given) => {
    const { model, ...weights } = given;
    const { weightFormat } = weights;
    const own = { weightFormat, ...(weightFormat === 'int4' ? { accuracyLevel: 0 as const } : {}) };
    await using cpu = await ModelRunner.open(await folders.of(tinyModelFolder(model), own));
    await using runner = await ModelRunner.open(await folders.of(tinyModelFolder(model), weights));
    expect(runner.engine.info.kvDtype).toBe('activations' in weights ? 'f32' : 'f16');
    const { prompts } = new GoldenVectors(model).file;
    await expectSameTokens(runner, cpu, prompts, 32, { logitTolerance: 0.01, tie: 0.1 }); // fp16 has 11 bits
  });

  it('gives exactly the tokens of the demo model, whose weights are trained', async () => {
    const prompt = JSON.parse(await readFile(path.join('models', 'demo', 'reference.json'), 'utf8')) as {
      inputTokenIds: number[];
    };
    const source = path.join('models', 'demo');
    await using cpu = await ModelRunner.open(await folders.of(source, { weightFormat: 'int4' }));
    const expected = await cpu.greedy(prompt.inputTokenIds, 48);
    for (const target of ['dml', 'webgpu', 'cuda'] as const) {
      await using runner = await ModelRunner.open(await folders.of(source, { target }));
      expect(await runner.greedy(prompt.inputTokenIds, 48)).toEqual(expected);
    }
  });
});
