/**
 * Shares one engine among sequences: who holds a slot, whose turn it is, one forward at a time.
 * Continuous batching: sequences that decode share a forward; the prompt chunks of those that join alternate with
 * it, so that neither starves the other. It does not sample, decode text or know when an answer ends: tasks do.
 */
import { setImmediate as nextTurnOfTheEventLoop } from 'node:timers/promises';
import type { Engine, StepLogits } from '../engine/engine.js';
import { OptionError, UsageError } from '../errors.js';
import { emptyUnlessContinuable, pendingTokens, reusePrefix, slotOf } from './prefix.js';
import { Run, type Failure, type Task } from './run.js';
import { Sequence, type SequenceOwner } from './sequence.js';
import { SlotPool } from './slot-pool.js';

export class Scheduler implements AsyncDisposable, SequenceOwner {
  private readonly slots: SlotPool;
  /** First come, first served. */
  private readonly waiting: Run[] = [];
  /** Those that hold a slot and run, in the order of admission. */
  private readonly active = new Set<Run>();
  private readonly runs = new Map<Sequence, Run>();
  /** The runs that the loop works on at this moment: only it may end them. */
  private inHand: readonly Run[] = [];
  private abortInHand = new AbortController();
  private turns = 0;
  private prefilledLast = false;
  private woken = false;
  private looping: Promise<void> | undefined;
  private disposal: Promise<void> | undefined;

  /** The engine stays the caller's; while the scheduler lives, nobody else may call its forward(). */
  constructor(readonly engine: Engine) {
    this.slots = new SlotPool(engine);
  }

  /** Tokens whose keys and values are cached, of all sequences that hold a slot. */
  get cachedTokens(): number {
    return this.slots.cachedTokens;
  }

  /** Throws DISPOSED. */
  createSequence(): Sequence {
    this.refuseIfDisposed();
    return new Sequence(this);
  }

