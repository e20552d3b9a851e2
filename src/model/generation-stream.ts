/**
 * One running answer, as its consumers see it: text, parts, or the result alone.
 * It does not generate: it pumps the parts of a generator, which starts at once and ends when the answer does.
 */
import { UsageError } from '../errors.js';
import type { GenerateResult, StreamPart } from './result.js';

export class GenerationStream {
  /** Settles when the answer ends; rejects with the error that the streams throw, too. */
  readonly result: Promise<GenerateResult>;
  readonly #parts: StreamPart[] = [];
  readonly #stop: AbortController;
  #ended = false;
  #consumed = false;
  #wake: () => void = () => undefined;

  /** `stop` aborts the generator when a consumer leaves its loop early. */
  constructor(parts: AsyncGenerator<StreamPart, void, void>, stop: AbortController) {
    this.#stop = stop;
    this.result = this.#pump(parts);
    // Who reads a stream gets the error from there; without this an unread `result` would end the process.
    this.result.catch(() => undefined);
  }

  /** The answer's text, in pieces. Leaving the loop early stops the generation. One consumer. */
  get textStream(): AsyncIterable<string> {
    return this.#text();
  }

  /** All parts: start, text-delta..., finish. Leaving the loop early stops the generation. One consumer. */
  get fullStream(): AsyncIterable<StreamPart> {
    return this.#full();
  }

  async #pump(parts: AsyncGenerator<StreamPart, void, void>): Promise<GenerateResult> {
    let result: GenerateResult | undefined;
    try {
      for await (const part of parts) {
        this.#parts.push(part);
        if (part.type === 'finish') {
          const { type, ...rest } = part;
          result = rest;
        }
        this.#wake();
      }
    } finally {
      this.#ended = true;
      this.#wake();
    }
    if (result === undefined) throw new Error('the generator ended without a finish part');
    return result;
  }

  async *#full(): AsyncGenerator<StreamPart, void, void> {
    if (this.#consumed) {
      throw new UsageError('BUSY', 'This answer is being read already: use either textStream or fullStream, once.');
    }
    this.#consumed = true;
    let finished = false;
    try {
      while (true) {
        const part = this.#parts.shift();
        if (part !== undefined) yield part;
        else if (this.#ended) break;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      await this.result; // rethrows what ended the generator
      finished = true;
    } finally {
      if (!finished && !this.#ended) this.#stop.abort(new DOMException('The consumer left the stream.', 'AbortError'));
    }
  }

  async *#text(): AsyncGenerator<string, void, void> {
    for await (const part of this.#full()) {
      if (part.type === 'text-delta') yield part.text;
    }
  }
}
