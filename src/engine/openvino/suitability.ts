/**
 * Which devices the weights of an IR suit, why not the others, and what export would. A pure judgement over what
 * ir-weights.ts reads; the rules are the data of device-profiles.ts.
 */
import { UnsupportedError } from '../../errors.js';
import { LARGE_MODEL_PARAMETERS, NPU_SUPPORTED_WEIGHTS, type DeviceKind } from './device-profiles.js';
import type { IrWeights, StoredMatrices, WeightStorage } from './ir-weights.js';

export interface DeviceSuitability {
  readonly suits: boolean;
  /** Why not, a phrase each. Empty where it suits. */
  readonly reasons: readonly string[];
  /** What to know although it suits, a sentence each. */
  readonly notes: readonly string[];
  /** The flags of `aipc export openvino` that would have to change. Empty where it suits. */
  readonly needs: readonly string[];
}

export type Suitability = Readonly<Record<DeviceKind, DeviceSuitability>>;

export type WeightFacts = Pick<IrWeights, 'layers' | 'embedding' | 'lmHead'>;

const YES: DeviceSuitability = { suits: true, reasons: [], notes: [], needs: [] };

/** The CPU and GPU plug-ins run every storage that optimum-cli and aipc write. */
export function judgeSuitability(weights: WeightFacts): Suitability {
  return { cpu: YES, gpu: YES, npu: judgeNpu(weights) };
}

function is4Bit({ elementType }: WeightStorage): boolean {
  return /^([iu]4|nf4|f4)/.test(elementType);
}

/** `--weight-format`'s name of a storage. */
function formatOf(storage: WeightStorage): string {
  if (storage.elementType === 'nf4') return 'nf4';
  if (is4Bit(storage)) return 'int4';
  if (/^[iu]8/.test(storage.elementType)) return 'int8';
  return storage.elementType === 'f16' ? 'fp16' : storage.elementType.replace(/^f32$/, 'fp32');
}

function parametersOf(layers: readonly StoredMatrices[]): number {
  return layers.reduce((sum, { parameters }) => sum + parameters, 0);
}

function judgeNpu({ layers, embedding, lmHead }: WeightFacts): DeviceSuitability {
  const total = parametersOf(layers);
  const groupSize = total > LARGE_MODEL_PARAMETERS ? -1 : 128;
  const formats = [...new Set(layers.map(formatOf))];
  const quantised = [...layers, embedding, lmHead].filter((storage) => storage !== undefined).filter(is4Bit);
  const reasons: string[] = [];
  const needs: string[] = [];
  if (quantised.some(({ scheme }) => scheme === 'asymmetric')) {
    reasons.push('its int4 weights have zero points (asymmetric)');
    needs.push('--sym');
  }
  const groups = new Set(quantised.map((storage) => storage.groupSize ?? -1));
  const otherGroups = [...groups].filter((size) => !NPU_SUPPORTED_WEIGHTS.groupSizes.some((known) => known === size));
  if (otherGroups.length > 0) {
    reasons.push(`it has groups of ${otherGroups.sort((a, b) => a - b).join(' and ')} channels`);
    needs.push(`--group-size ${groupSize}`);
  }
  if (formats.length > 1) {
    const others = layers.filter((storage) => !is4Bit(storage));
    const percent = Math.round((100 * parametersOf(others)) / total);
    reasons.push(`${percent} % of its layers' weights are ${[...new Set(others.map(formatOf))].join(' and ')}`);
    needs.push('--ratio 1.0');
  }
  if (reasons.length > 0) return { suits: false, reasons, notes: [], needs };
  const [format = 'int4'] = formats;
  const notes: string[] = [];
  if (format === 'nf4') notes.push(`nf4 runs on NPUs from ${NPU_SUPPORTED_WEIGHTS.nf4From} on.`);
  else if (format !== 'int4') {
    notes.push(
      `${format} weights are outside what Intel supports on the NPU: symmetric int4, groups of 128 or whole rows ` +
        `(--weight-format int4 --sym --group-size ${groupSize}).`,
    );
  }
  return { ...YES, notes };
}

/** The command that makes a folder for the NPU of the same weights. */
function npuExportCommand(weights: WeightFacts): string {
  const groupSize = parametersOf(weights.layers) > LARGE_MODEL_PARAMETERS ? -1 : 128;
  return `aipc export openvino --model MODEL --weight-format int4 --sym --group-size ${groupSize} --ratio 1.0 OUT_DIR`;
}

/**
 * Throws MODEL_FEATURE_UNSUPPORTED where the weights do not suit the NPU, unless that is allowed. Returns what the user
 * should know of weights that run all the same.
 */
export function checkSuitedToNpu(file: string, weights: WeightFacts, allowUnsupported: boolean): readonly string[] {
  const { suits, reasons, needs, notes } = judgeSuitability(weights).npu;
  if (suits) return notes;
  if (allowUnsupported) return [`${file} is outside what Intel supports on the NPU: ${reasons.join('; ')}.`];
  throw new UnsupportedError(
    'MODEL_FEATURE_UNSUPPORTED',
    `${file} does not suit the NPU: ${reasons.join('; ')}. Intel supports symmetric int4 with groups of 128 channels ` +
      `or whole rows in all layers. Export it anew: ${npuExportCommand(weights)} (where 128 does not divide a layer, ` +
      '--group-size -1). To try it as it is, give allowUnsupported (--allow-unsupported).',
    { details: { file, device: 'npu', reasons, needs, override: 'allowUnsupported' } },
  );
}
