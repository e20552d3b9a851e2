/**
 * The bookkeeping of one conversation: its tokens, and the slot that holds the KV cache of a prefix of them.
 * It neither runs the model nor decides who gets a slot: the scheduler does.
 */
import type { Slot } from '../engine/engine.js';
import { TokenBuffer } from './token-buffer.js';

/** Who gave the sequence out; frees what it holds. */
export interface SequenceOwner {
  /** Aborts what runs on the sequence, waits for it, and frees its slot. */
  release(sequence: Sequence): Promise<void>;
}

/**
 * Made by Scheduler.createSequence(). Costs nothing native until it runs; once idle it may lose its slot to
 * another sequence, and then its next generation prefills from the start.
 * Invariant outside a forward: a ready slot holds exactly history[0, slot.length).
 */
export class Sequence implements AsyncDisposable {
  /** @internal Prompt and output so far. */
  readonly history = new TokenBuffer();
  /** @internal The scheduler's: the KV cache, while this sequence has one. */
  slot: Slot | undefined;
  /** @internal The rope regime that the slot's content was computed in. */
  ropeRegime = 0;
  private disposal: Promise<void> | undefined;

  /** @internal */
  constructor(readonly owner: SequenceOwner) {}

  /**
   * Tokens of the last prompt and of the answer to it, as far as the model has read them: the token that ended an
   * answer is not among them. After an abort the last ones may be unread.
   */
  get length(): number {
    return this.history.length;
  }

  /** Tokens whose KV is cached: what the next prompt can reuse at most. 0 after an eviction. */
  get cachedLength(): number {
    return this.slot?.state === 'ready' ? this.slot.length : 0;
  }

  /** A copy of the tokens that `length` counts. */
  get tokens(): Int32Array {
    return this.history.view().slice();
  }

  get disposed(): boolean {
    return this.disposal !== undefined;
  }

  /** Aborts a generation in progress (it fails with DISPOSED) and frees the slot. May be called again. */
  dispose(): Promise<void> {
    this.disposal ??= this.owner.release(this);
    return this.disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
