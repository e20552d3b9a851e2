/**
 * Splits the steps of one forward into native runs: long steps into chunks, one-token steps into batches of one rope
 * regime. Pure arithmetic over lengths and limits; it runs nothing.
 */
import { OptionError } from '../errors.js';
import { ropeRegime, type EngineLimits, type Slot } from './engine.js';

export interface PlannedStep<S extends Pick<Slot, 'length'>> {
  readonly slot: S;
  readonly tokens: Int32Array;
  readonly finalLength: number;
  /** Logits are wanted for the last so many tokens. */
  readonly logitsRows: number;
}

/** The tokens [from, to) of steps[step], which yield rows [firstLogitsRow, firstLogitsRow + logitsRows) of its logits. */
export interface RunPart {
  readonly step: number;
  readonly from: number;
  readonly to: number;
  readonly firstLogitsRow: number;
  readonly logitsRows: number;
}

/** The lengths that the regime of `length` serves, both ends included. */
export function ropeRegimeRange(
  { ropeBoundaries, contextTokens }: Pick<EngineLimits, 'ropeBoundaries' | 'contextTokens'>,
  length: number,
): { readonly shortest: number; readonly longest: number } {
  const below = ropeBoundaries.filter((boundary) => length > boundary);
  const above = ropeBoundaries.filter((boundary) => length <= boundary);
  return { shortest: 1 + Math.max(0, ...below), longest: Math.min(contextTokens, ...above) };
}

/**
 * For graphs that take the regime of a run from the run's own tokens. Throws OPTION_INVALID where that is not the one of
 * the whole sequence: keys of both would be in one cache.
 */
export function requireRegimeOfRun(
  limits: Pick<EngineLimits, 'ropeBoundaries'>,
  run: { readonly pastTokens: number; readonly tokens: Int32Array; readonly finalLength: number },
): void {
  if (ropeRegime(limits, run.pastTokens + run.tokens.length) === ropeRegime(limits, run.finalLength)) return;
  throw new OptionError(
    'OPTION_INVALID',
    `This model changes its rope factors at ${limits.ropeBoundaries.join(', ')} tokens: give a prompt of ` +
      `${run.finalLength} tokens in one step.`,
    { details: { finalLength: run.finalLength, ropeBoundaries: limits.ropeBoundaries } },
  );
}

/**
 * Each run is a list of parts: one part of any length, or several of one token each (batched decode).
 * The first tokens of an empty slot never go into a batch.
 */
export function planRuns(
  steps: readonly PlannedStep<Pick<Slot, 'length'>>[],
  limits: Pick<EngineLimits, 'ropeBoundaries' | 'maxBatch' | 'prefillChunkTokens' | 'firstChunkTokens'>,
): RunPart[][] {
  const runs: RunPart[][] = [];
  const openBatches = new Map<number, RunPart[]>(); // by rope regime
  for (const [index, step] of steps.entries()) {
    const count = step.tokens.length;
    if (count === 1 && step.slot.length > 0) {
      const regime = ropeRegime(limits, step.finalLength);
      let batch = openBatches.get(regime);
      if (batch === undefined || batch.length >= limits.maxBatch) {
        batch = [];
        openBatches.set(regime, batch);
        runs.push(batch);
      }
      batch.push({ step: index, from: 0, to: 1, firstLogitsRow: 0, logitsRows: step.logitsRows });
      continue;
    }
    const firstWanted = count - step.logitsRows;
    const firstChunk = step.slot.length === 0 ? limits.firstChunkTokens : limits.prefillChunkTokens;
    for (let from = 0; from < count; from += from === 0 ? firstChunk : limits.prefillChunkTokens) {
      const to = Math.min(from + (from === 0 ? firstChunk : limits.prefillChunkTokens), count);
      const firstLogitsRow = Math.max(0, from - firstWanted);
      const logitsRows = Math.max(0, to - Math.max(from, firstWanted));
      runs.push([{ step: index, from, to, firstLogitsRow, logitsRows }]);
    }
  }
  return runs;
}
