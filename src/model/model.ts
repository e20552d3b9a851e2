/**
 * A loaded model: text in, streamed text out. It joins tokenizer, chat template, sampler, scheduler and engine,
 * and owns them. It does not load files (load-model.ts) and keeps no conversation (chat-session.ts).
 */
import type { ChatTemplate } from '../chat/template.js';
import type { ChatMessage } from '../chat/message.js';
import type { Engine } from '../engine/engine.js';
import type { SearchDefaults } from '../engine/onnxruntime/genai-config.js';
import { OptionError, UsageError } from '../errors.js';
import { generate } from '../generation/generate.js';
import { scoreTokens } from '../generation/score.js';
import type { Scheduler } from '../generation/scheduler.js';
import type { Sequence } from '../generation/sequence.js';
import { ModelPublication, type ModelStatus } from '../load/publish-model.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { ChatSession, type ChatOptions } from './chat-session.js';
import { resolveGenerateOptions, type ResolvedGenerateOptions } from './generate-options.js';
import { GenerationStream } from './generation-stream.js';
import { ModelActivity } from './model-activity.js';
import { defaultMaxNewTokens, withSearchDefaults } from './search-defaults.js';
import type {
  Execution,
  GenerateOptions,
  GenerateResult,
  GenerationInput,
  ModelIdentity,
  StreamPart,
} from './result.js';
import { traceTokens, type TokenTrace, type TraceOptions } from './token-trace.js';

/** The parts that loadModel() has put together; the Model owns all of them. */
export interface ModelParts {
  readonly identity: ModelIdentity;
  /** To be said before the first answer, e.g. of the built-in test model. */
  readonly notice: string | null;
  /** As the caller asked for it: `auto`, `cpu`. */
  readonly requestedDevice: string;
  /** aipc's own id of the GPU, which the engine knows by its provider's number; null or left out: the engine's is taken. */
  readonly deviceId?: string | null;
  readonly engine: Engine;
  readonly scheduler: Scheduler;
  readonly tokenizer: Tokenizer;
  /** Null where the model has no chat template: raw prompts only. */
  readonly chatTemplate: ChatTemplate | null;
  readonly bosTokenId: number | null;
  readonly endTokenIds: ReadonlySet<number>;
  /** What the model's folder asks of an answer where the caller does not. */
  readonly search?: SearchDefaults | undefined;
  readonly loadMs: number;
  /** Where to say that `aipc top` will not see the model; null: it shall not see it. */
  readonly publish: ((problem: string) => void) | null;
}

export class Model implements AsyncDisposable {
  readonly identity: ModelIdentity;
  readonly notice: string | null;
  readonly execution: Execution;
  /** Most tokens that prompt and answer can have together. */
  readonly contextTokens: number;
  /** Wall time from the call of loadModel() to readiness. */
  readonly loadMs: number;
  readonly tokenizer: Tokenizer;
  /** Token ids go from 0 to one less. */
  readonly vocabularySize: number;
  readonly #parts: ModelParts;
  readonly #activity = new ModelActivity();
  readonly #publication: ModelPublication | null;
  #disposal: Promise<void> | null = null;

  constructor(parts: ModelParts) {
    const { info, limits } = parts.engine;
    this.#parts = parts;
    this.identity = parts.identity;
    this.notice = parts.notice;
    this.loadMs = parts.loadMs;
    this.tokenizer = parts.tokenizer;
    this.contextTokens = limits.contextTokens;
    this.vocabularySize = info.vocabularySize;
    this.execution = {
      requested: parts.requestedDevice,
      device: info.device.startsWith('gpu') ? (parts.deviceId ?? info.device) : info.device,
      deviceName: info.deviceName,
      provider: info.provider,
      runtimeVersion: info.runtimeVersion,
      activationDtype: info.activationDtype,
      kvDtype: info.kvDtype,
      emulated: info.emulated,
    };
    this.#publication = parts.publish === null ? null : new ModelPublication(() => this.#status(), parts.publish);
  }

