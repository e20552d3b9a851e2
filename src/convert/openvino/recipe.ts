/**
 * What an OpenVINO export does to the weights: the options as the caller gives them, resolved once to a recipe. Names
 * and defaults are those of optimum-cli (optimum-intel 2.2, commands/export/openvino.py). Which matrix then gets which
 * format is weight-plan.ts's.
 */
import { OptionError } from '../../errors.js';
import { checkChoice, checkNumber } from '../../options.js';
import { checkBoolean, type WeightFormat, WEIGHT_FORMATS } from '../recipe.js';

/**
 * Version of what the OpenVINO exporter writes. Bump it by one whenever the same source and recipe would give other
 * bytes (graph, layout, quantisation, rt_info, aipc.json), so that cached conversions are made anew.
 */
export const OPENVINO_EXPORTER_VERSION = 1;

/**
 * For matrices whose rows the group size does not divide: refuse; the largest power of two that divides them, int8 if
 * that is under 32; or leave them uncompressed.
 */
export const GROUP_SIZE_FALLBACKS = ['error', 'adjust', 'ignore'] as const;
export type GroupSizeFallback = (typeof GROUP_SIZE_FALLBACKS)[number];

export interface OpenvinoWeightOptions {
  /** Default: int8 for models of a billion parameters or more, else as stored (bf16 becomes fp16). */
  readonly weightFormat?: WeightFormat | undefined;
  /** int4: weights of a row that share a scale, -1 for the whole row. Default 128. */
  readonly groupSize?: number | undefined;
  /** int4: how much of the weights becomes int4 at most, 0 to 1; the rest becomes int8. Default 1. */
  readonly ratio?: number | undefined;
  /** int4, int8: without zero points. Does not touch the int8 of an int4 export. Default false. */
  readonly symmetric?: boolean | undefined;
  /** int4: the embedding and the head too, which are int8 otherwise. Default false. */
  readonly allLayers?: boolean | undefined;
  /** int4. Default 'error'. */
  readonly groupSizeFallback?: GroupSizeFallback | undefined;
}

export const OPENVINO_WEIGHT_KEYS = [
  'weightFormat',
  'groupSize',
  'ratio',
  'symmetric',
  'allLayers',
  'groupSizeFallback',
] as const satisfies readonly (keyof OpenvinoWeightOptions)[];

export interface Int4Recipe {
  readonly weightFormat: 'int4';
  readonly symmetric: boolean;
  readonly groupSize: number;
  readonly ratio: number;
  readonly allLayers: boolean;
  readonly groupSizeFallback: GroupSizeFallback;
}

export type OpenvinoRecipe =
  | Int4Recipe
  | { readonly weightFormat: 'int8'; readonly symmetric: boolean }
  | { readonly weightFormat: 'fp16' | 'fp32' };

/** Which of the options mean something for a format. */
export const APPLICABLE_OPTIONS: Readonly<Record<WeightFormat, readonly (keyof OpenvinoWeightOptions)[]>> = {
  int4: OPENVINO_WEIGHT_KEYS,
  int8: ['weightFormat', 'symmetric'],
  fp16: ['weightFormat'],
  fp32: ['weightFormat'],
};

/** Largest row of a matrix that makes sense; larger group sizes could not divide one. */
const MAX_GROUP_SIZE = 1 << 20;

/**
 * `options.weightFormat` or, if it is not given, `defaultFormat`. Throws OPTION_INVALID, for options too that mean
 * nothing for the format; `where` names the function for the message.
 */
export function resolveOpenvinoRecipe(
  where: string,
  options: OpenvinoWeightOptions,
  defaultFormat: WeightFormat,
): OpenvinoRecipe {
  const weightFormat = checkChoice(where, 'weightFormat', options.weightFormat ?? defaultFormat, WEIGHT_FORMATS);
  for (const option of OPENVINO_WEIGHT_KEYS) {
    if (options[option] !== undefined && !APPLICABLE_OPTIONS[weightFormat].includes(option)) {
      throw new OptionError(
        'OPTION_INVALID',
        `${where}: ${option} does not apply to the weight format ${weightFormat}, which takes ` +
          `${APPLICABLE_OPTIONS[weightFormat].join(', ')}. Leave it out.`,
        { details: { option, weightFormat } },
      );
    }
  }
  const symmetric = checkBoolean(where, 'symmetric', options.symmetric ?? false);
  switch (weightFormat) {
    case 'fp16':
    case 'fp32':
      return { weightFormat };
    case 'int8':
      return { weightFormat, symmetric };
    case 'int4':
      return {
        weightFormat,
        symmetric,
        groupSize: checkGroupSize(where, options.groupSize ?? 128),
        ratio: checkNumber(where, 'ratio', options.ratio ?? 1, { min: 0, max: 1 }),
        allLayers: checkBoolean(where, 'allLayers', options.allLayers ?? false),
        groupSizeFallback: checkChoice(
          where,
          'groupSizeFallback',
          options.groupSizeFallback ?? 'error',
          GROUP_SIZE_FALLBACKS,
        ),
      };
  }
}

function checkGroupSize(where: string, groupSize: unknown): number {
  if (groupSize === -1) return groupSize;
  return checkNumber(where, 'groupSize (-1 for whole rows)', groupSize, { min: 1, max: MAX_GROUP_SIZE, integer: true });
}
