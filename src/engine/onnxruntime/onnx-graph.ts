/**
 * Reads an ONNX file, once, before ONNX Runtime loads it: nodes with their names, attributes and small constants, the
 * element types of inputs, which parts of which files hold the weights. Weights are skipped; every tensor must be as long
 * as its shape says, every external file inside the folder and complete. What the graph means others judge.
 * Format: onnx.proto (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto).
 */
import { UnsupportedError } from '../../errors.js';
import { openRegularFile, unreadable } from '../../file-system.js';
import { MAX_READ_VALUES, type Graph, type GraphNode } from '../graph-size/graph.js';
import { ExternalFiles } from './external-files.js';
import { readTensor, type OnnxTensor } from './onnx-tensor.js';
import { ProtoReader, type Field } from './proto-reader.js';

/** Decoder layers of plain attention have about 150 nodes each; the deepest models have 80 layers. */
export const MAX_NODES = 2 ** 14;
/** A layer has about 20. */
export const MAX_INITIALISERS = 2 ** 16;

export interface OnnxNode extends GraphNode {
  readonly tensors: ReadonlyMap<string, OnnxTensor>;
}

export interface OnnxGraph extends Graph {
  readonly nodes: readonly OnnxNode[];
  readonly initialisers: ReadonlyMap<string, OnnxTensor>;
  /** TensorProto.DataType of each graph input. */
  readonly inputTypes: ReadonlyMap<string, number>;
  /** Those in the branches of an If too. */
  readonly operators: ReadonlySet<string>;
  /** Whether another operator than If has graphs of its own (Loop, Scan), or a branch has. They are not read. */
  readonly hasNestedGraphs: boolean;
  /** The model file and each external file, once. */
  readonly fileBytes: number;
  /** Bytes of initialisers and constants by TensorProto.DataType, inside and outside the model file. */
  readonly weightBytes: ReadonlyMap<number, number>;
}

/** Reads `modelFile`. Throws MODEL_FILE_MISSING, FILE_*, TENSOR_*, DTYPE_UNSUPPORTED, MODEL_FEATURE_UNSUPPORTED. */
export async function readOnnxGraph(modelFile: string): Promise<OnnxGraph> {
  const handle = await openRegularFile(modelFile).catch((error: unknown) => {
    throw unreadable(modelFile, error, 'Export or download it anew.');
  });
  try {
    const { size } = await handle.stat();
    return await new GraphReader(new ProtoReader(handle, modelFile, size)).read();
  } finally {
    await handle.close();
  }
}

interface Names {
  readonly nodes: OnnxNode[];
  readonly initialisers: Map<string, OnnxTensor>;
  readonly inputs: string[];
  readonly outputs: string[];
}

interface Attributes {
  readonly integers: Map<string, readonly number[]>;
  readonly floats: Map<string, number>;
  readonly tensors: Map<string, OnnxTensor>;
  /** Read once the operator is known. */
  readonly graphs: Field[];
}

class GraphReader {
  readonly #reader: ProtoReader;
  readonly #external: ExternalFiles;
  readonly #inputTypes = new Map<string, number>();
  readonly #operators = new Set<string>();
  readonly #weightBytes = new Map<number, number>();
  #hasNestedGraphs = false;
  #nodes = 0;
  #initialisers = 0;

  constructor(reader: ProtoReader) {
    this.#reader = reader;
    this.#external = new ExternalFiles(reader);
  }

  async read(): Promise<OnnxGraph> {
    const { file, size } = this.#reader;
    const graph = emptyGraph();
    let hasGraph = false;
    for await (const field of this.#reader.fields(0, size)) {
      if (field.number === 25) throw unsupported(file, 'functions of its own'); // ModelProto.functions
      if (field.number !== 7) continue; // ModelProto.graph
      hasGraph = true;
      // Fields of a message that stands twice are joined (protocol buffers).
      await this.#readGraph(field, graph, false);
    }
    if (!hasGraph) throw this.#reader.malformed('it has no graph');
    const externalBytes = await this.#external.check();
    return {
      ...graph,
      inputTypes: this.#inputTypes,
      operators: this.#operators,
      hasNestedGraphs: this.#hasNestedGraphs,
      fileBytes: size + externalBytes,
      weightBytes: this.#weightBytes,
    };
  }

