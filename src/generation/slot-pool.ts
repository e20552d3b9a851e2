/**
 * Which sequence holds which of the engine's slots: opening, evicting the least recently used, freeing.
 * It does not know what runs; the scheduler tells it who is in use, and calls acquire() one at a time.
 */
import type { Engine } from '../engine/engine.js';
import { ResourceError } from '../errors.js';
import type { Sequence } from './sequence.js';

export class SlotPool {
  /** Least recently used first. */
  private readonly holders = new Set<Sequence>();
  private closing = 0;
  /** Slots to open at most: maxSlots, or fewer while the engine has no room for more. */
  private openLimit: number;

  constructor(private readonly engine: Engine) {
    this.openLimit = engine.limits.maxSlots;
  }

  /**
   * Gives the sequence a slot: its own, a new one, or that of the least recently used sequence not in use.
   * False: all are in use or closing; ask again when one is free. Throws what the engine throws, and
   * SLOTS_EXHAUSTED or MEMORY_INSUFFICIENT only where no slot could be waited for.
   */
  async acquire(sequence: Sequence, inUse: (other: Sequence) => boolean): Promise<boolean> {
    if (sequence.slot !== undefined) return true;
    if (this.held < this.openLimit && (await this.open(sequence))) return true;
    for (const victim of this.holders) {
      if (!inUse(victim)) {
        this.transfer(victim, sequence);
        return true;
      }
    }
    return false;
  }

  /** Marks the sequence as the most recently used. */
  touch(sequence: Sequence): void {
    if (this.holders.delete(sequence)) this.holders.add(sequence);
  }

  /** Frees the sequence's slot, if it has one. */
  async release(sequence: Sequence): Promise<void> {
    const slot = sequence.slot;
    if (slot === undefined) return;
    sequence.slot = undefined;
    this.holders.delete(sequence);
    this.closing++;
    try {
      await slot.dispose();
    } finally {
      this.closing--;
      this.openLimit = this.engine.limits.maxSlots;
    }
  }

  async releaseAll(): Promise<void> {
    await Promise.all([...this.holders].map((sequence) => this.release(sequence)));
  }

  /** Of all holders together. */
  get cachedTokens(): number {
    return [...this.holders].reduce((sum, { slot }) => sum + (slot?.length ?? 0), 0);
  }

  private get held(): number {
    return this.holders.size + this.closing;
  }

  private async open(sequence: Sequence): Promise<boolean> {
    try {
      sequence.slot = await this.engine.openSlot({ capacityTokens: this.engine.limits.contextTokens });
      this.holders.add(sequence);
      return true;
    } catch (error) {
      if (!(error instanceof ResourceError) || this.held === 0) throw error;
      this.openLimit = this.held; // make do with those there are, until one is freed
      return false;
    }
  }

  /** The memory stays as it is, and whose tokens are in it is forgotten: both sequences will prefill. */
  private transfer(victim: Sequence, sequence: Sequence): void {
    sequence.slot = victim.slot;
    sequence.history.clear();
    this.holders.add(sequence);
    victim.slot = undefined;
    this.holders.delete(victim);
  }
}
