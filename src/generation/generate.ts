/**
 * The folder's entry: one answer as a stream of parts. It checks the request, lets the scheduler run it, and ends it
 * cleanly however it ends. Prompts come as token ids: templates, tokenisers and conversations are the caller's.
 */
import { OptionError } from '../errors.js';
import { checkNumber, refuseUnknownKeys } from '../options.js';
import type { Sampler } from '../sampling/sampling.js';
import { Answer, type GenerationPart, type TextDecoder } from './answer.js';
import { AsyncQueue } from './async-queue.js';
import { checkPromptTokens } from './prompt-tokens.js';
import type { Scheduler } from './scheduler.js';
import type { Sequence } from './sequence.js';
import { checkStopStrings } from './stop-strings.js';

export type { FinishReason, GenerationPart, GenerationTimings, GenerationUsage } from './answer.js';

export interface GenerationRequest {
  /** One generation at a time on each. */
  readonly sequence: Sequence;
  /** The whole prompt from position 0 (copied); the prefix that the sequence still has in its KV cache is reused. */
  readonly promptTokens: Int32Array;
  /** Used by this generation alone while it runs; likewise `decoder`. */
  readonly sampler: Sampler;
  /** A fresh one for each answer. */
  readonly decoder: TextDecoder;
  /** Each ends the answer, and yields no text. */
  readonly endTokenIds: ReadonlySet<number>;
  /** Each ends the answer where it appears in the text; it is cut off. At most MAX_STOP_STRINGS. */
  readonly stopStrings: readonly string[];
  /** At least 1; clipped to the end of the context, which is the default. */
  readonly maxNewTokens?: number;
  readonly signal?: AbortSignal;
}

const REQUEST_KEYS: readonly (keyof GenerationRequest)[] = [
  'sequence',
  'promptTokens',
  'sampler',
  'decoder',
  'endTokenIds',
  'stopStrings',
  'maxNewTokens',
  'signal',
];

/**
 * Generates one answer: a start part, text-deltas, a finish part. Work begins with the first next() and goes on
 * whether or not the parts are read (so a reader that waits for another answer cannot block it); times count from the
 * call.
 *
 * Aborted by its signal, the answer ends within one native step: with a finish part 'aborted' and all text so far if it
 * had started, else (still waiting for a slot) it throws the signal's reason. Leaving the loop early stops it as well.
 * Throws OPTION_INVALID, INPUT_INVALID, CONTEXT_EXCEEDED, BUSY (the sequence is generating), DISPOSED, and what the
 * engine, the sampler or the decoder throws. However it ends, the sequence can generate again.
 */
export function generate(scheduler: Scheduler, request: GenerationRequest): AsyncGenerator<GenerationPart, void, void> {
  return stream(scheduler, request, performance.now());
}

async function* stream(
  scheduler: Scheduler,
  request: GenerationRequest,
  calledAtMs: number,
): AsyncGenerator<GenerationPart, void, void> {
  const { signal, sequence } = request;
  const { promptTokens, maxNewTokens } = resolve(scheduler, request);
  const parts = new AsyncQueue<GenerationPart>();
  const answer = new Answer({
    ...request,
    inputTokens: promptTokens.length,
    maxNewTokens,
    calledAtMs,
    emit: (part) => parts.push(part),
  });
  const stopping = new AbortController();
  const stop = () => stopping.abort(signal?.reason);
  if (signal?.aborted === true) stop();
  signal?.addEventListener('abort', stop, { once: true });
  const running = scheduler
    .run({
      sequence,
      tokens: promptTokens,
      logits: 'last',
      signal: stopping.signal,
      onStart: (cachedTokens) => answer.start(cachedTokens),
      onLogits: (logits) => answer.next(logits),
    })
    .then(
      () => answer.finish(),
      (error: unknown) => {
        if (!stopping.signal.aborted || error !== stopping.signal.reason || !answer.started) throw error;
        answer.finish(true);
      },
    )
    .then(
      () => parts.end(),
      (error: unknown) => parts.fail(error),
    );
  try {
    yield* parts;
  } finally {
    stop();
    await running;
    signal?.removeEventListener('abort', stop);
  }
}

function resolve(scheduler: Scheduler, request: GenerationRequest) {
  refuseUnknownKeys('generate', request, REQUEST_KEYS);
  checkStopStrings('generate', request.stopStrings);
  const { limits } = scheduler.engine;
  checkPromptTokens('generate', request.promptTokens, scheduler.engine);
  const inputTokens = request.promptTokens.length;
  const roomTokens = limits.contextTokens - inputTokens;
  if (roomTokens < 1) {
    throw new OptionError(
      'CONTEXT_EXCEEDED',
      `generate: the prompt has ${inputTokens} tokens, and the context holds ${limits.contextTokens} for prompt and ` +
        'answer together. Shorten the prompt or the conversation, or load the model with a larger contextTokens.',
      { details: { inputTokens, contextTokens: limits.contextTokens } },
    );
  }
  const wanted = checkNumber('generate', 'maxNewTokens', request.maxNewTokens ?? roomTokens, {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    integer: true,
  });
  return { promptTokens: request.promptTokens.slice(), maxNewTokens: Math.min(wanted, roomTokens) };
}
