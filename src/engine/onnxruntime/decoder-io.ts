/**
 * What a loaded session takes and gives, read through the C API and checked against genai_config.json, so that a
 * wrong folder fails with names and shapes instead of inside a kernel. It binds nothing.
 */
import koffi from 'koffi';
import { ModelFormatError, UnsupportedError } from '../../errors.js';
import { ELEMENT_TYPE, takePointer, type OrtApi, type Pointer } from './c-api.js';
import { MAX_VOCABULARY_SIZE } from '../model-json.js';
import type { GenaiConfig } from './genai-config.js';

/**
 * aipc's exporter adds this overridable initialiser (int64 [1], default 0): the first row of hidden states that
 * lm_head sees. Other runtimes leave it at 0 and get all rows.
 */
export const LOGITS_FIRST_ROW = 'logits_first_row';

/**
 * Graphs made for transformers.js may have this input (int64, a scalar or [1]): of how many of the last positions logits
 * are wanted.
 */
export const LOGITS_COUNT = 'num_logits_to_keep';

export type FloatType = 'f32' | 'f16';

/** Names of one layer's KV cache tensors. */
export interface LayerNames {
  readonly pastKey: string;
  readonly pastValue: string;
  readonly presentKey: string;
  readonly presentValue: string;
}

export interface DecoderIo {
  readonly inputIds: string;
  readonly attentionMask: string;
  /** Undefined where the graph computes positions itself. */
  readonly positionIds: string | undefined;
  readonly logits: string;
  readonly logitsType: FloatType;
  readonly layers: readonly LayerNames[];
  readonly kvType: FloatType;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly vocabularySize: number;
  /** Whether the rows of logits can be chosen (LOGITS_FIRST_ROW), are all, or are cut to the last by the graph. */
  readonly logitsRows: 'chosen' | 'all' | 'last';
  /** The input that chooses them by their number; undefined: LOGITS_FIRST_ROW does, where they can be chosen. */
  readonly logitsCount: { readonly name: string; readonly dims: readonly number[] } | undefined;
}

interface TensorInfo {
  readonly elementType: number;
  /** -1 where symbolic. */
  readonly dims: readonly number[];
}

/** For an input or output that the configuration names and the graph does not have. */
export function tensorMissing(
  { modelFile, file }: GenaiConfig,
  kind: string,
  name: string,
  found: readonly string[],
): ModelFormatError {
  return new ModelFormatError(
    'TENSOR_MISSING',
    `${modelFile} has no ${kind} '${name}', which ${file} names. It has: ${found.join(', ')}.`,
    { details: { file: modelFile, name, found } },
  );
}

/** For inputs that the graph asks for and aipc does not give. */
export function inputsUnknown(config: GenaiConfig, unknown: readonly string[]): UnsupportedError {
  return new UnsupportedError(
    'MODEL_FEATURE_UNSUPPORTED',
    `${config.modelFile} asks for inputs that aipc does not know: ${unknown.join(', ')}. ` +
      `It runs text decoders of ${config.layers} layers with a KV cache, as ${config.file} describes this one.`,
    { details: { file: config.modelFile, inputs: unknown } },
  );
}

type Kind = 'Input' | 'Output' | 'OverridableInitializer';

