/** Where a model's rope factors change, by its config.json. It does not look into graphs. */
import { MAX_CONTEXT_TOKENS, type JsonFields } from './model-json.js';

/**
 * Longrope (`su` is its older name) has one set of factors up to original_max_position_embeddings and another beyond.
 * Source: transformers, modeling_rope_utils.py, _compute_longrope_parameters.
 */
export function ropeBoundaries(config: JsonFields, contextTokens: number): readonly number[] {
  // Transformers 5 writes rope_parameters and rope_type.
  const key = ['rope_scaling', 'rope_parameters'].find((name) => config.hasValue(name));
  if (key === undefined) return [];
  const scaling = config.object(key);
  const type = scaling.name(scaling.hasValue('rope_type') ? 'rope_type' : 'type', 'default');
  if (type !== 'longrope' && type !== 'su') return [];
  const holder = [config, scaling].find((fields) => fields.hasValue('original_max_position_embeddings')) ?? config;
  const boundary = holder.count('original_max_position_embeddings', MAX_CONTEXT_TOKENS);
  return boundary < contextTokens ? [boundary] : [];
}
