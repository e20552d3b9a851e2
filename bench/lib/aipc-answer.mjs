/** An answer of aipc's own generation loop with the time of each token, over any engine. It makes no text. */
import { performance } from 'node:perf_hooks';
import { generate } from '../../dist/src/generation/generate.js';
import { createSampler } from '../../dist/src/sampling/sampling.js';

/** A character for each token, so that each is reported when it is there. */
const DECODER = { push: () => '.', flush: () => '' };

/**
 * Greedy. `promptTokens` is the whole prompt from position 0: what the sequence holds of it is reused.
 * `onToken` is called for each token when it is there.
 * @returns {Promise<{ tokenIds: number[], cachedTokens: number }>}
 */
export async function answer(scheduler, { sequence, promptTokens, newTokens, onToken }) {
  let finish;
  for await (const part of generate(scheduler, {
    sequence,
    promptTokens: Int32Array.from(promptTokens),
    sampler: createSampler({}, scheduler.engine.info.vocabularySize),
    decoder: DECODER,
    endTokenIds: new Set(),
    stopStrings: [],
    maxNewTokens: newTokens,
  })) {
    if (part.type === 'text-delta') for (const token of part.tokenIds) onToken(token, performance.now());
    else if (part.type === 'finish') finish = part;
  }
  return { tokenIds: [...finish.tokenIds], cachedTokens: finish.usage.cachedInputTokens };
}
