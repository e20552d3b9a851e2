/**
 * SmolLM2-135M-Instruct, weights that somebody else trained, as an IR folder: against transformers, and in Intel's own
 * tools. smollm2.parity.ts does the same with the ONNX folder.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concatenate, EXACT_OPENVINO, ExportedFolders, ModelRunner } from '../golden/model-runner.js';
import { GoldenVectors, maxAbsoluteDifference } from '../golden/vectors.js';
import { ANSWER_TOKENS, expectSameAsPeer } from './compare.js';
import { askOpenvinoGenai } from './peer.js';
import { smollm2Gguf } from './smollm2.js';

const WORKERS = 2;
const CONTEXT_TOKENS = 1024;
/** In the peers: each token of this model takes a while. */
const FEW_PROMPTS = 3;
const FEW_TOKENS = 24;

const golden = new GoldenVectors('smollm2-135m');
const { prompts, perplexity } = golden.file;
const promptIds = prompts.map((prompt) => prompt.tokenIds);
const fewIds = promptIds.slice(0, FEW_PROMPTS);

let folders: ExportedFolders;
let gguf: string;
beforeAll(async () => {
  folders = await ExportedFolders.create();
  gguf = await smollm2Gguf();
});
afterAll(() => folders[Symbol.asyncDispose]());

describe('SmolLM2-135M as an OpenVINO folder in fp32', () => {
  let folder: string;
  let runner: ModelRunner;
  beforeAll(async () => {
    folder = await folders.openvino(gguf, { weightFormat: 'fp32' }, WORKERS);
    runner = await ModelRunner.openExactOpenvino(folder, { contextTokens: CONTEXT_TOKENS });
  });
  afterAll(() => runner[Symbol.asyncDispose]());

  it("gives transformers' logits within 1e-3", async () => {
    const last = await Promise.all(promptIds.map((prompt) => runner.logits(prompt, 'last')));
    expect(maxAbsoluteDifference(golden.keptColumns(concatenate(last)), golden.lastRows)).toBeLessThan(1e-3);
    const { prompt, rows } = golden.allRows;
    const all = golden.keptColumns(await runner.logits(prompt.tokenIds, 'all'));
    expect(maxAbsoluteDifference(all, rows)).toBeLessThan(1e-3);
  });

  it("gives transformers' 64 greedy tokens on 10 prompts, in openvino-genai too", async () => {
    const expected = prompts.map((prompt) => prompt.greedyTokenIds);
    expect(await Promise.all(promptIds.map((prompt) => runner.greedy(prompt, ANSWER_TOKENS)))).toEqual(expected);
    const runs = [{ folder, prompts: fewIds }];
    const [peer] = await askOpenvinoGenai({ runs, maxNewTokens: ANSWER_TOKENS, properties: EXACT_OPENVINO });
    expect(peer?.answers).toEqual(expected.slice(0, FEW_PROMPTS));
  });

  it("gives transformers' perplexity to three digits", async () => {
    expect(Math.abs((await runner.perplexity(perplexity.tokenIds)) / perplexity.perplexity - 1)).toBeLessThan(5e-4);
  });
});

describe('SmolLM2-135M as an OpenVINO folder, in openvino-genai', () => {
  it.each([
    { weightFormat: 'fp16' },
    { weightFormat: 'int8' },
    { weightFormat: 'int4', symmetric: true, groupSize: 64 },
    { weightFormat: 'int4', symmetric: false, groupSize: 32, ratio: 0.6 },
  ] as const)('gives the tokens and logits of aipc with %o', async (weights) => {
    const folder = await folders.openvino(gguf, weights, WORKERS);
    const runs = [{ folder, prompts: fewIds }];
    const [peer] = await askOpenvinoGenai({ runs, maxNewTokens: FEW_TOKENS, properties: EXACT_OPENVINO });
    if (peer === undefined) throw new Error('openvino-genai left out the folder.');
    await using runner = await ModelRunner.openExactOpenvino(folder, { contextTokens: CONTEXT_TOKENS });
    await expectSameAsPeer(runner, peer, fewIds, [], { logits: 1e-4, closeCall: 2e-3 }, FEW_TOKENS);
  });
});
