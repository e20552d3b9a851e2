/**
 * Options of sampling and the sampler's interface: one row of logits to one token id.
 * It does not run the model nor decide when to stop.
 */

/** Greedy unless temperature, topK, topP or minP is given. */
export interface SamplingOptions {
  /** Above 0 to 100; 0 means greedy. Default 1 when sampling. */
  readonly temperature?: number;
  /** Keep the k most likely tokens; 0 keeps all. */
  readonly topK?: number;
  /** Keep the smallest set of tokens whose probability reaches p; (0, 1]. */
  readonly topP?: number;
  /** Keep tokens with at least minP times the probability of the likeliest; [0, 1). */
  readonly minP?: number;
  /** As transformers' repetition_penalty: (0, 100], 1 is none. Applies to prompt and output tokens. */
  readonly repetitionPenalty?: number;
  /** Unsigned 32-bit; the same seed and options give the same tokens. Default: random, reported in the result. */
  readonly seed?: number;
}

export interface Sampler {
  /** False when the result never depends on the seed. */
  readonly random: boolean;
  readonly seed: number;
  /** Picks a token. `logits` is one row, f32 [vocabularySize], left unchanged. `history`: prompt and output so far. */
  sample(logits: Float32Array, history: ArrayLike<number>): number;
}
