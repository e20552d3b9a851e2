/**
 * One piece of work on one sequence, as the scheduler sees it: what to compute, whom to tell, how it ended.
 * It does not choose when it runs.
 */
import type { EngineLimits, Step } from '../engine/engine.js';
import { pendingTokens, slotOf, stepTokens } from './prefix.js';
import type { Sequence } from './sequence.js';

/** What a client of the scheduler wants. A callback that throws fails this task alone. */
export interface Task {
  readonly sequence: Sequence;
  /** What the sequence shall hold, from position 0. Not empty, at most contextTokens; the caller leaves it unchanged. */
  readonly tokens: Int32Array;
  /** 'last': the row after the last known token; 'all': one row for each token computed. */
  readonly logits: 'last' | 'all';
  /** Most tokens in one step. Default: the engine's limits. */
  readonly maxStepTokens?: number;
  readonly signal?: AbortSignal;
  /** The sequence has its slot; the first `cachedTokens` need not be computed. */
  onStart?(cachedTokens: number): void;
  /**
   * f32 rows, the engine's memory: to be read before this returns or its promise resolves (no forward runs until
   * then). The first row follows the token at `position`. Once all known tokens are in: the next token, or undefined
   * to end the task.
   */
  onLogits(rows: Float32Array, position: number): number | undefined | Promise<undefined>;
}

/** Wrapped, for anything can be thrown. */
export interface Failure {
  readonly error: unknown;
}

export class Run {
  /** Settles when the sequence is free again. */
  readonly done: Promise<void>;
  /** The scheduler's count of steps when this run last had one. */
  lastTurn = 0;
  /** Set when the run shall end as soon as nobody works on it. */
  cancellation: Failure | undefined;
  private resolve: () => void = () => undefined;
  private reject: (error: unknown) => void = () => undefined;

  constructor(readonly task: Task) {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  get sequence(): Sequence {
    return this.task.sequence;
  }

  /** One token over a past: such steps share a forward. */
  get decodes(): boolean {
    return slotOf(this.sequence).length > 0 && pendingTokens(this.sequence) === 1;
  }

  /** `othersDecode`: whether others wait for their next token meanwhile, so that a prompt must not go in one long run. */
  nextStep(limits: EngineLimits, othersDecode: boolean): Step {
    const { history } = this.sequence;
    const slot = slotOf(this.sequence);
    const pending = pendingTokens(this.sequence);
    const inShortRuns = { ...limits, firstChunkTokens: limits.prefillChunkTokens };
    const count = stepTokens(othersDecode ? inShortRuns : limits, slot.length, pending, this.task.maxStepTokens);
    const tokens = history.view(slot.length, slot.length + count);
    return { slot, tokens, finalLength: history.length, logits: this.rowsOf(count, count === pending) };
  }

  /** Settles `done`; only the first call counts. */
  settle(failure?: Failure): void {
    if (failure === undefined) this.resolve();
    else this.reject(failure.error);
  }

  private rowsOf(stepLength: number, completes: boolean): Step['logits'] {
    if (this.task.logits === 'all') return stepLength === 1 ? 'last' : 'all';
    return completes ? 'last' : 'none';
  }
}
