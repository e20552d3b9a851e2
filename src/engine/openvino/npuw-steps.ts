/**
 * Which native inferences bring NPUW from what its one KV cache holds to a longer or another sequence. Pure
 * arithmetic; it runs nothing. The rules were read in OpenVINO 2026.4 (npuw/llm_infer_request.cpp,
 * llm_prefix_caching.cpp) and each was seen on NPUW over the CPU:
 * - An inference of several tokens from position 0 on is a prefill: it forgets everything and computes the whole
 *   sequence, except leading chunks that the prefix cache holds. Several tokens elsewhere are an error.
 * - An inference of one token is a decode. At a lower position than before it goes on from there, provided that the
 *   attention mask has zeros over the dropped positions, and that a decode came after the prefill: the first decode
 *   copies the prefill's KV cache, and copies the wrong part of it for a shorter sequence.
 * - A prefill that finds all of its chunks cached keeps the last one back to compute its logits, but not at one length
 *   (the rounded prompt limit less one chunk): then it computes nothing, returns the logits of before and leaves a KV
 *   cache that cannot be decoded from. Prefills of whole chunks therefore only fill the prefix cache.
 * - Generate models of several lengths: the prompt's length chooses one that holds minResponseTokens more. Going on
 *   to the next longer one in mid-answer leaves old ones in its attention mask.
 */
import type { NpuwPlan } from './npuw-config.js';

/** What the compiled model's KV cache holds. */
export interface NpuwState {
  /** Leading tokens of the sequence at hand that are in the cache. */
  readonly validTokens: number;
  /** All that are, dropped ones among them: the width of the mask that hides those. */
  readonly storedTokens: number;
  /** Length of the last prefill. */
  readonly prefillTokens: number;
  /** A decode came after the last prefill. */
  readonly isDecoding: boolean;
  /** Leading tokens of the sequence at hand whose chunks the prefix cache holds, as far as is known. */
  readonly cachedTokens: number;
}

export const EMPTY_STATE: NpuwState = {
  validTokens: 0,
  storedTokens: 0,
  prefillTokens: 0,
  isDecoding: false,
  cachedTokens: 0,
};

export type NpuwStep =
  /** Tokens [0, tokens). */
  | { readonly kind: 'prefill'; readonly tokens: number }
  /** The token at `position`; the mask's first `position` places are ones, those up to maskTokens zeros. */
  | { readonly kind: 'decode'; readonly position: number; readonly maskTokens: number }
  /** A sequence of meaningless tokens, prefilled and decoded once, so that the next decode can be at position 0. */
  | { readonly kind: 'prime' };

/** Positions that prime steps leave behind: the shortest prefill and one decode. */
export const PRIME_TOKENS = 3;

/**
 * So many decodes take about as long as one chunk of 256 tokens (estimate: an NPU prefills some thousand tokens of
 * Phi-3-mini a second and decodes some 20; on NPUW over the CPU the ratio is larger).
 */
const DECODES_WORTH_ONE_CHUNK = 4;

/** A sequence's growth: tokens [past, total) are new. */
export interface NpuwGrowth {
  readonly past: number;
  readonly total: number;
  /** False: the logits of the last token are not needed. */
  readonly wantsLogits: boolean;
}

/** The inferences for a sequence of which the cache holds what `state` says. */
export function planNpuwSteps(plan: NpuwPlan, state: NpuwState, growth: NpuwGrowth): NpuwStep[] {
  const { past, total } = growth;
  if (canDecode(plan, state, past, total)) {
    const decodes = decodeSteps(state, past, total);
    const prefillCost = prefillSteps(plan, state, growth).reduce((sum, step) => sum + cost(step), 0);
    if (decodes.length === 1 || decodes.length <= prefillCost) return decodes;
  }
  // The only sequence too short for a prefill.
  if (total === 1) {
    return state.isDecoding
      ? [{ kind: 'decode', position: 0, maskTokens: state.storedTokens }]
      : [{ kind: 'prime' }, { kind: 'decode', position: 0, maskTokens: PRIME_TOKENS }];
  }
  return prefillSteps(plan, state, growth);
}

function cost(step: NpuwStep): number {
  return step.kind === 'prefill' ? DECODES_WORTH_ONE_CHUNK : 1;
}

function decodeSteps(state: NpuwState, from: number, to: number): NpuwStep[] {
  const steps: NpuwStep[] = [];
  for (let position = from; position < to; position += 1) {
    steps.push({ kind: 'decode', position, maskTokens: Math.max(position, state.storedTokens) });
  }
  return steps;
}

function canDecode(plan: NpuwPlan, state: NpuwState, past: number, total: number): boolean {
  if (past === 0 || state.validTokens < past) return false;
  if (state.storedTokens > past && !state.isDecoding) return false;
  if (!plan.hasGenerateVariants || state.prefillTokens === plan.maxPromptTokens) return true;
  // Up to here the generate model at hand surely reaches. The last prefill that can choose the longest one is at the
  // prompt's limit: it must not be missed.
  const reach = state.prefillTokens + plan.minResponseTokens - 1;
  const crossesPromptLimit = past < plan.maxPromptTokens && total >= plan.maxPromptTokens;
  return total <= reach && !crossesPromptLimit;
}

/** Prefills of one chunk more each, then decodes of what goes beyond the longest prefill. */
function prefillSteps(plan: NpuwPlan, state: NpuwState, { total, wantsLogits }: NpuwGrowth): NpuwStep[] {
  const { maxPromptTokens, chunkTokens } = plan;
  const longest = Math.min(total, maxPromptTokens);
  const goesOn = wantsLogits || total > longest;
  const last = isWholeChunks(plan, longest) && goesOn ? longest - 1 : longest;
  const steps: NpuwStep[] = [];
  if (plan.cachesPrefixes) {
    const reused = Math.min(state.cachedTokens, last - 1, maxPromptTokens - chunkTokens);
    const firstEnd = reused - (reused % chunkTokens) + chunkTokens;
    for (let end = firstEnd; end < last; end += chunkTokens) steps.push({ kind: 'prefill', tokens: end });
  }
  steps.push({ kind: 'prefill', tokens: last });
  // A prefill leaves nothing to hide from the decodes after it.
  return [...steps, ...decodeSteps(EMPTY_STATE, last, total)];
}

/** A prefill of so many tokens may find all of them in the prefix cache. */
function isWholeChunks({ cachesPrefixes, chunkTokens }: NpuwPlan, tokens: number): boolean {
  return cachesPrefixes && tokens % chunkTokens === 0;
}

/** What the cache holds after a step. */
export function afterNpuwStep(plan: NpuwPlan, state: NpuwState, step: NpuwStep): NpuwState {
  switch (step.kind) {
    case 'prefill': {
      const { tokens } = step;
      const cachedTokens = plan.cachesPrefixes ? tokens - (tokens % plan.chunkTokens) : 0;
      const validTokens = isWholeChunks(plan, tokens) ? 0 : tokens;
      return { validTokens, storedTokens: tokens, prefillTokens: tokens, isDecoding: false, cachedTokens };
    }
    case 'decode':
      return { ...state, validTokens: step.position + 1, storedTokens: step.position + 1, isDecoding: true };
    case 'prime':
      return {
        ...state,
        validTokens: 0,
        storedTokens: PRIME_TOKENS,
        prefillTokens: PRIME_TOKENS - 1,
        isDecoding: true,
      };
  }
}
