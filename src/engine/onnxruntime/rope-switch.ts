/**
 * Where a longrope graph changes from one rotary table to the other, read from the comparison in it, for no file beside
 * it says so. onnxruntime-genai's model builder compares the width of attention_mask and chooses with an If (CPU, CUDA,
 * WebGPU), or the highest of position_ids and shifts them into one joined table (DirectML): builders/phi.py and base.py,
 * make_rotary_embedding_multi_cache and make_position_ids_reformatting. It judges nothing else of the graph.
 */
import { UnsupportedError } from '../../errors.js';
import { openRegularFile, unreadable } from '../../file-system.js';
import { ProtoReader, type Field } from './proto-reader.js';

export interface RopeSwitch {
  /** The longest sequence that the first table serves. */
  readonly boundaryTokens: number;
  /** mask: a run's mask decides, and may be wider than its tokens; positions: a run decides by its own tokens. */
  readonly by: 'mask' | 'positions';
}

interface Node {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** TensorProto.DataType */
const INT32 = 6;
const INT64 = 7;

/** Undefined where there is one table. Throws FILE_*, MODEL_FEATURE_UNSUPPORTED for an If or a boundary not known here. */
export async function readRopeSwitch(modelFile: string): Promise<RopeSwitch | undefined> {
  const handle = await openRegularFile(modelFile).catch((error: unknown) => {
    throw unreadable(modelFile, error, 'Export or download it anew.');
  });
  try {
    const { size } = await handle.stat();
    const reader = new ProtoReader(handle, modelFile, size);
    const nodes: Node[] = [];
    const constants = new Map<string, number>();
    for await (const field of reader.fields(0, size)) {
      if (field.number !== 7) continue; // ModelProto.graph
      for await (const entry of reader.fields(field.start, field.end)) {
        if (entry.number === 1) await readNode(reader, entry, nodes, constants);
        else if (entry.number === 5) await readConstant(reader, entry, constants);
      }
    }
    return findSwitch(modelFile, nodes, constants);
  } finally {
    await handle.close();
  }
}

const COMPARISONS: readonly string[] = ['Greater', 'GreaterOrEqual'];

function findSwitch(
  file: string,
  nodes: readonly Node[],
  constants: ReadonlyMap<string, number>,
): RopeSwitch | undefined {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  /** Behind a cast, but not behind many: a file could put them in a circle. */
  const producerOf = (name: string | undefined): Node | undefined => {
    const node = producers.get(name ?? '');
    return node?.operator === 'Cast' ? producers.get(node.inputs[0] ?? '') : node;
  };
  const found: RopeSwitch[] = [];
  for (const node of nodes) {
    if (node.operator === 'If') {
      const condition = producerOf(node.inputs[0]);
      const bound = constants.get(condition?.inputs[1] ?? '');
      if (condition?.operator !== 'Greater' || bound === undefined) throw unknownSwitch(file);
      found.push({ boundaryTokens: bound, by: 'mask' });
    } else if (COMPARISONS.includes(node.operator) && producerOf(node.inputs[0])?.operator === 'ReduceMax') {
      const bound = constants.get(node.inputs[1] ?? '');
      if (bound === undefined) throw unknownSwitch(file);
      // The highest position is one less than the length.
      found.push({ boundaryTokens: node.operator === 'Greater' ? bound + 1 : bound, by: 'positions' });
    }
  }
  const [first] = found;
  if (first === undefined) return undefined;
  const isOne = found.every(({ boundaryTokens, by }) => boundaryTokens === first.boundaryTokens && by === first.by);
  if (!isOne || !(first.boundaryTokens >= 1)) throw unknownSwitch(file);
  return first;
}

function unknownSwitch(file: string): UnsupportedError {
  return new UnsupportedError(
    'MODEL_FEATURE_UNSUPPORTED',
    `${file} chooses between parts of its graph in a way that aipc does not know. It knows two rotary tables and one ` +
      'length at which they change (longrope), as `aipc export onnx` and the model builder of onnxruntime-genai write them.',
    { details: { file } },
  );
}

async function readNode(
  reader: ProtoReader,
  node: Field,
  nodes: Node[],
  constants: Map<string, number>,
): Promise<void> {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const values = new Map<string, number>();
  let operator = '';
  for await (const field of reader.fields(node.start, node.end)) {
    if (field.number === 1) inputs.push(await reader.text(field));
    else if (field.number === 2) outputs.push(await reader.text(field));
    else if (field.number === 4) operator = await reader.text(field);
    else if (field.number === 5) await readAttribute(reader, field, values);
  }
  const [name] = outputs;
  const [value] = values.values();
  if (operator === 'Constant' && name !== undefined && value !== undefined) constants.set(name, value);
  if (operator === 'If' || operator === 'Cast' || operator === 'ReduceMax' || COMPARISONS.includes(operator)) {
    nodes.push({ operator, inputs, outputs });
  }
}

/** A Constant's `value` or `value_int`. */
async function readAttribute(reader: ProtoReader, attribute: Field, into: Map<string, number>): Promise<void> {
  for await (const part of reader.fields(attribute.start, attribute.end)) {
    if (part.number === 3) into.set('', part.value);
    else if (part.number === 5) await readConstant(reader, part, into);
  }
}

/** Notes the value of an integer tensor of one element that is in the model file. */
async function readConstant(reader: ProtoReader, tensor: Field, into: Map<string, number>): Promise<void> {
  let name = '';
  let elementType = 0;
  let value: number | undefined;
  for await (const field of reader.fields(tensor.start, tensor.end)) {
    const length = field.end - field.start;
    if (field.number === 2) elementType = field.value;
    else if (field.number === 8) name = await reader.text(field);
    else if ((field.number === 5 || field.number === 7) && length <= 10) value = (await reader.integers(field, 1))[0];
    else if (field.number === 9 && (length === 8 || length === 4)) {
      const bytes = await reader.bytes(field);
      value = length === 8 ? Number(bytes.readBigInt64LE()) : bytes.readInt32LE();
    }
  }
  if ((elementType === INT64 || elementType === INT32) && value !== undefined) into.set(name, value);
}
