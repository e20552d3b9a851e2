/** Exported tiny models in the Python peers: onnxruntime-genai runs them, `tokenizers` reads their tokenizer. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ExportedFolders, ModelRunner } from '../golden/model-runner.js';
import { GoldenVectors, TINY_MODELS, tinyModelFolder } from '../golden/vectors.js';
import { expectSameAsGenai, expectSameAsTokenizers } from './compare.js';

/** <|endoftext|> and <|end|>, of generation_config.json. */
const END_TOKEN_IDS = [2, 6];

let folders: ExportedFolders;
beforeAll(async () => {
  folders = await ExportedFolders.create();
});
afterAll(() => folders[Symbol.asyncDispose]());

describe.each(TINY_MODELS)('%s, exported, in onnxruntime-genai', (model) => {
  const { prompts } = new GoldenVectors(model).file;
  const promptIds = prompts.map((prompt) => prompt.tokenIds);

  it('fp32: the tokens of transformers and of aipc', async () => {
    const folder = await folders.of(tinyModelFolder(model), { weightFormat: 'fp32' });
    await using runner = await ModelRunner.open(folder);
    const exactly = { logits: 1e-4, closeCall: 0 };
    const answers = await expectSameAsGenai(runner, folder, promptIds, END_TOKEN_IDS, exactly);
    expect(answers).toEqual(prompts.map((prompt) => prompt.greedyTokenIds));
  });

  it.each([
    ['int4', 0],
    ['int4', 4],
    ['int8', 4],
  ] as const)('%s at accuracy level %i: the logits and tokens of aipc', async (weightFormat, accuracyLevel) => {
    const folder = await folders.of(tinyModelFolder(model), { weightFormat, accuracyLevel });
    await using runner = await ModelRunner.open(folder);
    // The two bring different versions of ONNX Runtime; at level 4 these may round activations differently.
    const tolerances = accuracyLevel === 0 ? { logits: 1e-3, closeCall: 0.01 } : { logits: 0.04, closeCall: 0.2 };
    await expectSameAsGenai(runner, folder, promptIds, END_TOKEN_IDS, tolerances);
  });
});

it('the tokenizer of an exported tiny model reads the same in `tokenizers`', async () => {
  await expectSameAsTokenizers(await folders.of(tinyModelFolder('phi3-window'), { weightFormat: 'fp32' }));
});
