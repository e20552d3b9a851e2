/**
 * What an export does to the weights: the options as the caller gives them, resolved once to a recipe.
 * A recipe and EXPORTER_VERSION together name the result, so both belong in a cache key.
 */
import { OptionError } from '../errors.js';
import { checkChoice } from '../options.js';
import { BLOCK_SIZES, type BlockFormat, type BlockSize } from './quantise.js';

/**
 * Version of what the exporter writes. Bump it by one whenever the same source and recipe would give other bytes
 * (graph, tensor layout, quantisation, genai_config.json, aipc.json), so that cached conversions are made anew;
 * leave it for changes of speed or messages.
 */
export const EXPORTER_VERSION = 1;

export const WEIGHT_FORMATS = ['int4', 'int8', 'fp16', 'fp32'] as const;
export type WeightFormat = (typeof WEIGHT_FORMATS)[number];

/**
 * Least precision that MatMulNBits may compute in (its accuracy_level attribute):
 * 0 as the weights' scales (fp32), 1 fp32, 2 fp16, 3 bf16, 4 activations quantised to int8 block by block (fastest).
 */
export const ACCURACY_LEVELS = [0, 1, 2, 3, 4] as const;
export type AccuracyLevel = (typeof ACCURACY_LEVELS)[number];

export interface WeightOptions {
  /** Default 'int4'. */
  readonly weightFormat?: WeightFormat | undefined;
  /** Weights that share a scale: 16, 32, 64, 128 or 256. int4 and int8 only. Default 32. */
  readonly blockSize?: BlockSize | undefined;
  /** Without stored zero points. int4 and int8 only. Default true. */
  readonly symmetric?: boolean | undefined;
  /** int4 and int8 only. Default 4. */
  readonly accuracyLevel?: AccuracyLevel | undefined;
}

export type WeightRecipe =
  | {
      readonly weightFormat: 'int4' | 'int8';
      readonly block: BlockFormat;
      readonly accuracyLevel: AccuracyLevel;
    }
  | { readonly weightFormat: 'fp16' | 'fp32' };

/** Throws OPTION_INVALID; `where` names the function for the message. */
export function resolveWeightRecipe(where: string, options: WeightOptions): WeightRecipe {
  const weightFormat = checkChoice(where, 'weightFormat', options.weightFormat ?? 'int4', WEIGHT_FORMATS);
  if (weightFormat === 'fp16' || weightFormat === 'fp32') {
    for (const option of ['blockSize', 'symmetric', 'accuracyLevel'] as const) {
      if (options[option] !== undefined) {
        throw new OptionError(
          'OPTION_INVALID',
          `${where}: ${option} applies to the weight formats int4 and int8, not to ${weightFormat}. Leave it out.`,
          { details: { option, weightFormat } },
        );
      }
    }
    return { weightFormat };
  }
  return {
    weightFormat,
    block: {
      bits: weightFormat === 'int4' ? 4 : 8,
      blockSize: checkChoice(where, 'blockSize', options.blockSize ?? 32, BLOCK_SIZES),
      symmetric: checkBoolean(where, 'symmetric', options.symmetric ?? true),
    },
    accuracyLevel: checkChoice(where, 'accuracyLevel', options.accuracyLevel ?? 4, ACCURACY_LEVELS),
  };
}

export function checkBoolean(where: string, option: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new OptionError('OPTION_INVALID', `${where}: ${option} must be true or false, found ${String(value)}.`, {
    details: { option },
  });
}
