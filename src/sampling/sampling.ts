/**
 * Options of sampling and the sampler: one row of logits to one token id.
 * It does not run the model nor decide when to stop.
 */
import { randomInt } from 'node:crypto';
import { OptionError } from '../errors.js';
import { checkNumber, refuseUnknownKeys, type NumberRange } from '../options.js';
import { argmax } from './argmax.js';
import * as filters from './filters.js';
import { createRandomSource } from './random.js';

/** Greedy unless temperature, topK, topP or minP is given. */
export interface SamplingOptions {
  /** Above 0 to 100; 0 means greedy. Default 1 when sampling. */
  readonly temperature?: number;
  /** Keep the k most likely tokens; 0 keeps all. */
  readonly topK?: number;
  /** Keep the smallest set of tokens whose probability reaches p; 0.000001 to 1. */
  readonly topP?: number;
  /** Keep tokens with at least minP times the probability of the likeliest; 0 to 1. */
  readonly minP?: number;
  /** As transformers' repetition_penalty: 0.01 to 100, 1 is none. Applies to prompt and output tokens. */
  readonly repetitionPenalty?: number;
  /** Unsigned 32-bit; the same seed and options give the same tokens. Default: random, reported in the result. */
  readonly seed?: number;
}

export interface Sampler {
  /** False when the result never depends on the seed. */
  readonly random: boolean;
  readonly seed: number;
  /**
   * Picks a token. `logits` is one row, f32 [vocabularySize], left unchanged. `history`: prompt and output so far.
   * Throws RUNTIME_FAILED for logits that hold NaN, +Infinity or nothing finite; INPUT_INVALID for a row of another
   * size and, under a repetition penalty, for a history with ids outside the vocabulary.
   */
  sample(logits: Float32Array, history: ArrayLike<number>): number;
}

export const TEMPERATURE_RANGE: NumberRange = { min: 0, max: 100 };
export const TOP_K_RANGE: NumberRange = { min: 0, max: 2 ** 31 - 1, integer: true };
/** 0 would keep nothing; what is below a millionth is the likeliest token alone, which is temperature 0. */
export const TOP_P_RANGE: NumberRange = { min: 1e-6, max: 1 };
export const MIN_P_RANGE: NumberRange = { min: 0, max: 1 };
export const REPETITION_PENALTY_RANGE: NumberRange = { min: 0.01, max: 100 };
export const SEED_RANGE: NumberRange = { min: 0, max: 2 ** 32 - 1, integer: true };

const RANGES: Readonly<Record<keyof SamplingOptions, NumberRange>> = {
  temperature: TEMPERATURE_RANGE,
  topK: TOP_K_RANGE,
  topP: TOP_P_RANGE,
  minP: MIN_P_RANGE,
  repetitionPenalty: REPETITION_PENALTY_RANGE,
  seed: SEED_RANGE,
};

/** SamplingOptions with every default applied; each filter's neutral value where it is not asked for. */
export interface ResolvedSamplingOptions extends Required<SamplingOptions> {
  readonly greedy: boolean;
}

/** Checks options and applies the defaults. Throws OPTION_UNKNOWN and OPTION_INVALID. */
export function resolveSamplingOptions(options: SamplingOptions): ResolvedSamplingOptions {
  const where = 'sampling options';
  refuseUnknownKeys(where, options, Object.keys(RANGES));
  const read = (option: keyof SamplingOptions): number | undefined =>
    options[option] === undefined ? undefined : checkNumber(where, option, options[option], RANGES[option]);
  const temperature = read('temperature');
  const topK = read('topK');
  const topP = read('topP');
  const minP = read('minP');
  const asked = [temperature, topK, topP, minP].some((value) => value !== undefined);
  return {
    greedy: !asked || temperature === 0,
    temperature: temperature ?? 1,
    topK: topK ?? 0,
    topP: topP ?? 1,
    minP: minP ?? 0,
    repetitionPenalty: read('repetitionPenalty') ?? 1,
    seed: read('seed') ?? randomInt(2 ** 32),
  };
}

/**
 * Creates a sampler for logits of `vocabularySize` tokens. It keeps the state of its random source and scratch memory
 * (20 to 24 bytes for each token of the vocabulary), so that one sampler serves one sequence.
 * Throws OPTION_UNKNOWN and OPTION_INVALID.
 */
export function createSampler(options: SamplingOptions, vocabularySize: number): Sampler {
  const resolved = resolveSamplingOptions(options);
  const size = checkNumber('createSampler', 'vocabularySize', vocabularySize, { min: 1, max: 2 ** 24, integer: true });
  const chain = resolved.greedy ? greedyChain(resolved, size) : randomChain(resolved, size);
  return {
    random: !resolved.greedy,
    seed: resolved.seed,
    sample(logits, history) {
      if (logits.length !== size) {
        throw new OptionError(
          'INPUT_INVALID',
          `sample: expected one row of ${size} logits, found ${logits.length} values.`,
          { details: { expected: size, found: logits.length } },
        );
      }
      return chain(logits, history);
    },
  };
}

type Chain = Sampler['sample'];

function greedyChain(options: ResolvedSamplingOptions, vocabularySize: number): Chain {
  const penalise = createPenalty(options.repetitionPenalty, vocabularySize);
  return (logits, history) => argmax(penalise(logits, history));
}

function randomChain(options: ResolvedSamplingOptions, vocabularySize: number): Chain {
  const random = createRandomSource(options.seed);
  const distribution = createDistribution(options, vocabularySize);
  return (logits, history) => filters.drawCandidate(distribution(logits, history), random());
}

/**
 * The chain of filters, in transformers' order: repetition penalty, temperature, top-k, top-p, min-p.
 * The returned function gives the tokens left with their weights, valid until its next call.
 */
export function createDistribution(
  options: ResolvedSamplingOptions,
  vocabularySize: number,
): (logits: Float32Array, history: ArrayLike<number>) => filters.Candidates {
  const candidates = filters.allocateCandidates(vocabularySize);
  const penalise = createPenalty(options.repetitionPenalty, vocabularySize);
  return (logits, history) => {
    const penalised = penalise(logits, history);
    const max = penalised[argmax(penalised)] as number;
    filters.applyTemperature(candidates, penalised, max, options.temperature);
    if (options.topK > 0) filters.keepTopK(candidates, options.topK);
    filters.computeWeights(candidates);
    filters.keepTopP(candidates, options.topP);
    filters.keepMinP(candidates, options.minP);
    return candidates;
  };
}

/**
 * The repetition penalty: returns the row itself where there is none, else a copy, valid until the next call, in
 * which each distinct id of the history is penalised once. The history is read anew at each call: some microseconds
 * for thousands of tokens, and right after a rewind too.
 */
function createPenalty(
  penalty: number,
  vocabularySize: number,
): (logits: Float32Array, history: ArrayLike<number>) => Float32Array {
  if (penalty === 1) return (logits) => logits;
  const penalised = new Float32Array(vocabularySize);
  return (logits, history) => {
    penalised.set(logits);
    for (let i = 0; i < history.length; i++) {
      const id = history[i] as number;
      const logit = logits[id];
      if (logit === undefined) {
        throw new OptionError(
          'INPUT_INVALID',
          `sample: token ${id} of the history is not in the vocabulary of ${vocabularySize} tokens.`,
          { details: { id, position: i, vocabularySize } },
        );
      }
      penalised[id] = filters.penalise(logit, penalty);
    }
    return penalised;
  };
}
