/**
 * What genai_config.json's `search` means for an answer: the same defaults as onnxruntime-genai takes from it, which the
 * caller's options replace one by one. It reads no file and runs nothing.
 */
import type { SearchDefaults } from '../engine/onnxruntime/genai-config.js';
import { TOP_P_RANGE } from '../sampling/sampling.js';
import type { GenerateOptions } from './result.js';

/** `options` with what the folder asks for where the caller says nothing; doSample: false leaves the penalty alone. */
export function withSearchDefaults(options: GenerateOptions, search: SearchDefaults | undefined): GenerateOptions {
  if (search === undefined) return options;
  const { repetitionPenalty } = search;
  const penalty = repetitionPenalty === undefined || repetitionPenalty === 1 ? {} : { repetitionPenalty };
  const merged = { ...penalty, ...defined(options) };
  if (search.doSample !== true || options.doSample === false) return merged;
  return { ...sampling(search), ...merged };
}

/** A folder that samples does so even where it names nothing to sample with: temperature 1. */
function sampling({ temperature = 1, topK, topP }: SearchDefaults): GenerateOptions {
  // A share that keeps the likeliest token alone: onnxruntime-genai takes 0 for that, too.
  if (topP !== undefined && topP < TOP_P_RANGE.min) return { temperature: 0 };
  return {
    temperature,
    ...(topK === undefined || topK === 0 ? {} : { topK }),
    ...(topP === undefined || topP === 1 ? {} : { topP }),
  };
}

/** The caller's own undefined must not hide a default. */
function defined(options: GenerateOptions): GenerateOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/**
 * Most tokens of an answer to a prompt of so many, by the folder's max_length, which counts both; undefined where it
 * names none, or less than the prompt has already.
 */
export function defaultMaxNewTokens(search: SearchDefaults | undefined, promptTokens: number): number | undefined {
  const room = (search?.maxLength ?? 0) - promptTokens;
  return room > 0 ? room : undefined;
}
