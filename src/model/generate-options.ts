/** The options of one answer, checked and resolved. It does not run the answer. */
import { refuseUnknownKeys } from '../options.js';
import { createSampler, type Sampler, type SamplingOptions } from '../sampling/sampling.js';
import type { GenerateOptions } from './result.js';

export interface ResolvedGenerateOptions {
  /** A fresh one for this answer. */
  readonly sampler: Sampler;
  readonly stopStrings: readonly string[];
  readonly maxNewTokens: number | undefined;
  /** Ends the answer: the caller's signal, or a consumer that left. */
  readonly signal: AbortSignal;
  readonly abort: AbortController;
}

const SAMPLING_KEYS = ['temperature', 'topK', 'topP', 'minP', 'repetitionPenalty', 'seed'] as const;
const KEYS = [...SAMPLING_KEYS, 'maxNewTokens', 'stop', 'doSample', 'signal'];

/** Throws OPTION_UNKNOWN and OPTION_INVALID. */
export function resolveGenerateOptions(options: GenerateOptions, vocabularySize: number): ResolvedGenerateOptions {
  refuseUnknownKeys('generate', options, KEYS);
  const abort = new AbortController();
  return {
    sampler: createSampler(samplingOptions(options), vocabularySize),
    stopStrings: typeof options.stop === 'string' ? [options.stop] : (options.stop ?? []),
    maxNewTokens: options.maxNewTokens,
    signal: options.signal === undefined ? abort.signal : AbortSignal.any([abort.signal, options.signal]),
    abort,
  };
}

function samplingOptions(options: GenerateOptions): SamplingOptions {
  // Without sampling, what remains is the penalty: it changes the logits, not the way a token is drawn.
  const used = options.doSample === false ? (['repetitionPenalty'] as const) : SAMPLING_KEYS;
  return Object.fromEntries(used.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])));
}
