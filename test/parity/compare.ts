/** What the parity suites assert of an exported folder: aipc and the Python peer do the same with it. */
import path from 'node:path';
import { expect } from 'vitest';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.js';
import { concatenate, type ModelRunner } from '../golden/model-runner.js';
import { relativeRms } from '../golden/vectors.js';
import { askGenai, askTokenizers, type PeerAnswers } from './peer.js';
import { TEXTS } from './texts.js';

export const ANSWER_TOKENS = 64;

export interface Tolerances {
  /** Relative root mean square over the logits after all prompts. */
  readonly logits: number;
  /** Two logits closer than this may change places between the two runtimes; 0: the tokens must be identical. */
  readonly closeCall: number;
}

/**
 * The peer's logits and greedy tokens are aipc's. `endTokenIds` end aipc's answers, as they ended the peer's.
 */
export async function expectSameAsPeer(
  runner: ModelRunner,
  peer: PeerAnswers,
  prompts: readonly (readonly number[])[],
  endTokenIds: readonly number[],
  tolerances: Tolerances,
  answerTokens = ANSWER_TOKENS,
): Promise<void> {
  if (peer.logits !== undefined) {
    const logits = await Promise.all(prompts.map((prompt) => runner.logits(prompt, 'last')));
    expect(relativeRms(concatenate(logits), peer.logits)).toBeLessThan(tolerances.logits);
  }
  expect(peer.answers).toHaveLength(prompts.length);
  const answers = await Promise.all(prompts.map((prompt) => runner.greedy(prompt, answerTokens, endTokenIds)));
  for (const [index, prompt] of prompts.entries()) {
    const found = answers[index] ?? [];
    const expected = peer.answers[index] ?? [];
    const same = commonPrefix(found, expected);
    if (same === found.length && same === expected.length) continue;
    const [first = NaN, second = NaN] = (await runner.logits([...prompt, ...found.slice(0, same)], 'last'))
      .toSorted()
      .reverse();
    const where = `prompt ${index}, token ${same}: aipc gives ${String(found[same])}, ${peer.peer} ${String(expected[same])}`;
    expect(first - second, `${where}; the two best logits differ by`).toBeLessThan(tolerances.closeCall);
  }
}

/** onnxruntime-genai gives aipc's logits and greedy tokens, each answer up to an end token. Returns genai's answers. */
export async function expectSameAsGenai(
  runner: ModelRunner,
  folder: string,
  prompts: readonly (readonly number[])[],
  endTokenIds: readonly number[],
  tolerances: Tolerances,
): Promise<readonly (readonly number[])[]> {
  const peer = await askGenai(folder, prompts, ANSWER_TOKENS);
  await expectSameAsPeer(runner, peer, prompts, endTokenIds, tolerances);
  return peer.answers;
}

/** How many ids the two begin with in common. */
function commonPrefix(found: readonly number[], expected: readonly number[]): number {
  const parts = found.findIndex((id, position) => expected[position] !== id);
  return parts === -1 ? found.length : parts;
}

/** Hugging Face's `tokenizers`, reading the exported tokenizer.json, encodes and decodes as aipc does. */
export async function expectSameAsTokenizers(folder: string, more: readonly string[] = []): Promise<void> {
  const tokenizer = await loadTokenizer(folder);
  const texts = [...TEXTS, ...more];
  const encoded = texts.map((text) => Array.from(tokenizer.encode(text, { specialTokens: 'parse' })));
  const decoded = encoded.map((ids) => tokenizer.decode(ids, { skipSpecialTokens: false }));
  const peer = await askTokenizers(path.join(folder, 'tokenizer.json'), texts, encoded);
  expect(encoded).toEqual(peer.encoded);
  expect(decoded).toEqual(peer.decoded);
}
