/**
 * Reads of an ONNX file what must be known before ONNX Runtime loads it: the element types of its inputs, which
 * operators it uses, which parts of which files hold its weights. It skips the weights and all else, and checks that
 * every tensor is as long as its shape says, every external file inside the folder and complete.
 * Format: onnx.proto (ModelProto, GraphProto, NodeProto, TensorProto).
 */
import { stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { ModelFormatError, NotFoundError, UnsupportedError } from '../../errors.js';
import { openRegularFile, refuseStrayLink, unreadable } from '../../file-system.js';
import { resolveInside } from '../model-json.js';
import { readTensor, type OutlineTensor } from './outline-tensor.js';
import { ProtoReader, type Field } from './proto-reader.js';

export interface ModelOutline {
  /** TensorProto.DataType of each graph input. */
  readonly inputTypes: ReadonlyMap<string, number>;
  /** Those in the branches of an If too. */
  readonly operators: ReadonlySet<string>;
  /** Whether another operator than If has graphs of its own (Loop, Scan), or a branch has. */
  readonly hasNestedGraphs: boolean;
  /** The model file and each external file, once. */
  readonly fileBytes: number;
  /** Bytes of initialisers by TensorProto.DataType, inside and outside the model file. */
  readonly weightBytes: ReadonlyMap<number, number>;
}

/** Reads the outline of `modelFile`. Throws MODEL_FILE_MISSING, FILE_*, TENSOR_*, DTYPE_UNSUPPORTED, MODEL_FEATURE_*. */
export async function readModelOutline(modelFile: string): Promise<ModelOutline> {
  const handle = await openModel(modelFile);
  try {
    const { size } = await handle.stat();
    const reader = new ProtoReader(handle, modelFile, size);
    const inputTypes = new Map<string, number>();
    const operators = new Set<string>();
    const weightBytes = new Map<number, number>();
    /** For each external file, how many bytes it must have. */
    const external = new Map<string, number>();
    let hasGraph = false;
    let hasNestedGraphs = false;
    const addWeight = ({ elementType, bytes, external: place }: OutlineTensor): void => {
      weightBytes.set(elementType, (weightBytes.get(elementType) ?? 0) + bytes);
      if (place !== undefined)
        external.set(place.location, Math.max(external.get(place.location) ?? 0, place.endBytes));
    };
    for await (const field of reader.fields(0, size)) {
      if (field.number === 25) throw unsupported(modelFile, 'functions of its own'); // ModelProto.functions
      if (field.number !== 7) continue; // ModelProto.graph
      hasGraph = true;
      for await (const entry of reader.fields(field.start, field.end)) {
        if (entry.number === 1) {
          const node = await readNode(reader, entry);
          for (const operator of node.operators) operators.add(operator);
          hasNestedGraphs ||= node.hasGraphs;
          for (const tensor of node.tensors) addWeight(tensor);
        } else if (entry.number === 5) {
          addWeight(await readTensor(reader, entry));
        } else if (entry.number === 11) {
          const { name, elementType } = await readValueInfo(reader, entry);
          inputTypes.set(name, elementType);
        } else if (entry.number === 15) {
          throw unsupported(modelFile, 'sparse weights');
        }
      }
    }
    if (!hasGraph) throw reader.malformed('it has no graph');
    let fileBytes = size;
    for (const [location, neededBytes] of external) {
      fileBytes += await checkExternalFile(modelFile, location, neededBytes, reader);
    }
    return { inputTypes, operators, hasNestedGraphs, fileBytes, weightBytes };
  } finally {
    await handle.close();
  }
}

async function openModel(file: string): Promise<FileHandle> {
  try {
    return await openRegularFile(file);
  } catch (error) {
    throw unreadable(file, error, 'Export or download it anew.');
  }
}

interface OutlineNode {
  /** Its own, and those of its branches. */
  readonly operators: readonly string[];
  readonly hasGraphs: boolean;
  /** Of its attributes, and in its branches. */
  readonly tensors: readonly OutlineTensor[];
}

/** `isBranch`: the node is in a graph of another node. */
async function readNode(reader: ProtoReader, node: Field, isBranch = false): Promise<OutlineNode> {
  let operator: string | undefined;
  const graphs: Field[] = [];
  const tensors: OutlineTensor[] = [];
  for await (const field of reader.fields(node.start, node.end)) {
    if (field.number === 4) operator = await reader.text(field); // NodeProto.op_type
    if (field.number !== 5) continue; // NodeProto.attribute
    for await (const part of reader.fields(field.start, field.end)) {
      if (part.number === 5 || part.number === 10)
        tensors.push(await readTensor(reader, part)); // t, tensors
      else if (part.number === 6 || part.number === 11)
        graphs.push(part); // g, graphs
      else if (part.number === 22 || part.number === 23) throw unsupported(reader.file, 'sparse weights');
    }
  }
  if (operator === undefined) throw reader.malformed(`a node without an operator at byte ${node.start}`);
  const operators = [operator];
  if (graphs.length === 0) return { operators, hasGraphs: false, tensors };
  if (operator !== 'If' || isBranch) return { operators, hasGraphs: true, tensors };
  let hasGraphs = false;
  for (const graph of graphs) {
    for await (const entry of reader.fields(graph.start, graph.end)) {
      if (entry.number === 15) throw unsupported(reader.file, 'sparse weights');
      if (entry.number === 5) tensors.push(await readTensor(reader, entry)); // initializer
      if (entry.number !== 1) continue;
      const inner = await readNode(reader, entry, true);
      operators.push(...inner.operators);
      tensors.push(...inner.tensors);
      hasGraphs ||= inner.hasGraphs;
    }
  }
  return { operators, hasGraphs, tensors };
}

function unsupported(file: string, feature: string): UnsupportedError {
  return new UnsupportedError(
    'MODEL_FEATURE_UNSUPPORTED',
    `${file} has ${feature}, which no decoder needs and aipc does not run. ` +
      "Export the model with `aipc export onnx` or onnxruntime-genai's model builder for CPU.",
    { details: { file, feature } },
  );
}

async function readValueInfo(reader: ProtoReader, info: Field): Promise<{ name: string; elementType: number }> {
  let name = '';
  let elementType = 0;
  for await (const field of reader.fields(info.start, info.end)) {
    if (field.number === 1) name = await reader.text(field);
    if (field.number !== 2) continue; // type: TypeProto
    for await (const type of reader.fields(field.start, field.end)) {
      if (type.number !== 1) continue; // tensor_type
      for await (const tensor of reader.fields(type.start, type.end)) {
        if (tensor.number === 1) elementType = tensor.value;
      }
    }
  }
  return { name, elementType };
}

async function checkExternalFile(
  modelFile: string,
  location: string,
  neededBytes: number,
  reader: ProtoReader,
): Promise<number> {
  const folder = path.dirname(modelFile);
  const file = resolveInside(folder, location, (name) =>
    reader.malformed(`it keeps weights in '${name}', which is not inside ${folder}`),
  );
  await refuseStrayLink(file, modelFile);
  const found = await stat(file).catch((cause: unknown) => {
    throw new NotFoundError(
      'MODEL_FILE_MISSING',
      `${file} is missing: ${modelFile} keeps weights in it. Download or export the model anew.`,
      { cause, details: { file } },
    );
  });
  if (!found.isFile()) throw reader.malformed(`it keeps weights in '${location}', which is not a regular file`);
  const { size } = found;
  if (size < neededBytes) {
    throw new ModelFormatError(
      'FILE_TRUNCATED',
      `${file} has ${size} bytes; ${modelFile} says that its weights take ${neededBytes}. Download or export it anew.`,
      { details: { file, size, neededBytes } },
    );
  }
  return size;
}
