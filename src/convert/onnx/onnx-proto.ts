/**
 * Encodes an OnnxModel as a ModelProto. The schema is the subset of onnx.proto (github.com/onnx/onnx,
 * onnx/onnx.proto, proto2) whose fields are written here, with the original names and numbers.
 * It does not read models.
 */
import protobuf from 'protobufjs';
import { DATA_TYPE, type OnnxAttribute, type OnnxModel, type OnnxNode, type OnnxValue } from './onnx-model.js';

const SCHEMA = `
syntax = "proto2";
package onnx;
message StringStringEntryProto { optional string key = 1; optional string value = 2; }
message OperatorSetIdProto { optional string domain = 1; optional int64 version = 2; }
message TensorShapeProto {
  message Dimension { oneof value { int64 dim_value = 1; string dim_param = 2; } }
  repeated Dimension dim = 1;
}
message TypeProto {
  message Tensor { optional int32 elem_type = 1; optional TensorShapeProto shape = 2; }
  oneof value { Tensor tensor_type = 1; }
}
message ValueInfoProto { optional string name = 1; optional TypeProto type = 2; }
message TensorProto {
  repeated int64 dims = 1;
  optional int32 data_type = 2;
  optional string name = 8;
  optional bytes raw_data = 9;
  repeated StringStringEntryProto external_data = 13;
  optional int32 data_location = 14;
}
message AttributeProto {
  optional string name = 1;
  optional float f = 2;
  optional int64 i = 3;
  optional GraphProto g = 6;
  optional int32 type = 20;
}
message NodeProto {
  repeated string input = 1;
  repeated string output = 2;
  optional string name = 3;
  optional string op_type = 4;
  repeated AttributeProto attribute = 5;
  optional string domain = 7;
}
message GraphProto {
  repeated NodeProto node = 1;
  optional string name = 2;
  repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11;
  repeated ValueInfoProto output = 12;
}
message ModelProto {
  optional int64 ir_version = 1;
  optional string producer_name = 2;
  optional string producer_version = 3;
  optional GraphProto graph = 7;
  repeated OperatorSetIdProto opset_import = 8;
}
`;

/** AttributeProto.AttributeType */
const ATTRIBUTE_FLOAT = 1;
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_GRAPH = 5;
/** TensorProto.DataLocation */
const LOCATION_EXTERNAL = 1;
/** What onnxruntime-genai's builder writes: IR 10, ai.onnx 21, and Microsoft's operators. */
const IR_VERSION = 10;
const OPSETS = [
  { domain: '', version: 21 },
  { domain: 'com.microsoft', version: 1 },
];

/** The bytes of model.onnx. The same model always gives the same bytes. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const type = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('onnx.ModelProto');
  const message = {
    ir_version: IR_VERSION,
    producer_name: 'aipc',
    producer_version: model.producerVersion,
    opset_import: OPSETS,
    graph: {
      name: 'main_graph',
      node: model.nodes.map(encodeNode),
      initializer: [
        ...model.externalTensors.map((tensor) => ({
          name: tensor.name,
          dims: tensor.shape,
          data_type: DATA_TYPE[tensor.dataType],
          data_location: LOCATION_EXTERNAL,
          external_data: [
            { key: 'location', value: model.dataFile },
            { key: 'offset', value: String(tensor.offsetBytes) },
            { key: 'length', value: String(tensor.lengthBytes) },
          ],
        })),
        ...model.inlineTensors.map((tensor) => ({
          name: tensor.name,
          dims: tensor.shape,
          data_type: DATA_TYPE.int64,
          raw_data: int64LittleEndian(tensor.values),
        })),
      ],
      input: model.inputs.map(encodeValue),
      output: model.outputs.map(encodeValue),
    },
  };
  const problem = type.verify(message);
  if (problem !== null) throw new TypeError(`Not a valid ONNX model: ${problem}`);
  return type.encode(message).finish();
}

function encodeNode(node: OnnxNode): object {
  return {
    input: node.inputs,
    output: node.outputs,
    name: node.name,
    op_type: node.opType,
    domain: node.domain,
    attribute: Object.entries(node.attributes).map(([name, value]) => encodeAttribute(name, value)),
  };
}

function encodeAttribute(name: string, value: OnnxAttribute): object {
  if ('int' in value) return { name, type: ATTRIBUTE_INT, i: value.int };
  if ('float' in value) return { name, type: ATTRIBUTE_FLOAT, f: value.float };
  const { nodes, outputs } = value.graph;
  const g = { name: value.graph.name, node: nodes.map(encodeNode), output: outputs.map(encodeValue) };
  return { name, type: ATTRIBUTE_GRAPH, g };
}

function encodeValue(value: OnnxValue): object {
  const dim = value.shape.map((size) => (typeof size === 'number' ? { dim_value: size } : { dim_param: size }));
  return { name: value.name, type: { tensor_type: { elem_type: DATA_TYPE[value.dataType], shape: { dim } } } };
}

function int64LittleEndian(values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setBigInt64(index * 8, value, true));
  return bytes;
}
