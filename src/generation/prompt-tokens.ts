/** Checks token ids that come from outside, before anything runs on them. It does not compare them with the context. */
import type { Engine } from '../engine/engine.js';
import { OptionError } from '../errors.js';

/** Throws INPUT_INVALID unless `tokens` are ids of the vocabulary, and as many as the engine needs at least. */
export function checkPromptTokens(where: string, tokens: Int32Array, engine: Engine, minTokens = 1): void {
  const fewest = Math.max(minTokens, engine.limits.minFirstTokens);
  if (tokens.length < fewest) {
    throw new OptionError(
      'INPUT_INVALID',
      `${where}: ${tokens.length} tokens are too few: at least ${fewest} are needed on this engine.`,
      { details: { tokens: tokens.length, minTokens: fewest } },
    );
  }
  const { vocabularySize } = engine.info;
  const index = tokens.findIndex((token) => token < 0 || token >= vocabularySize);
  if (index >= 0) {
    throw new OptionError(
      'INPUT_INVALID',
      `${where}: token ${tokens[index]} at position ${index} is not an id of the model's vocabulary ` +
        `(0 to ${vocabularySize - 1}). Were the tokens made with another model's tokenizer?`,
      { details: { index, token: tokens[index], vocabularySize } },
    );
  }
}
