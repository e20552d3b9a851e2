/** The built-in model, exported, in the Python peers. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { loadModel } from '../../src/model/load-model.js';
import { ExportedFolders, ModelRunner } from '../golden/model-runner.js';
import { DEMO_FOLDER } from '../golden/vectors.js';
import { readGenaiConfig } from '../../src/engine/onnxruntime/genai-config.js';
import { expectSameAsGenai, expectSameAsTokenizers } from './compare.js';

const QUESTIONS = [
  'Can you introduce yourself?',
  'What is an NPU?',
  'What is quantisation?',
  'Is a GPU better than an NPU?',
  'Who won the world cup in 1998?',
];

let folders: ExportedFolders;
beforeAll(async () => {
  folders = await ExportedFolders.create();
});
afterAll(() => folders[Symbol.asyncDispose]());

describe('the demo model, exported, in onnxruntime-genai', () => {
  it.each([
    { weightFormat: 'fp32', tolerances: { logits: 1e-4, closeCall: 0 } },
    { weightFormat: 'int4', tolerances: { logits: 0.04, closeCall: 0.2 } },
  ] as const)('gives the answers of aipc in $weightFormat', async ({ weightFormat, tolerances }) => {
    const folder = await folders.of(DEMO_FOLDER, { weightFormat }, 2);
    await using model = await loadModel(folder);
    const prompts = await Promise.all(QUESTIONS.map(async (question) => Array.from(await model.encodeInput(question))));
    await using runner = await ModelRunner.open(folder, { contextTokens: 512 });
    const { endTokenIds } = await readGenaiConfig(folder);
    await expectSameAsGenai(runner, folder, prompts, [...endTokenIds], tolerances);
  });
});

it('the exported tokenizer of the demo model reads the same in `tokenizers`', async () => {
  await expectSameAsTokenizers(await folders.of(DEMO_FOLDER, { weightFormat: 'fp32' }, 2), QUESTIONS);
});