  async #readGraph(graph: Field, into: Names, isBranch: boolean): Promise<void> {
    for await (const field of this.#reader.fields(graph.start, graph.end)) {
      if (field.number === 1) {
        this.#nodes += 1;
        if (this.#nodes > MAX_NODES) throw this.#reader.tooMany('nodes', MAX_NODES);
        into.nodes.push(await this.#readNode(field, isBranch));
      } else if (field.number === 5) {
        this.#initialisers += 1;
        if (this.#initialisers > MAX_INITIALISERS) throw this.#reader.tooMany('initialisers', MAX_INITIALISERS);
        const { name, tensor } = await this.#readTensor(field);
        into.initialisers.set(name, tensor);
      } else if (field.number === 11) {
        const { name, elementType } = await this.#readValueInfo(field);
        into.inputs.push(name);
        if (!isBranch) this.#inputTypes.set(name, elementType);
      } else if (field.number === 12) into.outputs.push((await this.#readValueInfo(field)).name);
      else if (field.number === 15) throw unsupported(this.#reader.file, 'sparse weights');
    }
  }

  async #readNode(node: Field, isBranch: boolean): Promise<OnnxNode> {
    const inputs: string[] = [];
    const outputs: string[] = [];
    const attributes: Attributes = { integers: new Map(), floats: new Map(), tensors: new Map(), graphs: [] };
    let operator: string | undefined;
    let domain = '';
    for await (const field of this.#reader.fields(node.start, node.end)) {
      if (field.number === 1) inputs.push(await this.#reader.text(field));
      else if (field.number === 2) outputs.push(await this.#reader.text(field));
      else if (field.number === 4) operator = await this.#reader.text(field);
      else if (field.number === 5) await this.#readAttribute(field, attributes);
      else if (field.number === 7) domain = await this.#reader.text(field);
    }
    if (operator === undefined) throw this.#reader.malformed(`a node without an operator at byte ${node.start}`);
    this.#operators.add(operator);
    const graphs: Names[] = [];
    if (attributes.graphs.length > 0 && (operator !== 'If' || isBranch)) this.#hasNestedGraphs = true;
    else {
      for (const field of attributes.graphs) {
        const graph = emptyGraph();
        await this.#readGraph(field, graph, true);
        graphs.push(graph);
      }
    }
    return { operator, domain, inputs, outputs, ...attributes, graphs };
  }

  async #readAttribute(attribute: Field, into: Attributes): Promise<void> {
    let name = '';
    let tensor: OnnxTensor | undefined;
    let floats: number | undefined;
    const integers: number[] = [];
    for await (const field of this.#reader.fields(attribute.start, attribute.end)) {
      if (field.number === 1) name = await this.#reader.text(field);
      else if (field.number === 2) floats = 1;
      else if (field.number === 7) floats = (floats ?? 0) + Math.ceil((field.end - field.start) / 4);
      else if (field.number === 3 || field.number === 8) {
        integers.push(...(await this.#reader.signedIntegers(field, MAX_READ_VALUES)));
        if (integers.length > MAX_READ_VALUES) {
          throw this.#reader.malformed(`an attribute of ${integers.length} numbers`);
        }
      } else if (field.number === 5) ({ tensor } = await this.#readTensor(field));
      else if (field.number === 10)
        await this.#readTensor(field); // tensors, which no operator of decoders has
      else if (field.number === 6 || field.number === 11)
        into.graphs.push(field); // g, graphs
      else if (field.number === 22 || field.number === 23) throw unsupported(this.#reader.file, 'sparse weights');
    }
    if (tensor !== undefined) into.tensors.set(name, tensor);
    if (floats !== undefined) into.floats.set(name, floats);
    if (integers.length > 0) into.integers.set(name, integers);
  }

  async #readTensor(field: Field): Promise<{ readonly name: string; readonly tensor: OnnxTensor }> {
    const { name, tensor, fill } = await readTensor(this.#reader, field);
    this.#weightBytes.set(tensor.elementType, (this.#weightBytes.get(tensor.elementType) ?? 0) + tensor.bytes);
    if (tensor.external !== undefined) this.#external.add(tensor.external, tensor.bytes, fill);
    return { name, tensor };
  }

  async #readValueInfo(info: Field): Promise<{ name: string; elementType: number }> {
    let name = '';
    let elementType = 0;
    for await (const field of this.#reader.fields(info.start, info.end)) {
      if (field.number === 1) name = await this.#reader.text(field);
      if (field.number !== 2) continue; // type: TypeProto
      for await (const type of this.#reader.fields(field.start, field.end)) {
        if (type.number !== 1) continue; // tensor_type
        for await (const tensor of this.#reader.fields(type.start, type.end)) {
          if (tensor.number === 1) elementType = tensor.value;
        }
      }
    }
    return { name, elementType };
  }
}

function emptyGraph(): Names {
  return { nodes: [], initialisers: new Map(), inputs: [], outputs: [] };
}

function unsupported(file: string, feature: string): UnsupportedError {
  return new UnsupportedError(
    'MODEL_FEATURE_UNSUPPORTED',
    `${file} has ${feature}, which no decoder needs and aipc does not run. ` +
      "Export the model with `aipc export onnx` or onnxruntime-genai's model builder for CPU.",
    { details: { file, feature } },
  );
}
