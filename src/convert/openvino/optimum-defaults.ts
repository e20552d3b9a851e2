/**
 * What optimum-cli does with `--weight-format int4` and no other option: for some models a configuration of their own
 * (optimum-intel 2.2, intel/openvino/configuration.py, _DEFAULT_4BIT_WQ_CONFIGS; those of the Phi-3 and Llama
 * architectures). It applies nothing.
 */
import type { Int4Recipe } from './recipe.js';

export interface OptimumDefaults {
  readonly options: Partial<Pick<Int4Recipe, 'symmetric' | 'groupSize' | 'ratio' | 'allLayers'>>;
  /** Steps of optimum-cli's configuration that need calibration; aipc leaves them out. */
  readonly omitted: readonly string[];
}

const SCALE_ESTIMATION = 'scale estimation on wikitext2';
const AWQ = 'AWQ';

const of = (symmetric: boolean, groupSize: number, ratio: number, ...omitted: readonly string[]): OptimumDefaults => ({
  options: { symmetric, groupSize, ratio },
  omitted,
});

const DEFAULTS: Readonly<Record<string, OptimumDefaults>> = {
  'microsoft/Phi-3-mini-4k-instruct': of(false, 64, 1, SCALE_ESTIMATION),
  'microsoft/Phi-3.5-mini-instruct': of(false, 64, 1, AWQ),
  'microsoft/Phi-4-mini-instruct': of(false, 64, 1, AWQ),
  'microsoft/Phi-4-reasoning': of(false, 64, 1),
  'meta-llama/Llama-2-7b-hf': of(true, 128, 0.6),
  'meta-llama/Llama-2-7b-chat-hf': of(true, 128, 1, AWQ),
  'meta-llama/Llama-2-13b-chat-hf': of(true, 64, 0.8),
  'meta-llama/Meta-Llama-3.1-8B-Instruct': of(false, 64, 0.8, AWQ),
  'meta-llama/Llama-3.1-8B-Instruct': of(false, 64, 0.8, AWQ),
  'meta-llama/Meta-Llama-3.1-8B': of(false, 64, 0.8, AWQ),
  'meta-llama/Llama-3.1-8B': of(false, 64, 0.8, AWQ),
  'meta-llama/Llama-3.2-1B-Instruct': of(false, 128, 1, AWQ),
  'deepseek-ai/DeepSeek-R1-Distill-Llama-8B': of(false, 64, 0.8, AWQ),
  'openlm-research/open_llama_3b': { options: { symmetric: false, groupSize: 64, allLayers: true }, omitted: [] },
  'openlm-research/open_llama_3b_v2': of(false, 64, 1, AWQ),
  'psmathur/orca_mini_3b': { options: { symmetric: true, groupSize: 64, allLayers: true }, omitted: [] },
  'lmsys/vicuna-7b-v1.5': of(false, 128, 1),
  'lmsys/longchat-7b-16k': of(false, 128, 1, AWQ, SCALE_ESTIMATION),
  'TinyLlama/TinyLlama-1.1B-Chat-v1.0': of(false, 64, 1, AWQ),
};

/**
 * `ids`: what the model may be called, in order: as the user gave it, as its config.json says (`_name_or_path`).
 * `folderName`: also tried, against the part of an id after the slash. Null: the common defaults apply.
 */
export function optimumInt4Defaults(ids: readonly string[], folderName: string): OptimumDefaults | null {
  for (const id of ids) {
    if (Object.hasOwn(DEFAULTS, id)) return DEFAULTS[id] ?? null;
  }
  return Object.entries(DEFAULTS).find(([id]) => id.endsWith(`/${folderName}`))?.[1] ?? null;
}
