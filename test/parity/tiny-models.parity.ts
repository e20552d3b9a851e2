/** Exported tiny models in the Python peers: onnxruntime-genai runs them, `tokenizers` reads their tokenizer. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ExportedFolders, ModelRunner } from '../golden/model-runner.js';
import { GoldenVectors, TINY_MODELS, tinyModelFolder } from '../golden/vectors.js';
import { expectSameAsGenai, expectSameAsPeer, expectSameAsTokenizers } from './compare.js';
import { askGenai } from './peer.js';

/** <|endoftext|> and <|end|>, of generation_config.json. */
const END_TOKEN_IDS = [2, 6];

let folders: ExportedFolders;
beforeAll(async () => {
  folders = await ExportedFolders.create();
});
afterAll(() => folders[Symbol.asyncDispose]());

/** onnxruntime-genai computes the cache anew where the published longrope models change, at 4,096 tokens, alone. */
const withoutLongrope = TINY_MODELS.filter((model) => new GoldenVectors(model).file.longropeBoundary == null);
const withLongrope = TINY_MODELS.filter((model) => !withoutLongrope.includes(model));

describe.each(withLongrope)('%s, exported, in onnxruntime-genai below its boundary', (model) => {
  it('fp32: the tokens of transformers and of aipc', async () => {
    const { prompts, longropeBoundary } = new GoldenVectors(model).file;
    const answerTokens = (longropeBoundary ?? 0) / 2;
    const short = prompts.filter(({ tokenIds }) => tokenIds.length <= answerTokens);
    const promptIds = short.map(({ tokenIds }) => tokenIds);
    const folder = await folders.of(tinyModelFolder(model), { weightFormat: 'fp32' });
    await using runner = await ModelRunner.open(folder);
    const peer = await askGenai(folder, promptIds, answerTokens);
    await expectSameAsPeer(runner, peer, promptIds, END_TOKEN_IDS, { logits: 1e-4, closeCall: 0 }, answerTokens);
    expect(peer.answers).toEqual(short.map(({ greedyTokenIds }) => greedyTokenIds.slice(0, answerTokens)));
  });
});

describe.each(withoutLongrope)('%s, exported, in onnxruntime-genai', (model) => {
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

  // On the CPU, which runs their graphs: the logits are rounded to fp16, and ties are common.
  it.each(
    (['dml', 'webgpu', 'cuda'] as const).flatMap((target) =>
      (['fp16', 'int4'] as const).map((format) => [format, target] as const),
    ),
  )('%s for %s: the logits and tokens of aipc', async (weightFormat, target) => {
    const folder = await folders.of(tinyModelFolder(model), { weightFormat, target });
    await using runner = await ModelRunner.open(folder);
    await expectSameAsGenai(runner, folder, promptIds.slice(0, 4), END_TOKEN_IDS, { logits: 0.04, closeCall: 0.2 });
  });
});

it('the tokenizer of an exported tiny model reads the same in `tokenizers`', async () => {
  await expectSameAsTokenizers(await folders.of(tinyModelFolder('phi3-window'), { weightFormat: 'fp32' }));
});
