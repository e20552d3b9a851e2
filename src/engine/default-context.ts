/** How long a context is where the caller names none and its KV cache is claimed by length. */

/**
 * 3 to 6 GB of f32 KV cache for Phi's sizes, which machines with 16 GB have beside the weights. The whole context of a
 * model made for 131,072 tokens would take 100 GB.
 */
const LONGEST_DEFAULT_CONTEXT_TOKENS = 8192;

/** The model's own context where it is short, else the longest default; more is for the caller to ask. */
export function defaultContextTokens(modelContextTokens: number): number {
  return Math.min(modelContextTokens, LONGEST_DEFAULT_CONTEXT_TOKENS);
}
