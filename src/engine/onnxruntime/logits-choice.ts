/** Which rows of logits a graph computes, and the input, where it has one, that says so. It reads no logits. */
import { LOGITS_FIRST_ROW, type DecoderIo } from './decoder-io.js';
import type { RunBinding } from './run-binding.js';

export class LogitsChoice {
  readonly #io: DecoderIo;
  /** int64 [1]; an ArrayBuffer of its own never moves. */
  readonly #value = new BigInt64Array(new ArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT));

  constructor(io: DecoderIo) {
    this.#io = io;
  }

  /** Binds the input for a run of `tokens` tokens a sequence; returns how many rows of logits each sequence gets. */
  bind(binding: RunBinding, tokens: number, wantedRows: number): number {
    const { logitsRows, logitsCount } = this.#io;
    const rows = { all: tokens, last: 1, chosen: Math.max(1, wantedRows) }[logitsRows];
    if (logitsRows === 'chosen') {
      this.#value[0] = BigInt(logitsCount === undefined ? tokens - rows : rows);
      if (logitsCount === undefined) binding.bindInput(LOGITS_FIRST_ROW, this.#value, [1]);
      else binding.bindInput(logitsCount.name, this.#value, logitsCount.dims);
    }
    return rows;
  }
}