/** Reads and checks the session's inputs and outputs. Throws FILE_MALFORMED, TENSOR_*, DTYPE_*, MODEL_FEATURE_*. */
export function readDecoderIo(api: OrtApi, session: Pointer, config: GenaiConfig): DecoderIo {
  const inputs = describe(api, session, 'Input');
  const outputs = describe(api, session, 'Output');
  const initialisers = describe(api, session, 'OverridableInitializer');
  const find = (from: ReadonlyMap<string, TensorInfo>, kind: string, name: string): TensorInfo => {
    const found = from.get(name);
    if (found !== undefined) return found;
    throw tensorMissing(config, kind, name, [...from.keys()]);
  };
  const check = (
    info: TensorInfo,
    name: string,
    types: readonly number[],
    shape: readonly (number | undefined)[],
  ): void => {
    if (!types.includes(info.elementType)) {
      throw new UnsupportedError(
        'DTYPE_UNSUPPORTED',
        `${config.modelFile}: '${name}' has element type ${info.elementType} (numbering of ONNX), ` +
          `aipc runs ${types.join(' and ')} there.`,
        { details: { file: config.modelFile, name, found: info.elementType, allowed: types } },
      );
    }
    const fits =
      info.dims.length === shape.length &&
      shape.every((wanted, i) => wanted === undefined || info.dims[i] === -1 || info.dims[i] === wanted);
    if (!fits) {
      throw new ModelFormatError(
        'TENSOR_SHAPE_MISMATCH',
        `${config.modelFile}: '${name}' has shape [${info.dims.join(', ')}], ${config.file} implies ` +
          `[${shape.map((size) => size ?? 'any').join(', ')}]. The two files do not belong together.`,
        { details: { file: config.modelFile, name, found: info.dims, allowed: shape.map((size) => size ?? null) } },
      );
    }
  };
  const integers = [ELEMENT_TYPE.i64];
  const floats = [ELEMENT_TYPE.f32, ELEMENT_TYPE.f16];

  check(find(inputs, 'input', config.inputIds), config.inputIds, integers, [undefined, undefined]);
  check(find(inputs, 'input', config.attentionMask), config.attentionMask, integers, [undefined, undefined]);
  const logits = find(outputs, 'output', config.logits);
  check(logits, config.logits, floats, [undefined, undefined, config.vocabularySize]);
  const positions = inputs.get(config.positionIds);
  if (positions !== undefined) check(positions, config.positionIds, integers, [undefined, undefined]);
  const firstRow = initialisers.get(LOGITS_FIRST_ROW);
  if (firstRow !== undefined) check(firstRow, LOGITS_FIRST_ROW, integers, [1]);

  const countInput = inputs.get(LOGITS_COUNT);
  if (countInput !== undefined) check(countInput, LOGITS_COUNT, integers, countInput.dims.length === 0 ? [] : [1]);

  const known = new Set([config.inputIds, config.attentionMask, config.positionIds, LOGITS_COUNT]);
  const layers: LayerNames[] = [];
  let kvElementType: number = ELEMENT_TYPE.f32;
  for (let layer = 0; layer < config.layers; layer += 1) {
    const name = (template: string): string => template.replace('%d', String(layer));
    const names = {
      pastKey: name(config.pastKey),
      pastValue: name(config.pastValue),
      presentKey: name(config.presentKey),
      presentValue: name(config.presentValue),
    };
    const tensors = [
      [names.pastKey, find(inputs, 'input', names.pastKey)],
      [names.pastValue, find(inputs, 'input', names.pastValue)],
      [names.presentKey, find(outputs, 'output', names.presentKey)],
      [names.presentValue, find(outputs, 'output', names.presentValue)],
    ] as const;
    for (const [tensorName, info] of tensors) {
      if (layers.length === 0 && tensorName === names.pastKey) kvElementType = info.elementType;
      check(
        info,
        tensorName,
        floats.filter((type) => layers.length === 0 || type === kvElementType),
        [undefined, config.kvHeads, undefined, config.headSize],
      );
    }
    known.add(names.pastKey).add(names.pastValue);
    layers.push(names);
  }
  const unknown = [...inputs.keys()].filter((name) => !known.has(name));
  if (unknown.length > 0) throw inputsUnknown(config, unknown);
  return {
    inputIds: config.inputIds,
    attentionMask: config.attentionMask,
    positionIds: positions === undefined ? undefined : config.positionIds,
    logits: config.logits,
    logitsType: floatType(logits.elementType),
    layers,
    kvType: floatType(kvElementType),
    kvHeads: config.kvHeads,
    headSize: config.headSize,
    vocabularySize: config.vocabularySize,
    logitsRows: logitsRows(firstRow !== undefined || countInput !== undefined, logits.dims[1]),
    logitsCount: countInput && { name: LOGITS_COUNT, dims: countInput.dims.length === 0 ? [] : [1] },
  };
}

function logitsRows(canChoose: boolean, rows: number | undefined): DecoderIo['logitsRows'] {
  if (canChoose) return 'chosen';
  return rows === 1 ? 'last' : 'all';
}

function floatType(elementType: number): FloatType {
  return elementType === ELEMENT_TYPE.f16 ? 'f16' : 'f32';
}

function describe(api: OrtApi, session: Pointer, kind: Kind): Map<string, TensorInfo> {
  const count: [number | bigint] = [0];
  api[`SessionGet${kind}Count`](session, count);
  const described = new Map<string, TensorInfo>();
  for (let index = 0; index < Number(count[0]); index += 1) {
    const text = takePointer((out) => api[`SessionGet${kind}Name`](session, index, api.allocator, out));
    const name = koffi.decode.string(text);
    api.AllocatorFree(api.allocator, text);
    const typeInfo = takePointer((out) => api[`SessionGet${kind}TypeInfo`](session, index, out));
    try {
      described.set(name, describeTensor(api, typeInfo));
    } finally {
      api.ReleaseTypeInfo(typeInfo);
    }
  }
  return described;
}

/** Far above the rank of any tensor; a hostile file could claim more. */
const MAX_RANK = 16;

function describeTensor(api: OrtApi, typeInfo: Pointer): TensorInfo {
  const info: [Pointer | null] = [null];
  api.CastTypeInfoToTensorInfo(typeInfo, info); // a view into typeInfo; null when it is no tensor
  if (info[0] === null) return { elementType: 0, dims: [] };
  const elementType: [number] = [0];
  api.GetTensorElementType(info[0], elementType);
  const rank: [number | bigint] = [0];
  api.GetDimensionsCount(info[0], rank);
  const dims = new BigInt64Array(Math.min(Number(rank[0]), MAX_RANK));
  api.GetDimensions(info[0], dims, dims.length);
  return { elementType: elementType[0], dims: [...dims].map((size) => clampDimension(size)) };
}

/** Sizes beyond what any check allows need not stay exact. */
function clampDimension(size: bigint): number {
  return size > BigInt(MAX_VOCABULARY_SIZE) ? Infinity : Number(size);
}
