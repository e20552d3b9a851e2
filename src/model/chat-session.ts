/**
 * A conversation: its messages, one answer at a time, the KV cache kept between turns.
 * It does not render or run anything itself.
 */
import type { ChatMessage } from '../chat/message.js';
import { UsageError } from '../errors.js';
import { refuseUnknownKeys } from '../options.js';
import type { GenerationStream } from './generation-stream.js';
import type { GenerateOptions, GenerateResult } from './result.js';

export interface ChatOptions {
  /** The system message. */
  readonly system?: string;
  /** A conversation to go on with; after the system message. */
  readonly messages?: readonly ChatMessage[];
}

/** What a chat needs of its model. */
export interface ChatBackend {
  stream(messages: readonly ChatMessage[], options: GenerateOptions): GenerationStream;
  dispose(): Promise<void>;
}

export class ChatSession implements AsyncDisposable {
  readonly #backend: ChatBackend;
  #messages: readonly ChatMessage[];
  #running = false;
  #disposed = false;

  constructor(options: ChatOptions, backend: ChatBackend) {
    refuseUnknownKeys('createChat', options, ['system', 'messages']);
    this.#backend = backend;
    const system: ChatMessage[] = options.system === undefined ? [] : [{ role: 'system', content: options.system }];
    this.#messages = [...system, ...(options.messages ?? [])];
  }

  /** The conversation so far. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /** One turn, whole. */
  async send(content: string, options: GenerateOptions = {}): Promise<GenerateResult> {
    return this.stream(content, options).result;
  }

  /**
   * One turn, streamed. The user's message and the answer (whole, or cut short by an abort) join the conversation
   * when the answer ends; a turn that fails leaves it as it was. Throws BUSY while an answer is running.
   */
  stream(content: string, options: GenerateOptions = {}): GenerationStream {
    if (this.#disposed) throw new UsageError('DISPOSED', 'This chat has been disposed; create a new one.');
    if (this.#running) {
      throw new UsageError('BUSY', 'This chat is answering already: wait for the result, or abort it.');
    }
    const turn: readonly ChatMessage[] = [...this.#messages, { role: 'user', content }];
    const stream = this.#backend.stream(turn, options);
    this.#running = true;
    stream.result.then(
      (result) => {
        this.#messages = [...turn, { role: 'assistant', content: result.text }];
        this.#running = false;
      },
      () => {
        this.#running = false; // the consumer gets the error from the stream or the result
      },
    );
    return stream;
  }

  /** Frees the KV cache. Twice is harmless. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#backend.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
