/**
 * Scores given tokens: how likely the model finds each after those before it. It generates nothing and keeps nothing.
 */
import { setImmediate as nextTurnOfTheEventLoop } from 'node:timers/promises';
import { OptionError, UnsupportedError } from '../errors.js';
import { refuseUnknownKeys } from '../options.js';
import { checkPromptTokens } from './prompt-tokens.js';
import type { Scheduler } from './scheduler.js';

/** Most logits of one step: 16 MiB; with a vocabulary of 32,000 that is 131 tokens, enough to keep a CPU or GPU busy. */
export const MAX_STEP_LOGITS = 2 ** 22;

/** Logits read between two turns of the event loop, by whole rows: 1 to 3 ms, for an exponential takes 20 to 40 ns. */
const LOGITS_PER_TURN = 2 ** 16;

export interface Score {
  /** Natural logarithms; [i] belongs to tokens[i + 1], given tokens[0..i]. One fewer than tokens. */
  readonly logProbabilities: Float64Array;
  /** exp of the negative mean of logProbabilities. */
  readonly perplexity: number;
}

/**
 * Runs the tokens through the model once, on a sequence of its own, in steps of bounded memory; one token a step
 * where the engine gives the last row of logits only.
 * Throws INPUT_INVALID (fewer than two tokens, ids out of range), CONTEXT_EXCEEDED, MODEL_FEATURE_UNSUPPORTED (an
 * engine that gives the last row only and cannot begin with one token), DISPOSED, the signal's reason, engine errors.
 */
export async function scoreTokens(
  scheduler: Scheduler,
  tokens: Int32Array,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Score> {
  refuseUnknownKeys('scoreTokens', options, ['signal']);
  const { engine } = scheduler;
  checkPromptTokens('scoreTokens', tokens, engine, 2);
  const { contextTokens, logits, minFirstTokens } = engine.limits;
  if (tokens.length > contextTokens) {
    throw new OptionError(
      'CONTEXT_EXCEEDED',
      `scoreTokens: ${tokens.length} tokens, and the context holds ${contextTokens}. Score a shorter text, or load ` +
        'the model with a larger contextTokens.',
      { details: { tokens: tokens.length, contextTokens } },
    );
  }
  if (logits === 'last' && minFirstTokens > 1) {
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `scoreTokens: this engine gives the logits of the last token only and needs ${minFirstTokens} tokens to begin ` +
        'with, so the first ones cannot be scored. Use another device.',
      { details: { minFirstTokens } },
    );
  }
  const rowsPerStep = logits === 'last' ? 1 : Math.ceil(MAX_STEP_LOGITS / engine.info.vocabularySize);
  const copy = tokens.slice();
  const logProbabilities = new Float64Array(copy.length - 1);
  const sequence = scheduler.createSequence();
  try {
    await scheduler.run({
      sequence,
      tokens: copy,
      logits: 'all',
      maxStepTokens: rowsPerStep,
      ...options,
      onLogits: (rows, position) => scoreRows(rows, engine.info.vocabularySize, copy, position, logProbabilities),
    });
  } finally {
    await sequence.dispose();
  }
  const sum = logProbabilities.reduce((total, value) => total + value, 0);
  return { logProbabilities, perplexity: Math.exp(-sum / logProbabilities.length) };
}

/** Writes the log-probabilities of the tokens after `position`, as many as there are rows and tokens. */
async function scoreRows(
  rows: Float32Array,
  vocabularySize: number,
  tokens: Int32Array,
  position: number,
  logProbabilities: Float64Array,
): Promise<undefined> {
  const end = Math.min(position + rows.length / vocabularySize, logProbabilities.length);
  const rowsPerTurn = Math.ceil(LOGITS_PER_TURN / vocabularySize);
  for (let index = position; index < end; index++) {
    const row = rows.subarray((index - position) * vocabularySize, (index - position + 1) * vocabularySize);
    logProbabilities[index] = (row[tokens[index + 1] ?? 0] ?? NaN) - logSumExp(row);
    if ((index - position + 1) % rowsPerTurn === 0) await nextTurnOfTheEventLoop();
  }
}

/** In f64, shifted by the maximum so that nothing overflows. */
function logSumExp(row: Float32Array): number {
  let max = -Infinity;
  for (const value of row) if (value > max) max = value;
  let sum = 0;
  for (const value of row) sum += Math.exp(value - max);
  return max + Math.log(sum);
}
