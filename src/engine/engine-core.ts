/**
 * The part of an engine that is the same for every runtime: life cycle, checking of steps, splitting into native
 * runs, committing or rolling back, aborting. A runtime implements EngineBackend; createEngine() makes an Engine of it.
 * It knows no runtime and holds no native memory.
 */
import { EngineError, OptionError, ResourceError, UsageError } from '../errors.js';
import { checkNumber, refuseUnknownKeys } from '../options.js';
import {
  ropeRegime,
  type Engine,
  type EngineInfo,
  type EngineLimits,
  type Slot,
  type SlotState,
  type Step,
  type StepLogits,
  type Transfers,
} from './engine.js';
import { requireMemory } from './memory.js';
import { planRuns, type PlannedStep } from './run-plan.js';

/** The runtime's side of a slot: where the keys and values of one sequence are. */
export interface SlotCache {
  /** Positions taken; more than the slot's length after a masked rewind. */
  readonly occupied: number;
  /** Drops what was written from position `length` on. False: not possible, the sequence must be cleared. */
  truncate(length: number): boolean;
  clear(): Promise<void>;
  dispose(): Promise<void>;
}

/** One sequence's share of a native run. */
export interface RunSequence<C extends SlotCache> {
  readonly cache: C;
  /** Valid tokens before this run. */
  readonly pastTokens: number;
  readonly tokens: Int32Array;
  /** f32 [rows, vocabulary]: the backend writes the logits of the last `rows` tokens here. Often empty. */
  readonly logits: Float32Array;
  readonly logitsRows: number;
  /** The length that decides the rope regime; equal regimes within one run. */
  readonly finalLength: number;
}

/** What a runtime has to provide. The core calls run() once at a time and never after dispose(). */
export interface EngineBackend<C extends SlotCache> {
  readonly info: EngineInfo;
  readonly limits: EngineLimits;
  readonly transfers?: Transfers | undefined;
  openCache(capacityTokens: number): Promise<C>;
  /** One native run: one sequence of any number of tokens, or several of one token each. */
  run(sequences: readonly RunSequence<C>[]): Promise<void>;
  /** Asks the run in flight to stop soon (it then rejects); harmless when there is none. */
  interrupt(): void;
  dispose(): Promise<void>;
}

class CoreSlot<C extends SlotCache> implements Slot {
  state: SlotState = 'ready';
  length = 0;
  /** The rope regime of the tokens held; undefined while empty. */
  regime: number | undefined;
  readonly capacityTokens: number;
  readonly cache: C;
  readonly #core: EngineCore<C>;

  constructor(core: EngineCore<C>, cache: C, capacityTokens: number) {
    this.#core = core;
    this.cache = cache;
    this.capacityTokens = capacityTokens;
  }

  get occupied(): number {
    return this.state === 'disposed' ? 0 : this.cache.occupied;
  }

  belongsTo(core: EngineCore<C>): boolean {
    return this.#core === core;
  }

  rewind(length: number): boolean {
    this.#refuseUnlessIdle('rewind');
    if (this.state === 'lost') return false;
    checkNumber('rewind', 'length', length, { min: 0, max: this.length, integer: true });
    if (length === this.length) return true;
    if (length > 0 && ropeRegime(this.#core.limits, length) !== this.regime) return false;
    if (!this.cache.truncate(length)) return false;
    this.length = length;
    if (length === 0) this.regime = undefined;
    return true;
  }

  async reset(): Promise<void> {
    this.#refuseUnlessIdle('reset');
    this.length = 0;
    this.regime = undefined;
    await this.cache.clear();
    this.state = 'ready';
  }

  async dispose(): Promise<void> {
    if (this.state === 'disposed') return;
    await this.#core.idle();
    await this.#core.closeSlot(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #refuseUnlessIdle(action: string): void {
    if (this.state === 'disposed') throw new UsageError('DISPOSED', `${action}: this slot was disposed.`);
    if (this.state === 'running') {
      throw new UsageError('BUSY', `${action}: the slot is in a forward(); wait for it, or abort it first.`);
    }
  }
}

class EngineCore<C extends SlotCache> implements Engine {
  readonly #backend: EngineBackend<C>;
  readonly #slots = new Set<CoreSlot<C>>();
  readonly #opening = new Set<Promise<unknown>>();
  #running: Promise<unknown> | undefined;
  #disposal: Promise<void> | undefined;
  /** Reused from one forward to the next: StepLogits are views into it. */
  #logits = new Float32Array(0);

  constructor(backend: EngineBackend<C>) {
    this.#backend = backend;
  }

  get info(): EngineInfo {
    return this.#backend.info;
  }

  get limits(): EngineLimits {
    return this.#backend.limits;
  }

  get transfers(): Transfers | undefined {
    const counted = this.#backend.transfers;
    if (counted === undefined) return undefined;
    const { runs, toDeviceBytes, toHostBytes } = counted;
    return { runs, toDeviceBytes, toHostBytes };
  }

  async openSlot(options: { readonly capacityTokens: number }): Promise<Slot> {
    this.#refuseIfDisposed('openSlot');
    refuseUnknownKeys('openSlot', options, ['capacityTokens']);
    const { contextTokens, maxSlots } = this.limits;
    const capacityTokens = checkNumber('openSlot', 'capacityTokens', options.capacityTokens, {
      min: 1,
      max: contextTokens,
      integer: true,
    });
    if (this.#slots.size + this.#opening.size >= maxSlots) {
      throw new ResourceError(
        'SLOTS_EXHAUSTED',
        `openSlot: all ${maxSlots} slots of this engine are in use. Dispose one, or load the model with more slots.`,
        { details: { maxSlots } },
      );
    }
    const opening = this.#backend.openCache(capacityTokens).then((cache) => {
      const slot = new CoreSlot(this, cache, capacityTokens);
      this.#slots.add(slot);
      return slot;
    });
    this.#opening.add(opening);
    try {
      const slot = await opening;
      this.#refuseIfDisposed('openSlot');
      return slot;
    } finally {
      this.#opening.delete(opening);
    }
  }