  /**
   * Runs a task to its end, as soon as its sequence can have a slot. Rejects with the reason of task.signal, with
   * BUSY (the sequence runs already), DISPOSED, or what the engine or one of the task's callbacks threw; then
   * the sequence is consistent and can run again.
   */
  async run(task: Task): Promise<void> {
    const { sequence, signal } = task;
    this.refuseIfDisposed();
    if (sequence.owner !== this) {
      throw new OptionError('INPUT_INVALID', 'The sequence belongs to another scheduler: create it with this one.');
    }
    if (sequence.disposed) throw disposed('The sequence');
    if (this.runs.has(sequence)) {
      throw new UsageError('BUSY', 'The sequence is generating already: wait for it, or use another sequence.');
    }
    signal?.throwIfAborted();
    const run = new Run(task);
    const cancel = () => this.cancel(run, signal?.reason);
    signal?.addEventListener('abort', cancel, { once: true });
    this.runs.set(sequence, run);
    this.waiting.push(run);
    this.wake();
    try {
      await run.done;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Sequence.dispose() calls it. */
  async release(sequence: Sequence): Promise<void> {
    const run = this.runs.get(sequence);
    if (run !== undefined) {
      this.cancel(run, disposed('The sequence'));
      await Promise.allSettled([run.done]);
    }
    await this.slots.release(sequence);
    this.wake();
  }

  /** Ends what runs and what waits (both fail with DISPOSED) and frees all slots. May be called again. */
  dispose(): Promise<void> {
    this.disposal ??= this.shutDown();
    return this.disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  private async shutDown(): Promise<void> {
    for (const run of [...this.runs.values()]) this.cancel(run, disposed('The scheduler'));
    await this.looping;
    await this.slots.releaseAll();
  }

  private wake(): void {
    this.woken = true;
    this.looping ??= this.loop();
  }

  private async loop(): Promise<void> {
    while (this.woken || this.active.size > 0) {
      this.woken = false;
      await this.admitWaiting();
      const batch = this.nextBatch();
      if (batch.length > 0) await this.withInHand(batch, () => this.forward(batch));
      await nextTurnOfTheEventLoop(); // timers and sockets get theirs even if the engine answers at once
    }
    this.looping = undefined;
  }

  /** Gives slots to those who wait, in their order, until one has to wait on. */
  private async admitWaiting(): Promise<void> {
    for (let run = this.waiting[0]; run !== undefined; run = this.waiting[0]) {
      const first = run;
      await this.withInHand([first], () => this.admit(first));
      if (this.waiting[0] === first) return;
    }
  }

  private async admit(run: Run): Promise<void> {
    const { sequence, task } = run;
    try {
      if (!(await this.slots.acquire(sequence, (other) => this.isActive(other)))) return;
      const cachedTokens = await reusePrefix(sequence, task.tokens, this.engine.limits);
      if (run.cancellation !== undefined) return;
      this.waiting.shift();
      this.active.add(run);
      task.onStart?.(cachedTokens);
    } catch (error) {
      this.end(run, { error });
    }
  }

  /** The runs of the next forward: decode steps together, a prefill step alone, in turns where there are both. */
  private nextBatch(): readonly Run[] {
    const decoding: Run[] = [];
    let prefilling: Run | undefined;
    for (const run of this.active) {
      if (run.decodes) decoding.push(run);
      else prefilling ??= run;
    }
    this.prefilledLast = prefilling !== undefined && !(this.prefilledLast && decoding.length > 0);
    if (prefilling !== undefined && this.prefilledLast) return [prefilling];
    return decoding.sort((a, b) => a.lastTurn - b.lastTurn).slice(0, this.engine.limits.maxBatch);
  }

  private async forward(batch: readonly Run[]): Promise<void> {
    try {
      const othersDecode = [...this.active].some((run) => run.decodes && !batch.includes(run));
      const steps = batch.map((run) => run.nextStep(this.engine.limits, othersDecode));
      const results = await this.engine.forward(steps, this.abortInHand.signal);
      for (const [index, run] of batch.entries()) await this.deliver(run, results[index]); // before any other forward
    } catch (error) {
      for (const run of batch) this.end(run, run.cancellation ?? { error });
    }
    for (const run of batch) if (this.active.has(run)) await this.prepareNextStep(run);
  }

  private async prepareNextStep(run: Run): Promise<void> {
    try {
      await emptyUnlessContinuable(run.sequence, this.engine.limits);
    } catch (error) {
      this.end(run, { error });
    }
  }

  private async deliver(run: Run, logits: StepLogits | undefined): Promise<void> {
    run.lastTurn = ++this.turns; // in the batch's order: a tie would favour the first for ever
    if (run.cancellation !== undefined || logits === undefined || logits.rows === 0) return;
    const { sequence, task } = run;
    try {
      const next = await task.onLogits(logits.data, slotOf(sequence).length - logits.rows);
      if (pendingTokens(sequence) > 0) return;
      if (next === undefined) this.end(run);
      else sequence.history.push(next);
    } catch (error) {
      this.end(run, { error });
    }
  }

  /** The loop's work on these runs, in which it alone may end them; those cancelled meanwhile end after it. */
  private async withInHand(runs: readonly Run[], work: () => Promise<void>): Promise<void> {
    this.inHand = runs;
    this.abortInHand = new AbortController();
    await work();
    this.inHand = [];
    for (const run of runs) if (run.cancellation !== undefined) this.end(run, run.cancellation);
  }

  /** A forward is aborted only when nobody needs it any more; else a cancelled run leaves after it. */
  private cancel(run: Run, error: unknown): void {
    run.cancellation ??= { error };
    if (!this.inHand.includes(run)) this.end(run, run.cancellation);
    else if (this.inHand.every((other) => other.cancellation !== undefined)) this.abortInHand.abort(error);
  }

  private end(run: Run, failure?: Failure): void {
    if (this.runs.get(run.sequence) !== run) return;
    this.runs.delete(run.sequence);
    this.active.delete(run);
    const place = this.waiting.indexOf(run);
    if (place >= 0) this.waiting.splice(place, 1);
    this.slots.touch(run.sequence);
    run.settle(failure);
    this.wake();
  }

  private isActive(sequence: Sequence): boolean {
    const run = this.runs.get(sequence);
    return run !== undefined && this.active.has(run);
  }

  private refuseIfDisposed(): void {
    if (this.disposal !== undefined) throw disposed('The scheduler');
  }
}

function disposed(what: string): UsageError {
  return new UsageError('DISPOSED', `${what} was disposed: create a new one.`);
}
