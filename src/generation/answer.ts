/**
 * One answer in the making: sampled token ids become text parts, until an end token, a stop string or the most
 * tokens allowed; counts and times are kept for the report. It does not run the model.
 */
import type { Sampler } from '../sampling/sampling.js';
import type { Sequence } from './sequence.js';
import { StopStringFilter } from './stop-strings.js';

/** Ids to text; what is certain is given out at once (src/tokenizer's StreamDecoder). */
export interface TextDecoder {
  push(id: number): string;
  flush(): string;
}

export type FinishReason = 'stop' | 'length' | 'aborted';

export interface GenerationUsage {
  /** Tokens of the prompt. */
  readonly inputTokens: number;
  /** Those of them whose KV was still cached. */
  readonly cachedInputTokens: number;
  /** Tokens generated, as in `tokenIds`: without the end token. */
  readonly outputTokens: number;
}

/** Milliseconds from the call of generate(), rates per second; null where there was nothing to measure. */
export interface GenerationTimings {
  /** Until the sequence had its slot. */
  readonly queueMs: number;
  /** Until the first token was sampled; the queue is part of it. */
  readonly timeToFirstTokenMs: number | null;
  readonly totalMs: number;
  /** Prompt tokens that were not cached, from the slot to the first token. */
  readonly prefillTokensPerSecond: number | null;
  /** Tokens after the first (the end token included: it is a step like the others). */
  readonly decodeTokensPerSecond: number | null;
}

/** Always first: the sequence has its slot, and prefill begins. */
export interface StartPart {
  readonly type: 'start';
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
}

export interface TextDeltaPart {
  readonly type: 'text-delta';
  /** Never empty. */
  readonly text: string;
  /** The ids sampled since the last part. A part's text may begin or end inside one of them. */
  readonly tokenIds: readonly number[];
}

/** Always last. */
export interface FinishPart {
  readonly type: 'finish';
  /** stop: an end token or a stop string; length: maxNewTokens or the context's end; aborted: by the signal. */
  readonly finishReason: FinishReason;
  /** The end token that was sampled, where that ended the answer. */
  readonly endTokenId: number | null;
  /** The stop string that ended the answer. */
  readonly stopString: string | null;
  readonly usage: GenerationUsage;
  readonly timings: GenerationTimings;
  /** All ids generated, those of a stop string included, an end token excluded: decoded they are the text before the stop string was cut. */
  readonly tokenIds: readonly number[];
}

export type GenerationPart = StartPart | TextDeltaPart | FinishPart;

export interface AnswerOptions {
  readonly sequence: Sequence;
  readonly sampler: Sampler;
  readonly decoder: TextDecoder;
  readonly endTokenIds: ReadonlySet<number>;
  readonly stopStrings: readonly string[];
  readonly inputTokens: number;
  readonly maxNewTokens: number;
  /** performance.now() when the answer was asked for. */
  readonly calledAtMs: number;
  readonly emit: (part: GenerationPart) => void;
}

export class Answer {
  private readonly filter: StopStringFilter;
  private readonly tokenIds: number[] = [];
  private reportedTokens = 0;
  private cachedInputTokens = 0;
  private endTokenId: number | null = null;
  private startedAtMs: number | undefined;
  private firstTokenAtMs: number | undefined;
  private lastTokenAtMs = 0;

  constructor(private readonly options: AnswerOptions) {
    this.filter = new StopStringFilter(options.stopStrings);
  }

  get started(): boolean {
    return this.startedAtMs !== undefined;
  }

  start(cachedInputTokens: number): void {
    this.startedAtMs = performance.now();
    this.cachedInputTokens = cachedInputTokens;
    this.options.emit({ type: 'start', inputTokens: this.options.inputTokens, cachedInputTokens });
  }

  /** Samples from a row of logits. Returns the token to continue with, or undefined where the answer ends. */
  next(logits: Float32Array): number | undefined {
    const { sampler, sequence, decoder, endTokenIds, maxNewTokens } = this.options;
    const token = sampler.sample(logits, sequence.history.view());
    this.lastTokenAtMs = performance.now();
    this.firstTokenAtMs ??= this.lastTokenAtMs;
    if (endTokenIds.has(token)) {
      this.endTokenId = token;
      return undefined;
    }
    this.tokenIds.push(token);
    this.emitText(this.filter.push(decoder.push(token)));
    const ended = this.filter.stoppedBy !== undefined || this.tokenIds.length >= maxNewTokens;
    return ended ? undefined : token;
  }

  /** Gives out what the decoder and the stop strings held back, then the report. */
  finish(aborted = false): void {
    this.emitText(this.filter.push(this.options.decoder.flush()));
    this.emitText(this.filter.flush());
    const stopString = this.filter.stoppedBy ?? null;
    const stopped = this.endTokenId !== null || stopString !== null;
    this.options.emit({
      type: 'finish',
      finishReason: aborted ? 'aborted' : stopped ? 'stop' : 'length',
      endTokenId: this.endTokenId,
      stopString,
      usage: {
        inputTokens: this.options.inputTokens,
        cachedInputTokens: this.cachedInputTokens,
        outputTokens: this.tokenIds.length,
      },
      timings: this.timings(),
      tokenIds: this.tokenIds,
    });
  }

  private emitText(text: string): void {
    if (text === '') return;
    this.options.emit({ type: 'text-delta', text, tokenIds: this.tokenIds.slice(this.reportedTokens) });
    this.reportedTokens = this.tokenIds.length;
  }

  private timings(): GenerationTimings {
    const { calledAtMs, inputTokens } = this.options;
    const now = performance.now();
    const startedAtMs = this.startedAtMs ?? now;
    const firstMs = this.firstTokenAtMs;
    const steps = this.tokenIds.length + (this.endTokenId === null ? 0 : 1);
    return {
      queueMs: startedAtMs - calledAtMs,
      timeToFirstTokenMs: firstMs === undefined ? null : firstMs - calledAtMs,
      totalMs: now - calledAtMs,
      prefillTokensPerSecond:
        firstMs === undefined ? null : perSecond(inputTokens - this.cachedInputTokens, firstMs - startedAtMs),
      decodeTokensPerSecond:
        firstMs === undefined || steps < 2 ? null : perSecond(steps - 1, this.lastTokenAtMs - firstMs),
    };
  }
}

function perSecond(count: number, durationMs: number): number | null {
  return durationMs > 0 ? (1000 * count) / durationMs : null;
}
