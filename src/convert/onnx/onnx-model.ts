/**
 * The few parts of ONNX that a decoder graph needs, as plain data that can be posted to a worker.
 * It does not encode (onnx-proto.ts) and does not know decoders (decoder-graph.ts).
 */

/** TensorProto.DataType */
export const DATA_TYPE = { float32: 1, uint8: 2, int32: 6, int64: 7, float16: 10 } as const;
export type OnnxDataType = keyof typeof DATA_TYPE;

/** Integers that are meant as floats need the object form. */
export type OnnxAttribute = { readonly int: number } | { readonly float: number } | { readonly graph: OnnxSubgraph };

/** A branch of an If: no inputs of its own, it sees the values around it. */
export interface OnnxSubgraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly outputs: readonly OnnxValue[];
}

export interface OnnxNode {
  readonly opType: string;
  /** '' is ai.onnx. */
  readonly domain: '' | 'com.microsoft';
  readonly name: string;
  /** '' is an optional input left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** A number is a fixed size, a string names a free one. */
export interface OnnxValue {
  readonly name: string;
  readonly dataType: OnnxDataType;
  readonly shape: readonly (number | string)[];
}

/** A constant whose bytes are in the data file beside the model. */
export interface ExternalTensor {
  readonly name: string;
  readonly dataType: OnnxDataType;
  readonly shape: readonly number[];
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** A small int64 constant inside the model file. */
export interface InlineTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: readonly bigint[];
}

export interface OnnxModel {
  readonly producerVersion: string;
  readonly dataFile: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly nodes: readonly OnnxNode[];
  readonly externalTensors: readonly ExternalTensor[];
  readonly inlineTensors: readonly InlineTensor[];
}
