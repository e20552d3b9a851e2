/**
 * What a slot's KV cache is still good for: how much of it a new prompt can reuse, when it must be computed
 * anew, and how many tokens the next step may append. It runs nothing but Slot.rewind() and Slot.reset().
 */
import { ropeRegime, type EngineLimits, type Slot } from '../engine/engine.js';
import { UsageError } from '../errors.js';
import type { Sequence } from './sequence.js';

/**
 * A native run takes about as long as this many more tokens in a run already under way: a run over one token
 * is bound by reading the weights. (Measured with int4 weights: 16 tokens cost 8 single ones on a CPU without
 * int8 dot products; on GPUs and NPUs the ratio is larger.)
 */
export const TOKENS_WORTH_OF_ONE_RUN = 16;

/** The sequence's slot, where the scheduler has given it one. */
export function slotOf(sequence: Sequence): Slot {
  if (sequence.slot === undefined) throw new UsageError('SLOT_LOST', 'The sequence has no slot to run on.');
  return sequence.slot;
}

/** Tokens that are known and not yet in the KV cache. */
export function pendingTokens(sequence: Sequence): number {
  return sequence.history.length - slotOf(sequence).length;
}

export function commonPrefixLength(a: Int32Array, b: Int32Array): number {
  const end = Math.min(a.length, b.length);
  let length = 0;
  while (length < end && a[length] === b[length]) length++;
  return length;
}

/** Tokens of the next step, over `cached` tokens with `pending` ones to come; `maxStepTokens` is the caller's own limit. */
export function stepTokens(limits: EngineLimits, cached: number, pending: number, maxStepTokens = Infinity): number {
  if (cached > 0) return Math.min(pending, limits.maxAppendTokens, limits.prefillChunkTokens, maxStepTokens);
  // Prompts go in by chunks, so that other sequences can run in between; but where appending is restricted, only
  // the first step can carry many tokens, and it carries all that it may.
  const appendable = limits.maxAppendTokens >= limits.prefillChunkTokens;
  const wanted = Math.min(maxStepTokens, appendable ? limits.firstChunkTokens : Infinity);
  return Math.min(pending, limits.maxPromptTokens, Math.max(wanted, limits.minFirstTokens));
}

/** Estimated cost, in tokens, of bringing a slot from `cached` to `total` tokens. */
function cost(limits: EngineLimits, cached: number, total: number): number {
  const first = cached === 0 ? Math.min(total, limits.maxPromptTokens) : 0;
  const appended = total - cached - first;
  const afterFirstRun = Math.max(0, first - limits.firstChunkTokens);
  const runs =
    Math.min(first, 1) +
    Math.ceil(afterFirstRun / limits.prefillChunkTokens) +
    Math.ceil(appended / Math.min(limits.maxAppendTokens, limits.prefillChunkTokens));
  return first + appended + TOKENS_WORTH_OF_ONE_RUN * runs;
}

/**
 * How many of the `common` leading tokens to keep for a prompt of `total` tokens: all of them but the last
 * token of the prompt (its logits are needed), or none where appending the rest in the small steps that the
 * engine allows would take longer than prefilling everything.
 */
export function reusableTokens(limits: EngineLimits, common: number, total: number): number {
  const keep = Math.min(common, total - 1);
  return keep > 0 && cost(limits, keep, total) <= cost(limits, 0, total) ? keep : 0;
}

/**
 * Makes `tokens` the sequence's history, and its slot hold a prefix of them that is at least one token short.
 * Returns the length of that prefix: the tokens that need not be computed again.
 */
export async function reusePrefix(sequence: Sequence, tokens: Int32Array, limits: EngineLimits): Promise<number> {
  const slot = slotOf(sequence);
  const common = commonPrefixLength(sequence.history.view(0, sequence.cachedLength), tokens);
  const keep = reusableTokens(limits, common, tokens.length);
  const kept = keep > 0 && (keep === slot.length || slot.rewind(keep));
  if (!kept && (slot.occupied > 0 || slot.state !== 'ready')) await slot.reset();
  sequence.history.replace(tokens);
  await emptyUnlessContinuable(sequence, limits);
  return slot.length;
}

/**
 * Empties the slot where its content cannot be continued up to the history's length: the length is in another
 * rope regime, or positions that a masked rewind left occupied take the room. Then the whole history is pending.
 */
export async function emptyUnlessContinuable(sequence: Sequence, limits: EngineLimits): Promise<void> {
  const slot = slotOf(sequence);
  const regime = ropeRegime(limits, sequence.history.length);
  const fits = slot.occupied + pendingTokens(sequence) <= slot.capacityTokens;
  if ((slot.length > 0 && regime !== sequence.ropeRegime) || !fits) await slot.reset();
  if (slot.length === 0) sequence.ropeRegime = regime;
}
