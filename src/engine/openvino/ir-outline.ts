/**
 * Reads of an OpenVINO IR what must be known before the runtime loads it: its inputs, the shape of its KV cache, the
 * vocabulary, how its weights are compressed, what wrote it; and checks that the .bin is there and as long as the
 * constants say. It needs no runtime and reads no weights.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { ModelFormatError, NotFoundError, UnsupportedError } from '../../errors.js';
import { refuseStrayLink } from '../../file-system.js';
import { MAX_VOCABULARY_SIZE } from '../model-json.js';
import { checkAttention } from './ir-attention.js';
import { ConstantNumbers } from './ir-constants.js';
import { checkFlags } from './ir-flags.js';
import { checkOperators } from './ir-operators.js';
import { checkShapes } from './ir-shapes.js';
import { checkIrSizes } from './ir-sizes.js';
import { readIrXml, type IrConstant, type IrLayer, type IrXml } from './ir-xml.js';
import { checkInputs } from './ir-arity.js';
import { checkProducts } from './ir-products.js';
import { checkGraph } from './ir-graph.js';
import { describeWeights, type IrWeights } from './ir-weights.js';

/** File names of the stateful decoder, as optimum and Intel write it. */
export const MODEL_XML = 'openvino_model.xml';
export const MODEL_BIN = 'openvino_model.bin';
/** aipc's second graph on the same .bin: it takes LOGITS_FIRST_ROW. */
export const LOGITS_ROWS_XML = 'openvino_model_logits_rows.xml';

/** The version that stateful decoders are written in; `10` was that of 2020 and 2021. */
const MIN_IR_VERSION = 11;
/** A .bin ends where its last constant ends. More behind it than this belongs to another model. */
const MAX_UNUSED_BIN_BYTES = 64 * 1024;

export interface IrInput {
  /** Of the tensor: the name to bind it by. */
  readonly name: string;
  /** As in the file: `i64`, `i32`, `f32`... */
  readonly elementType: string;
}

export interface IrOutline {
  readonly xmlFile: string;
  readonly binFile: string;
  readonly xmlBytes: number;
  readonly binBytes: number;
  /** By name. */
  readonly inputs: ReadonlyMap<string, IrInput>;
  readonly vocabularySize: number;
  /** Pairs of states (key and value). */
  readonly layers: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly weights: IrWeights;
  /** Values of the model's rt_info by path, e.g. `nncf/weight_compression/group_size`. */
  readonly rtInfo: ReadonlyMap<string, string>;
}

/**
 * Reads the outline of `folder`/`xmlName` with the weights in `folder`/openvino_model.bin. Throws MODEL_FILE_MISSING,
 * FILE_*, TENSOR_*, DTYPE_UNSUPPORTED, MODEL_FEATURE_UNSUPPORTED.
 */
export async function readIrOutline(folder: string, xmlName: string = MODEL_XML): Promise<IrOutline> {
  return (await readIr(folder, xmlName)).outline;
}

/** As readIrOutline(), with the graph that it was read from. */
export async function readIr(folder: string, xmlName: string): Promise<{ xml: IrXml; outline: IrOutline }> {
  const xml = await readIrXml(path.join(folder, xmlName));
  if (xml.version < MIN_IR_VERSION) {
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${xml.file} is an IR of version ${xml.version}, from before OpenVINO 2022.1; decoders with a KV cache inside ` +
        `are of version ${MIN_IR_VERSION}. Export the model anew with \`aipc export openvino\`.`,
      { details: { file: xml.file, version: xml.version, oldest: MIN_IR_VERSION } },
    );
  }
  const order = checkGraph(xml);
  checkOperators(xml);
  checkInputs(xml);
  checkFlags(xml);
  checkProducts(xml);
  const binFile = path.join(folder, MODEL_BIN);
  const binBytes = await checkBin(xml, binFile);
  const layers = [...xml.layers.values()];
  const states = readStates(xml, layers);
  await using numbers = await ConstantNumbers.open(binFile);
  await checkShapes(xml, numbers);
  await checkAttention(xml, numbers, states);
  await checkIrSizes(xml, order, numbers, binBytes);
  const weights = describeWeights(xml);
  const outline = {
    xmlFile: xml.file,
    binFile,
    xmlBytes: xml.xmlBytes,
    binBytes,
    inputs: readInputs(layers),
    vocabularySize: vocabularySize(xml, weights),
    ...states,
    weights,
    rtInfo: xml.rtInfo,
  };
  return { xml, outline };
}