  /** One answer, whole. Throws the errors of stream(). */
  async generate(input: GenerationInput, options: GenerateOptions = {}): Promise<GenerateResult> {
    return this.stream(input, options).result;
  }

  /**
   * One answer, streamed; generation starts at once. Answers asked for at the same time share the engine.
   * The streams throw CONTEXT_EXCEEDED, CHAT_TEMPLATE_FAILED, RUNTIME_FAILED...; wrong options are thrown here.
   */
  stream(input: GenerationInput, options: GenerateOptions = {}): GenerationStream {
    const resolved = this.#resolve(options);
    const sequence = this.#parts.scheduler.createSequence();
    const answer = this.#answer(sequence, input, resolved);
    const parts = (async function* () {
      try {
        yield* answer;
      } finally {
        await sequence.dispose();
      }
    })();
    return new GenerationStream(parts, resolved.abort);
  }

  /** A conversation that keeps its KV cache from turn to turn. Dispose it to free the cache. */
  createChat(options: ChatOptions = {}): ChatSession {
    this.#refuseIfDisposed();
    const sequence = this.#parts.scheduler.createSequence();
    return new ChatSession(options, {
      stream: (messages, generateOptions) => {
        const resolved = this.#resolve(generateOptions);
        return new GenerationStream(this.#answer(sequence, { messages }, resolved), resolved.abort);
      },
      dispose: () => sequence.dispose(),
    });
  }

  /**
   * Log-probability (natural) of each token given those before it, tokenIds.length - 1 values,
   * and the perplexity exp(-mean).
   */
  async score(
    input: { readonly tokenIds: ArrayLike<number> },
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<{ logProbabilities: Float64Array; perplexity: number }> {
    this.#refuseIfDisposed();
    return scoreTokens(this.#parts.scheduler, this.#checkedIds(input.tokenIds), options);
  }

  /**
   * Greedy tokens after a prompt with the time of each and a look at their logits, end tokens or not: what measuring and
   * comparing devices need. Throws what stream() throws, CONTEXT_EXCEEDED where all of them do not fit, or the signal's reason.
   */
  async trace(input: GenerationInput, options: TraceOptions): Promise<TokenTrace> {
    this.#refuseIfDisposed();
    const { scheduler, tokenizer } = this.#parts;
    const activity = this.#activity.begin();
    const { onLogits } = options;
    try {
      return await traceTokens(scheduler, tokenizer, await this.encodeInput(input, options.signal), {
        ...options,
        onLogits: (logits, index, tokenId) => {
          activity.produced(1);
          onLogits?.(logits, index, tokenId);
        },
      });
    } finally {
      activity.end();
    }
  }

  /** False: messages cannot be rendered, prompts can. */
  get hasChatTemplate(): boolean {
    return this.#parts.chatTemplate !== null;
  }

  /** The token ids that an input becomes, as generate() would use them. */
  async encodeInput(input: GenerationInput, signal?: AbortSignal): Promise<Int32Array> {
    const { tokenizer } = this.#parts;
    if (typeof input === 'string') return this.#encodeMessages([{ role: 'user', content: input }], signal);
    if ('messages' in input) return this.#encodeMessages(input.messages, signal);
    if ('tokenIds' in input) return this.#checkedIds(input.tokenIds);
    const ids = tokenizer.encode(input.prompt, { specialTokens: 'parse' });
    const { bosTokenId } = this.#parts;
    if (!tokenizer.prependsBos || bosTokenId === null || ids[0] === bosTokenId) return ids;
    return Int32Array.of(bosTokenId, ...ids);
  }

  /** Stops what runs, frees the native memory. Twice is harmless. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#disposeParts();
    return this.#disposal;
  }

  /** One after the other; those that are left go even where one fails, which then is what this rejects with. */
  async #disposeParts(): Promise<void> {
    const { scheduler, engine, chatTemplate } = this.#parts;
    const failures: unknown[] = [];
    for (const part of [this.#publication, scheduler, engine, chatTemplate]) {
      try {
        await part?.[Symbol.asyncDispose]();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async *#answer(
    sequence: Sequence,
    input: GenerationInput,
    options: ResolvedGenerateOptions,
  ): AsyncGenerator<StreamPart, void, void> {
    const activity = this.#activity.begin();
    try {
      for await (const part of this.#answerParts(sequence, input, options)) {
        if (part.type === 'text-delta') activity.produced(part.tokenIds.length);
        yield part;
      }
    } finally {
      activity.end();
    }
  }

  async *#answerParts(
    sequence: Sequence,
    input: GenerationInput,
    options: ResolvedGenerateOptions,
  ): AsyncGenerator<StreamPart, void, void> {
    const { scheduler, tokenizer, endTokenIds, identity, search, loadMs } = this.#parts;
    const { sampler, stopStrings, signal } = options;
    const promptTokens = await this.encodeInput(input, signal);
    const maxNewTokens = options.maxNewTokens ?? defaultMaxNewTokens(search, promptTokens.length);
    const parts = generate(scheduler, {
      sequence,
      promptTokens,
      sampler,
      decoder: tokenizer.createDecoder(),
      endTokenIds,
      stopStrings,
      ...(maxNewTokens === undefined ? {} : { maxNewTokens }),
      signal,
    });
    let text = '';
    for await (const part of parts) {
      if (part.type === 'text-delta') text += part.text;
      if (part.type !== 'finish') yield part;
      else {
        const { tokenIds, finishReason, usage, timings } = part;
        const { timeToFirstTokenMs, prefillTokensPerSecond, decodeTokensPerSecond } = timings;
        yield {
          type: 'finish',
          text,
          tokenIds,
          finishReason,
          usage,
          timings: { loadMs, timeToFirstTokenMs, prefillTokensPerSecond, decodeTokensPerSecond },
          execution: this.execution,
          model: identity,
          seed: sampler.random ? sampler.seed : null,
        };
      }
    }
  }

  async #encodeMessages(messages: readonly ChatMessage[], signal: AbortSignal | undefined): Promise<Int32Array> {
    const { chatTemplate, tokenizer } = this.#parts;
    if (chatTemplate === null) {
      throw new OptionError(
        'INPUT_INVALID',
        `${this.identity.id} has no chat template, so messages cannot be rendered. Pass { prompt } (on the command line: --raw).`,
      );
    }
    const pieces = await chatTemplate.render(messages, {
      addGenerationPrompt: true,
      ...(signal === undefined ? {} : { signal }),
    });
    return tokenizer.encodePieces(pieces);
  }

  #checkedIds(ids: ArrayLike<number>): Int32Array {
    const { vocabularySize } = this.#parts.engine.info;
    const checked = Int32Array.from(ids);
    for (const [index, id] of checked.entries()) {
      if (id !== ids[index] || id < 0 || id >= vocabularySize) {
        throw new OptionError(
          'INPUT_INVALID',
          `tokenIds[${index}] is ${String(ids[index])}; this model's ids go from 0 to ${vocabularySize - 1}.`,
          { details: { index, vocabularySize } },
        );
      }
    }
    return checked;
  }

  #status(): ModelStatus {
    const { id, weightFormat } = this.identity;
    const { device, deviceName, provider, emulated } = this.execution;
    const { state, tokensPerSecond, outputTokens } = this.#activity;
    return {
      ...{ modelId: id, weightFormat, device, deviceName, provider, emulated },
      ...{ state, tokensPerSecond, outputTokens },
      kvCacheTokens: this.#parts.scheduler.cachedTokens,
      contextTokens: this.contextTokens,
    };
  }

  #resolve(options: GenerateOptions): ResolvedGenerateOptions {
    this.#refuseIfDisposed();
    return resolveGenerateOptions(
      withSearchDefaults(options, this.#parts.search),
      this.#parts.engine.info.vocabularySize,
    );
  }

  #refuseIfDisposed(): void {
    if (this.#disposal !== null) throw new UsageError('DISPOSED', 'This model has been disposed; load it again.');
  }
}
