/**
 * The nodes of an ONNX graph with their names, attributes and small constants: what is needed to follow the sizes of its
 * tensors. Weights are not read. It judges nothing.
 * Format: onnx.proto (GraphProto, NodeProto, AttributeProto, TensorProto).
 */
import { open } from 'node:fs/promises';
import path from 'node:path';
import { openRegularFile, unreadable } from '../../file-system.js';
import { MAX_READ_VALUES, type Graph, type GraphNode, type GraphTensor } from '../graph-size/graph.js';
import { resolveInside } from '../model-json.js';
import { readEntry } from './outline-tensor.js';
import { ProtoReader, type Field } from './proto-reader.js';

const MAX_DIMENSIONS = 8;

/** Reads the graph of `modelFile`, whose outline has been read: external files are there and complete. Throws FILE_*. */
export async function readGraph(modelFile: string): Promise<Graph> {
  const handle = await openRegularFile(modelFile).catch((error: unknown) => {
    throw unreadable(modelFile, error, 'Export or download it anew.');
  });
  try {
    const { size } = await handle.stat();
    const reader = new ProtoReader(handle, modelFile, size);
    const graph: MutableGraph = { nodes: [], initialisers: new Map(), inputs: [], outputs: [] };
    for await (const field of reader.fields(0, size)) {
      // Fields of a message that stands twice are joined (protocol buffers).
      if (field.number === 7) await readGraphInto(reader, field, graph, 0);
    }
    return graph;
  } finally {
    await handle.close();
  }
}

interface MutableGraph {
  readonly nodes: GraphNode[];
  readonly initialisers: Map<string, GraphTensor>;
  readonly inputs: string[];
  readonly outputs: string[];
}

async function readGraphInto(reader: ProtoReader, graph: Field, into: MutableGraph, depth: number): Promise<void> {
  for await (const field of reader.fields(graph.start, graph.end)) {
    if (field.number === 1) into.nodes.push(await readNode(reader, field, depth));
    else if (field.number === 5) {
      const { name, tensor } = await readTensor(reader, field);
      into.initialisers.set(name, tensor);
    } else if (field.number === 11) into.inputs.push(await readName(reader, field));
    else if (field.number === 12) into.outputs.push(await readName(reader, field));
  }
}

async function readName(reader: ProtoReader, info: Field): Promise<string> {
  let name = '';
  for await (const field of reader.fields(info.start, info.end)) {
    if (field.number === 1) name = await reader.text(field);
  }
  return name;
}

async function readNode(reader: ProtoReader, node: Field, depth: number): Promise<GraphNode> {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = { integers: new Map(), floats: new Map(), tensors: new Map(), graphs: [] } as Attributes;
  let operator = '';
  let domain = '';
  for await (const field of reader.fields(node.start, node.end)) {
    if (field.number === 1) inputs.push(await reader.text(field));
    else if (field.number === 2) outputs.push(await reader.text(field));
    else if (field.number === 4) operator = await reader.text(field);
    else if (field.number === 5) await readAttribute(reader, field, attributes, depth);
    else if (field.number === 7) domain = await reader.text(field);
  }
  return { operator, domain, inputs, outputs, ...attributes };
}

interface Attributes {
  readonly integers: Map<string, readonly number[]>;
  readonly floats: Map<string, number>;
  readonly tensors: Map<string, GraphTensor>;
  readonly graphs: Graph[];
}

async function readAttribute(reader: ProtoReader, attribute: Field, into: Attributes, depth: number): Promise<void> {
  let name = '';
  let tensor: GraphTensor | undefined;
  let floats: number | undefined;
  const integers: number[] = [];
  for await (const field of reader.fields(attribute.start, attribute.end)) {
    if (field.number === 1) name = await reader.text(field);
    else if (field.number === 2) floats = 1;
    else if (field.number === 7) floats = (floats ?? 0) + Math.ceil((field.end - field.start) / 4);
    else if (field.number === 3 || field.number === 8) {
      integers.push(...(await reader.signedIntegers(field, MAX_READ_VALUES)));
      if (integers.length > MAX_READ_VALUES) throw reader.malformed(`an attribute of ${integers.length} numbers`);
    } else if (field.number === 5) ({ tensor } = await readTensor(reader, field));
    else if (field.number === 6) {
      // The outline refuses graphs in graphs in graphs.
      if (depth > 1) throw reader.malformed('graphs in graphs');
      const graph: MutableGraph = { nodes: [], initialisers: new Map(), inputs: [], outputs: [] };
      await readGraphInto(reader, field, graph, depth + 1);
      into.graphs.push(graph);
    }
  }
  if (tensor !== undefined) into.tensors.set(name, tensor);
  if (floats !== undefined) into.floats.set(name, floats);
  if (integers.length > 0) into.integers.set(name, integers);
}

/** TensorProto.DataType. */
const INT64 = 7;
const BOOL = 9;

async function readTensor(reader: ProtoReader, field: Field): Promise<{ name: string; tensor: GraphTensor }> {
  let name = '';
  let elementType = 0;
  const dims: number[] = [];
  let raw: Field | undefined;
  const typed: Field[] = [];
  const external = new Map<string, string>();
  for await (const part of reader.fields(field.start, field.end)) {
    if (part.number === 1) dims.push(...(await reader.integers(part, MAX_DIMENSIONS)));
    else if (part.number === 2) elementType = part.value;
    else if (part.number === 5 || part.number === 7) typed.push(part);
    else if (part.number === 8) name = await reader.text(part);
    else if (part.number === 9) raw = part;
    else if (part.number === 13) await readEntry(reader, part, external);
  }
  const count = dims.reduce((product, size) => product * size, 1);
  // Narrower numbers overflow sooner than what is computed of them here.
  const isWhole = elementType === INT64 || elementType === BOOL;
  if (!isWhole || count > MAX_READ_VALUES) return { name, tensor: { dims, integers: undefined } };
  const location = external.get('location');
  let integers: number[] = [];
  if (location !== undefined) {
    const bytes = await readExternal(reader, location, Number(external.get('offset') ?? 0), count * 8);
    integers = fromBytes(bytes, elementType, count);
  } else if (raw !== undefined) integers = fromBytes(await reader.bytes(raw), elementType, count);
  else for (const part of typed) integers.push(...(await reader.signedIntegers(part, MAX_READ_VALUES)));
  return { name, tensor: { dims, integers: integers.length === count ? integers : undefined } };
}

function fromBytes(bytes: Buffer, elementType: number, count: number): number[] {
  const width = elementType === INT64 ? 8 : 1;
  if (bytes.length < count * width) return [];
  return Array.from({ length: count }, (_, i) =>
    elementType === INT64 ? Number(bytes.readBigInt64LE(i * 8)) : Math.min(1, bytes[i] ?? 0),
  );
}

/** At most `length` bytes at `offset` of a file in the model's folder. */
async function readExternal(reader: ProtoReader, location: string, offset: number, length: number): Promise<Buffer> {
  const folder = path.dirname(reader.file);
  const file = resolveInside(folder, location, (name) => reader.malformed(`weights in '${name}'`));
  await using handle = await open(file, 'r');
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, offset);
  return buffer.subarray(0, bytesRead);
}