/** Bits of an element, by name in the file. */
const ELEMENT_BITS: Readonly<Record<string, number>> = {
  ...{ boolean: 8, u1: 1, u2: 2, u3: 3, u4: 4, u6: 6, u8: 8, u16: 16, u32: 32, u64: 64 },
  ...{ i4: 4, i8: 8, i16: 16, i32: 32, i64: 64, nf4: 4 },
  ...{ f4e2m1: 4, f8e4m3: 8, f8e5m2: 8, f8e8m0: 8, f16: 16, bf16: 16, f32: 32, f64: 64 },
};

async function checkBin(xml: IrXml, binFile: string): Promise<number> {
  let neededBytes = 0;
  for (const constant of xml.constants) {
    checkConstant(xml, constant);
    neededBytes = Math.max(neededBytes, constant.offset + constant.size);
  }
  await refuseStrayLink(binFile, xml.file);
  const size = await stat(binFile).then(
    (found) => found.size,
    (cause: unknown) => {
      throw new NotFoundError(
        'MODEL_FILE_MISSING',
        `${binFile} is missing: ${xml.file} keeps its weights in it. Download or export the model anew.`,
        { cause, details: { file: binFile } },
      );
    },
  );
  const details = { file: binFile, size, neededBytes };
  if (size < neededBytes) {
    throw new ModelFormatError(
      'FILE_TRUNCATED',
      `${binFile} has ${size} bytes; ${xml.file} says that its weights take ${neededBytes}. ` +
        'It is cut off or belongs to another model: download or export both anew.',
      { details },
    );
  }
  if (size > neededBytes + MAX_UNUSED_BIN_BYTES) {
    throw new ModelFormatError(
      'FILE_MALFORMED',
      `${binFile} has ${size} bytes, of which ${xml.file} uses ${neededBytes}. ` +
        'The two files do not belong together: download or export both anew.',
      { details },
    );
  }
  return size;
}

function checkConstant(xml: IrXml, { name, elementType, shape, size }: IrConstant): void {
  const bits = ELEMENT_BITS[elementType];
  if (bits === undefined || !Object.hasOwn(ELEMENT_BITS, elementType)) {
    throw new UnsupportedError(
      'DTYPE_UNSUPPORTED',
      `${xml.file}: '${name}' has the element type '${elementType}', which no decoder has. Export the model anew.`,
      { details: { file: xml.file, name, elementType } },
    );
  }
  const expected = Math.ceil((shape.reduce((product, count) => product * count, 1) * bits) / 8);
  if (size !== expected) {
    throw new ModelFormatError(
      'TENSOR_SHAPE_MISMATCH',
      `${xml.file}: '${name}' is ${elementType} [${shape.join(', ')}], which takes ${expected} bytes, not ${size}. ` +
        'Download or export the model anew.',
      { details: { file: xml.file, name, elementType, shape, size } },
    );
  }
}

function readInputs(layers: readonly IrLayer[]): Map<string, IrInput> {
  const inputs = new Map<string, IrInput>();
  for (const { type, name, data, outputs } of layers) {
    if (type !== 'Parameter') continue;
    for (const tensorName of outputs[0]?.names ?? [name]) {
      inputs.set(tensorName, { name: tensorName, elementType: data['element_type'] ?? '' });
    }
  }
  return inputs;
}

function readStates(xml: IrXml, layers: readonly IrLayer[]): Pick<IrOutline, 'layers' | 'kvHeads' | 'headSize'> {
  const states = layers.filter(({ type }) => type === 'ReadValue');
  if (states.length === 0 || states.length % 2 !== 0) {
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${xml.file} is no decoder with its KV cache inside (it has ${states.length} states). ` +
        'Export the model as text-generation-with-past and stateful, as `aipc export openvino` does.',
      { details: { file: xml.file, states: states.length } },
    );
  }
  // [batch, heads, tokens, head size]
  const shape = (states[0]?.data['variable_shape'] ?? '').split(',').map((size) => Number(size));
  const [, kvHeads = NaN, , headSize = NaN] = shape;
  if (shape.length !== 4 || !isCount(kvHeads) || !isCount(headSize)) {
    throw new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${xml.file}: its state has the shape [${states[0]?.data['variable_shape'] ?? ''}]; aipc runs decoders whose ` +
        'states are [batch, heads, tokens, head size].',
      { details: { file: xml.file, shape: states[0]?.data['variable_shape'] } },
    );
  }
  return { layers: states.length / 2, kvHeads, headSize };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

function vocabularySize(xml: IrXml, weights: IrWeights): number {
  const size = weights.vocabularySize;
  if (size !== undefined && isCount(size) && size <= MAX_VOCABULARY_SIZE) return size;
  throw new UnsupportedError(
    'MODEL_FEATURE_UNSUPPORTED',
    `${xml.file}: its result is not the logits of a vocabulary. aipc runs text decoders.`,
    { details: { file: xml.file } },
  );
}
