/**
 * Log-probabilities of tokens under a row of logits, for scoring and perplexity. Nothing here is random or filtered.
 */
import { OptionError } from '../errors.js';
import { argmax } from './argmax.js';
import { expNonPositive } from './exponential.js';

/**
 * The natural logarithm of the probability of token `id` under softmax(logits); logits: f32 [vocabularySize].
 * In float64 and relative to the largest logit: neither overflows nor loses digits to large logits.
 * Throws INPUT_INVALID for an id outside the row, RUNTIME_FAILED for a row that is no distribution.
 */
export function logProbability(logits: Float32Array, id: number): number {
  const logit = logits[id];
  if (logit === undefined) {
    throw new OptionError(
      'INPUT_INVALID',
      `logProbability: token id ${id} is not in the vocabulary of ${logits.length} tokens (0 to ${logits.length - 1}).`,
      { details: { id, vocabularySize: logits.length } },
    );
  }
  const max = logits[argmax(logits)] as number;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += expNonPositive((logits[i] as number) - max);
  return logit - max - Math.log(sum);
}
