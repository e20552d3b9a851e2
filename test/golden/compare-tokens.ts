/**
 * Compares two engines that round differently (fp16 and fp32, a GPU and the CPU) token by token. The tiny models have
 * random weights and thus near ties, which a rounding decides now and then; so each token is compared over the same
 * history, and where the two choose differently, the reference's own logits must be a tie.
 */
import { expect } from 'vitest';
import { argmax } from '../../src/sampling/argmax.js';
import type { ModelRunner } from './model-runner.js';
import { relativeRms } from './vectors.js';

export interface ComparedTokens {
  /** Largest relative root mean square over the logits of a prompt and its answer. */
  readonly logitTolerance: number;
  /** Logits this near to each other are a tie; those of the tiny models are around 5. */
  readonly tie: number;
}

/** The `count` greedy tokens of `reference` after each prompt, and every row of logits up to them. */
export async function expectSameTokens(
  runner: ModelRunner,
  reference: ModelRunner,
  prompts: readonly { readonly tokenIds: readonly number[] }[],
  count: number,
  { logitTolerance, tie }: ComparedTokens,
): Promise<void> {
  const { vocabularySize } = reference.engine.info;
  let ties = 0;
  let tokens = 0;
  for (const prompt of prompts) {
    const sequence = [...prompt.tokenIds, ...(await reference.greedy(prompt.tokenIds, count))];
    const expected = await reference.logits(sequence, 'all');
    const found = await runner.logits(sequence, 'all');
    expect(relativeRms(found, expected)).toBeLessThan(logitTolerance);
    for (let at = prompt.tokenIds.length - 1; at < sequence.length - 1; at += 1) {
      const [first, end] = [at * vocabularySize, (at + 1) * vocabularySize];
      const row = expected.subarray(first, end);
      const [want, got] = [argmax(row), argmax(found.subarray(first, end))];
      tokens += 1;
      if (got === want) continue;
      ties += 1;
      expect((row[want] ?? 0) - (row[got] ?? 0)).toBeLessThan(tie);
    }
  }
  expect(ties / tokens).toBeLessThan(0.02);
}
