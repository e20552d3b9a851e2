/**
 * Tokens one by one with the time of each, and their logits to look at: what measuring and comparing devices need of a
 * model. It takes the way of every answer, with two differences: the caller says how many tokens, whatever ends an answer
 * otherwise, and it is greedy.
 */
import { OptionError } from '../errors.js';
import { generate } from '../generation/generate.js';
import type { Scheduler } from '../generation/scheduler.js';
import { checkNumber, refuseUnknownKeys } from '../options.js';
import { createSampler } from '../sampling/sampling.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';

export interface TraceOptions {
  /** 1 or more; prompt and new tokens fit into the context together. */
  readonly newTokens: number;
  /**
   * Called with each row of logits, f32 [vocabulary], in the engine's memory: to be read before it returns. `index` counts
   * the new tokens from 0; `tokenId` is the one that was chosen.
   */
  readonly onLogits?: (logits: Float32Array, index: number, tokenId: number) => void;
  readonly signal?: AbortSignal;
}

export interface TokenTrace {
  /** As many as were asked for, end tokens among them. */
  readonly tokenIds: readonly number[];
  /** When each token was there, in milliseconds from the call; the first is the time to the first token. */
  readonly timesMs: readonly number[];
  /** Tokens of the prompt for each second until the first token. */
  readonly prefillTokensPerSecond: number;
  /** Of the tokens after the first; null: there is only one. */
  readonly decodeTokensPerSecond: number | null;
}

/** Throws OPTION_UNKNOWN, OPTION_INVALID, CONTEXT_EXCEEDED, what generate() throws, or the signal's reason. */
export async function traceTokens(
  scheduler: Scheduler,
  tokenizer: Tokenizer,
  promptTokens: Int32Array,
  options: TraceOptions,
): Promise<TokenTrace> {
  refuseUnknownKeys('trace', options, ['newTokens', 'onLogits', 'signal']);
  const { onLogits, signal } = options;
  const { contextTokens } = scheduler.engine.limits;
  const range = { min: 1, max: Number.MAX_SAFE_INTEGER, integer: true };
  const newTokens = checkNumber('trace', 'newTokens', options.newTokens, range);
  if (promptTokens.length + newTokens > contextTokens) {
    throw new OptionError(
      'CONTEXT_EXCEEDED',
      `trace: ${promptTokens.length} tokens of prompt and ${newTokens} new ones do not fit into the context of ` +
        `${contextTokens}. Ask for fewer, or load the model with a larger contextTokens.`,
      { details: { inputTokens: promptTokens.length, newTokens, contextTokens } },
    );
  }
  const greedy = createSampler({}, scheduler.engine.info.vocabularySize);
  const tokenIds: number[] = [];
  const timesMs: number[] = [];
  const sequence = scheduler.createSequence();
  try {
    const startedMs = performance.now();
    const parts = generate(scheduler, {
      sequence,
      promptTokens,
      sampler: {
        random: false,
        seed: greedy.seed,
        sample: (logits, history) => {
          const tokenId = greedy.sample(logits, history);
          timesMs.push(performance.now() - startedMs);
          onLogits?.(logits, tokenIds.length, tokenId);
          tokenIds.push(tokenId);
          return tokenId;
        },
      },
      decoder: tokenizer.createDecoder(),
      endTokenIds: new Set(),
      stopStrings: [],
      maxNewTokens: newTokens,
      ...(signal === undefined ? {} : { signal }),
    });
    for await (const part of parts) if (part.type === 'finish') signal?.throwIfAborted();
  } finally {
    await sequence.dispose();
  }
  const firstMs = timesMs[0] ?? 0;
  const decodeMs = (timesMs.at(-1) ?? 0) - firstMs;
  return {
    tokenIds,
    timesMs,
    prefillTokensPerSecond: (1000 * promptTokens.length) / firstMs,
    decodeTokensPerSecond: newTokens === 1 ? null : (1000 * (newTokens - 1)) / decodeMs,
  };
}
