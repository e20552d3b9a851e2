/**
 * IR folders that aipc exported, in Intel's own tools: openvino-genai gives aipc's greedy tokens, the runtime aipc's
 * logits. All with f32 inference, an f32 KV cache, dynamic quantisation off and SDPA attention: by default activations
 * and the cache are rounded to 8 bits.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenvinoWeightOptions } from '../../src/convert/openvino/recipe.js';
import { EXACT_OPENVINO, ExportedFolders, ModelRunner } from '../golden/model-runner.js';
import { DEMO_FOLDER, GoldenVectors, TINY_MODELS, tinyModelFolder } from '../golden/vectors.js';
import { ANSWER_TOKENS, expectSameAsPeer } from './compare.js';
import { demoPrompts } from './demo-prompts.js';
import { askOpenvinoGenai, type OpenvinoRun, type PeerAnswers } from './peer.js';

/** Both bring the same runtime, but the two graphs of a folder may sum in another order. */
const TOLERANCES = { logits: 1e-5, closeCall: 1e-3 };

type Prompts = readonly (readonly number[])[];

const describeWeights = (weights: OpenvinoWeightOptions): string =>
  Object.entries<unknown>({ ...weights })
    .map(([option, value]) => `${option} ${String(value)}`)
    .join(', ');

// openvino-genai goes on over a cache of both regimes where longrope changes: its tokens are others there.
const tinyModels = TINY_MODELS.filter((model) => new GoldenVectors(model).file.longropeBoundary == null);
const longropeModels = TINY_MODELS.filter((model) => !tinyModels.includes(model));
const tinyCases = tinyModels.map((model) => ({
  name: model,
  source: tinyModelFolder(model),
  promptsOf: () => Promise.resolve<Prompts>(new GoldenVectors(model).file.prompts.map(({ tokenIds }) => tokenIds)),
  groupSize: 32,
}));
const cases = [...tinyCases, { name: 'the demo model', source: DEMO_FOLDER, promptsOf: demoPrompts, groupSize: 128 }];

describe.each(cases)('$name, exported, in openvino-genai', ({ source, promptsOf, groupSize }) => {
  const variants = [
    { weightFormat: 'fp16' },
    { weightFormat: 'int8' },
    { weightFormat: 'int4', symmetric: true, groupSize },
    { weightFormat: 'int4', symmetric: true, groupSize: -1 },
    { weightFormat: 'int4', symmetric: false, groupSize },
    { weightFormat: 'int4', symmetric: true, groupSize, ratio: 0.6 },
    { weightFormat: 'int4', symmetric: false, groupSize: groupSize / 2, ratio: 0.6 },
    { weightFormat: 'int4', symmetric: true, groupSize, allLayers: true },
  ] as const satisfies readonly OpenvinoWeightOptions[];
  let folders: ExportedFolders;
  let runs: readonly OpenvinoRun[];
  let answers: readonly PeerAnswers[];

  beforeAll(async () => {
    folders = await ExportedFolders.create();
    const made = await Promise.all(variants.map((weights) => folders.openvino(source, weights)));
    runs = await Promise.all(made.map(async (folder) => ({ folder, prompts: await promptsOf(folder) })));
    answers = await askOpenvinoGenai({ runs, maxNewTokens: ANSWER_TOKENS, properties: EXACT_OPENVINO });
  });
  afterAll(() => folders[Symbol.asyncDispose]());

  it.each(variants.map((weights, index) => [describeWeights(weights), index] as const))(
    '%s: the tokens and logits of aipc',
    async (_, index) => {
      const { folder = '', prompts = [] } = runs[index] ?? {};
      const peer = answers[index];
      if (peer === undefined) throw new Error('openvino-genai left out a folder.');
      await using runner = await ModelRunner.openExactOpenvino(folder);
      await expectSameAsPeer(runner, peer, prompts, [], TOLERANCES);
    },
  );
});

describe.each(longropeModels)('%s, exported, in openvino-genai below its boundary', (model) => {
  it('fp16 and int4: the tokens and logits of aipc', async () => {
    await using folders = await ExportedFolders.create();
    const { prompts, longropeBoundary } = new GoldenVectors(model).file;
    const answerTokens = (longropeBoundary ?? 0) / 2;
    const short = prompts.map(({ tokenIds }) => tokenIds).filter(({ length }) => length <= answerTokens);
    expect(short.length).toBeGreaterThan(1);
    const weights: readonly OpenvinoWeightOptions[] = [
      { weightFormat: 'fp16' },
      { weightFormat: 'int4', groupSize: 32 },
    ];
    const made = await Promise.all(weights.map((each) => folders.openvino(tinyModelFolder(model), each)));
    const runs = made.map((folder) => ({ folder, prompts: short }));
    const answers = await askOpenvinoGenai({ runs, maxNewTokens: answerTokens, properties: EXACT_OPENVINO });
    for (const [index, folder] of made.entries()) {
      const peer = answers[index];
      if (peer === undefined) throw new Error('openvino-genai left out a folder.');
      await using runner = await ModelRunner.openExactOpenvino(folder);
      await expectSameAsPeer(runner, peer, short, [], TOLERANCES, answerTokens);
    }
  });
});
