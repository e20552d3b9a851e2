/**
 * Prompts of any length: the time that a model takes does not depend on what they say. Each is another one from its first
 * token on, so that no cache of prefixes answers in place of the model; the same ones come again in the next run.
 */
import { createRandomSource } from '../sampling/random.js';

/** Ids from 0 to `vocabularySize` - 1. */
export function randomPrompt(tokens: number, vocabularySize: number, seed: number): Int32Array {
  const random = createRandomSource(seed + 1);
  return Int32Array.from({ length: tokens }, () => Math.floor(random() * vocabularySize));
}
