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
export const EXPORTER_VERSION = 2;

export const WEIGHT_FORMATS = ['int4', 'int8', 'fp16', 'fp32'] as const;
export type WeightFormat = (typeof WEIGHT_FORMATS)[number];

/**
 * Least precision that MatMulNBits may compute in (its accuracy_level attribute):
 * 0 as the weights' scales (fp32), 1 fp32, 2 fp16, 3 bf16, 4 activations quantised to int8 block by block (fastest).
 */
export const ACCURACY_LEVELS = [0, 1, 2, 3, 4] as const;
export type AccuracyLevel = (typeof ACCURACY_LEVELS)[number];

/** The execution provider that a graph is made for: each has node forms and types of its own. */
export const ONNX_TARGETS = ['cpu', 'dml', 'webgpu', 'cuda'] as const;
export type OnnxTarget = (typeof ONNX_TARGETS)[number];

export const ACTIVATIONS = ['fp32', 'fp16'] as const;
export type Activations = (typeof ACTIVATIONS)[number];

/**
 * What onnxruntime-genai's model builder gives each target (builders/base.py: is_gqa_supported, quant_config): types
 * that GroupQueryAttention computes in there, the default first, and the accuracy level of MatMulNBits.
 */
const TARGET_FORMS: Readonly<
  Record<OnnxTarget, { readonly activations: readonly Activations[]; readonly accuracyLevel: AccuracyLevel }>
> = {
  cpu: { activations: ['fp32'], accuracyLevel: 4 },
  dml: { activations: ['fp16'], accuracyLevel: 0 },
  webgpu: { activations: ['fp16', 'fp32'], accuracyLevel: 4 },
  cuda: { activations: ['fp16'], accuracyLevel: 0 },
};

export interface WeightOptions {
  /** Default 'cpu'. The CPU runs the graphs of the others too, more slowly. */
  readonly target?: OnnxTarget | undefined;
  /**
   * What is computed in, and the type of the KV cache and the logits. Default fp32 for the CPU, fp16 for the others;
   * webgpu also runs in fp32, for devices without f16.
   */
  readonly activations?: Activations | undefined;
  /** Default 'int4'. */
  readonly weightFormat?: WeightFormat | undefined;
  /** Weights that share a scale: 16, 32, 64, 128 or 256. int4 and int8 only. Default 32. */
  readonly blockSize?: BlockSize | undefined;
  /** Without stored zero points. int4 and int8 only. Default true. */
  readonly symmetric?: boolean | undefined;
  /** int4 and int8 only. Default 4 for cpu and webgpu, 0 for dml and cuda. */
  readonly accuracyLevel?: AccuracyLevel | undefined;
}

export type WeightRecipe = { readonly target: OnnxTarget; readonly activations: Activations } & WeightStorage;

type WeightStorage =
  | {
      readonly weightFormat: 'int4' | 'int8';
      readonly block: BlockFormat;
      readonly accuracyLevel: AccuracyLevel;
    }
  | { readonly weightFormat: 'fp16' | 'fp32' };

/** Throws OPTION_INVALID; `where` names the function for the message. */
export function resolveWeightRecipe(where: string, options: WeightOptions): WeightRecipe {
  const weightFormat = checkChoice(where, 'weightFormat', options.weightFormat ?? 'int4', WEIGHT_FORMATS);
  const target = checkChoice(where, 'target', options.target ?? 'cpu', ONNX_TARGETS);
  const forms = TARGET_FORMS[target];
  const activations = checkChoice(
    where,
    'activations',
    options.activations ?? forms.activations[0] ?? 'fp32',
    ACTIVATIONS,
  );
  if (!forms.activations.includes(activations)) {
    throw new OptionError(
      'OPTION_INVALID',
      `${where}: the target ${target} computes in ${forms.activations.join(' or ')}, not in ${activations}.`,
      { details: { option: 'activations', target, found: activations, allowed: forms.activations } },
    );
  }
  if (weightFormat === 'fp32' && activations === 'fp16') {
    throw new OptionError(
      'OPTION_INVALID',
      `${where}: fp32 weights are not computed in fp16, which the target ${target} does. Use fp16, int8 or int4.`,
      { details: { option: 'weightFormat', target, activations } },
    );
  }
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
    return { target, activations, weightFormat };
  }
  return {
    target,
    activations,
    weightFormat,
    block: {
      bits: weightFormat === 'int4' ? 4 : 8,
      blockSize: checkChoice(where, 'blockSize', options.blockSize ?? 32, BLOCK_SIZES),
      symmetric: checkBoolean(where, 'symmetric', options.symmetric ?? true),
    },
    accuracyLevel: checkChoice(where, 'accuracyLevel', options.accuracyLevel ?? forms.accuracyLevel, ACCURACY_LEVELS),
  };
}

export function checkBoolean(where: string, option: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new OptionError('OPTION_INVALID', `${where}: ${option} must be true or false, found ${String(value)}.`, {
    details: { option },
  });
}
