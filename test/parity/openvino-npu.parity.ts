/**
 * The NPU's path, emulated on the CPU by OpenVINO's NPUW: aipc's engine and openvino-genai's pipeline give the same
 * tokens on the folders that aipc exports. Models have 8 layers: NPUW's partitioning fails on fewer.
 */
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { OpenvinoWeightOptions } from '../../src/convert/openvino/recipe.js';
import { createOpenvinoEngine } from '../../src/engine/openvino/openvino-engine.js';
import { ExportedFolders, ModelRunner } from '../golden/model-runner.js';
import { DEMO_FOLDER, GoldenVectors, tinyModelFolder } from '../golden/vectors.js';
import { expectSameAsPeer } from './compare.js';
import { demoPrompts } from './demo-prompts.js';
import { askOpenvinoGenaiNpu } from './peer.js';

const ANSWER_TOKENS = 40;
const npu = { maxPromptTokens: 128, minResponseTokens: 64 };
/**
 * The runtime's own default rounds to f16 between the parts that it cuts a model into, as fits an NPU; in them a CPU may
 * compute in bf16 and quantise activations.
 */
const EMULATED = { NPUW_DEVICES: 'CPU', NPUW_F16IC: 'NO', EXECUTION_MODE_HINT: 'ACCURACY' };
/** Keys and values are kept in f16, and rounded at other places as the chunks of the prompt fall. */
const TOLERANCES = { logits: 0.01, closeCall: 0.04 };

const deepPrompts = new GoldenVectors('phi3-deep').file.prompts.map(({ tokenIds }) => tokenIds);

interface Case {
  readonly name: string;
  readonly source: string;
  readonly promptsOf: (folder: string) => Promise<readonly (readonly number[])[]>;
  readonly variants: readonly OpenvinoWeightOptions[];
}

const cases: readonly Case[] = [
  {
    name: 'phi3-deep',
    source: tinyModelFolder('phi3-deep'),
    promptsOf: () => Promise.resolve(deepPrompts),
    variants: [{ weightFormat: 'int4', symmetric: true, groupSize: -1 }, { weightFormat: 'fp16' }],
  },
  {
    name: 'the demo model',
    source: DEMO_FOLDER,
    promptsOf: demoPrompts,
    variants: [
      { weightFormat: 'int4', symmetric: true, groupSize: 128 },
      { weightFormat: 'int4', symmetric: true, groupSize: -1 },
      { weightFormat: 'int8' },
    ],
  },
];

describe.each(cases)('$name on the NPU path, emulated, in openvino-genai', ({ source, promptsOf, variants }) => {
  let folders: ExportedFolders;
  beforeAll(async () => {
    folders = await ExportedFolders.create();
  });
  afterAll(() => folders[Symbol.asyncDispose]());

  it.each(variants)('%o: the tokens of aipc', async (weights) => {
    const folder = await folders.openvino(source, weights);
    const prompts = await promptsOf(folder);
    const [peer] = await askOpenvinoGenaiNpu({
      runs: [{ folder, prompts }],
      maxNewTokens: ANSWER_TOKENS,
      properties: { ...EMULATED, MAX_PROMPT_LEN: npu.maxPromptTokens, MIN_RESPONSE_LEN: npu.minResponseTokens },
    });
    if (peer === undefined) throw new Error('openvino-genai left out the folder.');
    const engine = await createOpenvinoEngine(folder, { device: 'npu', npu, ovConfig: EMULATED });
    await using runner = new ModelRunner(engine);
    await expectSameAsPeer(runner, peer, prompts, [], TOLERANCES, ANSWER_TOKENS);
  });
});
