/**
 * Which inputs a decoder's graph takes, checked by name and type, so that a graph that needs more than aipc gives
 * fails with the names instead of inside the runtime.
 */
import { ModelFormatError, UnsupportedError } from '../../errors.js';
import { INPUT } from './input-names.js';
import type { IrOutline } from './ir-outline.js';

export const OUTPUT_LOGITS = 'logits';

const ELEMENT_TYPES: Readonly<Record<string, string>> = {
  [INPUT.inputIds]: 'i64',
  [INPUT.attentionMask]: 'i64',
  [INPUT.positionIds]: 'i64',
  [INPUT.beamIdx]: 'i32',
  [INPUT.logitsFirstRow]: 'i64',
};

/** The inputs that not every graph has. */
export interface DecoderInputs {
  /** Without it the graph counts positions itself, by the tokens that the cache holds. */
  readonly hasPositionIds: boolean;
  readonly hasBeamIdx: boolean;
  readonly hasLogitsFirstRow: boolean;
}

/** Throws TENSOR_MISSING, DTYPE_UNSUPPORTED, MODEL_FEATURE_UNSUPPORTED. */
export function checkDecoderInputs({ xmlFile, inputs }: IrOutline): DecoderInputs {
  const names = [...inputs.keys()];
  for (const name of [INPUT.inputIds, INPUT.attentionMask]) {
    if (inputs.has(name)) continue;
    throw new ModelFormatError(
      'TENSOR_MISSING',
      `${xmlFile} has no input '${name}'. It has: ${names.join(', ')}. aipc runs text decoders with these names, ` +
        'as optimum-cli and `aipc export openvino` write them.',
      { details: { file: xmlFile, name, found: names } },
    );
  }
  const unknown = names.filter((name) => ELEMENT_TYPES[name] === undefined);
  if (unknown.length > 0) {
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${xmlFile} asks for inputs that aipc does not know: ${unknown.join(', ')}. It runs text decoders that keep ` +
        'their KV cache inside (stateful).',
      { details: { file: xmlFile, inputs: unknown } },
    );
  }
  for (const { name, elementType } of inputs.values()) {
    if (elementType === ELEMENT_TYPES[name]) continue;
    throw new UnsupportedError(
      'DTYPE_UNSUPPORTED',
      `${xmlFile}: the input '${name}' has the element type ${elementType}, aipc gives ${ELEMENT_TYPES[name] ?? ''}.`,
      { details: { file: xmlFile, name, found: elementType, allowed: ELEMENT_TYPES[name] } },
    );
  }
  return {
    hasPositionIds: inputs.has(INPUT.positionIds),
    hasBeamIdx: inputs.has(INPUT.beamIdx),
    hasLogitsFirstRow: inputs.has(INPUT.logitsFirstRow),
  };
}