  async forward(steps: readonly Step[], signal?: AbortSignal): Promise<readonly StepLogits[]> {
    this.#refuseIfDisposed('forward');
    if (this.#running !== undefined) {
      throw new UsageError('BUSY', 'forward: another forward() of this engine is running; one at a time.');
    }
    signal?.throwIfAborted();
    const planned = this.#check(steps);
    if (planned.length === 0) return [];
    const running = this.#run(planned, signal);
    const settled = running.catch(() => undefined);
    this.#running = settled;
    try {
      return await running;
    } finally {
      this.#running = undefined;
    }
  }

  /** Resolves when no forward is in flight. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async closeSlot(slot: CoreSlot<C>): Promise<void> {
    if (!this.#slots.delete(slot)) return;
    slot.state = 'disposed';
    slot.length = 0;
    await slot.cache.dispose();
  }

  dispose(): Promise<void> {
    this.#disposal ??= (async () => {
      this.#backend.interrupt();
      await this.idle();
      await Promise.allSettled(this.#opening);
      await Promise.all([...this.#slots].map((slot) => this.closeSlot(slot)));
      this.#logits = new Float32Array(0);
      await this.#backend.dispose();
    })();
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #refuseIfDisposed(where: string): void {
    if (this.#disposal !== undefined) throw new UsageError('DISPOSED', `${where}: this engine was disposed.`);
  }

  #check(steps: readonly Step[]): PlannedStep<CoreSlot<C>>[] {
    const seen = new Set<Slot>();
    return steps.map((step, index) => {
      const { slot } = step;
      const where = `forward: step ${index}`;
      if (!(slot instanceof CoreSlot) || !slot.belongsTo(this as never)) {
        throw new OptionError('OPTION_INVALID', `${where}: its slot belongs to another engine.`);
      }
      if (seen.has(slot)) {
        throw new OptionError('OPTION_INVALID', `${where}: its slot is in an earlier step too; join their tokens.`);
      }
      seen.add(slot);
      if (slot.state === 'disposed') throw new UsageError('DISPOSED', `${where}: its slot was disposed.`);
      if (slot.state === 'lost') {
        throw new EngineError('SLOT_LOST', `${where}: its slot lost its contents; reset() it and prefill again.`);
      }
      return planStep(where, step, slot as CoreSlot<C>, this.limits, this.info.vocabularySize);
    });
  }

  #reserveLogits(count: number): void {
    if (this.#logits.length >= count) return;
    requireMemory(
      `Keeping ${count / this.info.vocabularySize} rows of logits`,
      count * Float32Array.BYTES_PER_ELEMENT,
      'Ask for fewer rows in one forward.',
    );
    this.#logits = new Float32Array(count);
  }

  async #run(steps: readonly PlannedStep<CoreSlot<C>>[], signal: AbortSignal | undefined): Promise<StepLogits[]> {
    const { vocabularySize } = this.info;
    const rows = steps.reduce((sum, step) => sum + step.logitsRows, 0);
    this.#reserveLogits(rows * vocabularySize);
    let firstRow = 0;
    const results = steps.map((step) => {
      const data = this.#logits.subarray(firstRow * vocabularySize, (firstRow + step.logitsRows) * vocabularySize);
      firstRow += step.logitsRows;
      return { rows: step.logitsRows, data };
    });
    const interrupt = (): void => this.#backend.interrupt();
    for (const { slot } of steps) slot.state = 'running';
    signal?.addEventListener('abort', interrupt, { once: true });
    try {
      for (const run of planRuns(steps, this.limits)) {
        await this.#backend.run(
          run.map((part) => {
            const step = steps[part.step] as PlannedStep<CoreSlot<C>>;
            return {
              cache: step.slot.cache,
              pastTokens: step.slot.length + part.from,
              tokens: step.tokens.subarray(part.from, part.to),
              logitsRows: part.logitsRows,
              logits: (results[part.step] as StepLogits).data.subarray(
                part.firstLogitsRow * vocabularySize,
                (part.firstLogitsRow + part.logitsRows) * vocabularySize,
              ),
              finalLength: step.finalLength,
            };
          }),
        );
        signal?.throwIfAborted();
        this.#refuseIfDisposed('forward');
      }
    } catch (error) {
      for (const { slot } of steps) slot.state = slot.cache.truncate(slot.length) ? 'ready' : 'lost';
      signal?.throwIfAborted();
      this.#refuseIfDisposed('forward');
      throw error;
    } finally {
      signal?.removeEventListener('abort', interrupt);
    }
    for (const step of steps) {
      step.slot.length += step.tokens.length;
      step.slot.regime = ropeRegime(this.limits, step.finalLength);
      step.slot.state = 'ready';
    }
    return results;
  }
}

/** Checks one step against the engine's limits; throws OPTION_INVALID or CONTEXT_EXCEEDED. */
function planStep<C extends SlotCache>(
  where: string,
  step: Step,
  slot: CoreSlot<C>,
  limits: EngineLimits,
  vocabularySize: number,
): PlannedStep<CoreSlot<C>> {
  const { tokens } = step;
  const isFirst = slot.length === 0;
  const roomTokens = slot.capacityTokens - slot.occupied;
  if (tokens.length > roomTokens || (isFirst && tokens.length > limits.maxPromptTokens)) {
    const most = isFirst ? Math.min(roomTokens, limits.maxPromptTokens) : roomTokens;
    throw new OptionError(
      'CONTEXT_EXCEEDED',
      `${where}: ${tokens.length} tokens do not fit: the slot takes ${most} more (it holds ${slot.occupied} of ` +
        `${slot.capacityTokens}). Shorten the prompt or open a slot with a larger capacityTokens.`,
      { details: { tokens: tokens.length, roomTokens: most, capacityTokens: slot.capacityTokens } },
    );
  }
  checkNumber(where, 'tokens.length', tokens.length, {
    min: isFirst ? limits.minFirstTokens : 1,
    max: isFirst ? limits.maxPromptTokens : limits.maxAppendTokens,
    integer: true,
  });
  for (const token of tokens) {
    checkNumber(where, 'a token id', token, { min: 0, max: vocabularySize - 1, integer: true });
  }
  const newLength = slot.length + tokens.length;
  const finalLength = checkNumber(where, 'finalLength', step.finalLength, {
    min: newLength,
    max: Number.MAX_SAFE_INTEGER,
    integer: true,
  });
  if (slot.regime !== undefined && ropeRegime(limits, finalLength) !== slot.regime) {
    throw new OptionError(
      'OPTION_INVALID',
      `${where}: finalLength ${finalLength} lies across a rope boundary (${limits.ropeBoundaries.join(', ')}) from ` +
        'the tokens that the slot holds; reset() it and prefill the whole sequence.',
      { details: { finalLength, ropeBoundaries: limits.ropeBoundaries } },
    );
  }
  return { slot, tokens, finalLength, logitsRows: countLogitsRows(where, step, limits) };
}

function countLogitsRows(where: string, step: Step, limits: EngineLimits): number {
  if (step.logits === 'none') return 0;
  if (step.logits === 'last') return 1;
  const rows = step.logits === 'all' ? step.tokens.length : step.logits.last;
  return checkNumber(where, 'rows of logits', rows, {
    min: 1,
    max: limits.logits === 'last' ? 1 : step.tokens.length,
    integer: true,
  });
}

/** Makes an Engine of a runtime's backend; the engine owns the backend from then on. */
export function createEngine<C extends SlotCache>(backend: EngineBackend<C>): Engine {
  return new EngineCore(backend);
}
