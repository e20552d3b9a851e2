/**
 * Where a longrope graph changes from one rotary table to the other, told by the comparison in it, for no file beside
 * it says so. onnxruntime-genai's model builder compares the width of attention_mask and chooses with an If (CPU, CUDA,
 * WebGPU), or the highest of position_ids and shifts them into one joined table (DirectML): builders/phi.py and base.py,
 * make_rotary_embedding_multi_cache and make_position_ids_reformatting. It judges nothing else of the graph.
 */
import { UnsupportedError } from '../../errors.js';
import type { OnnxGraph, OnnxNode } from './onnx-graph.js';
import { INT32, INT64, type OnnxTensor } from './onnx-tensor.js';

export interface RopeSwitch {
  /** The longest sequence that the first table serves. */
  readonly boundaryTokens: number;
  /** mask: a run's mask decides, and may be wider than its tokens; positions: a run decides by its own tokens. */
  readonly by: 'mask' | 'positions';
}

const COMPARISONS: readonly string[] = ['Greater', 'GreaterOrEqual'];

/** Undefined where there is one table. Throws MODEL_FEATURE_UNSUPPORTED for an If or a boundary not known here. */
export function findRopeSwitch(file: string, { nodes, initialisers }: OnnxGraph): RopeSwitch | undefined {
  const constants = new Map<string, number>();
  for (const [name, tensor] of initialisers) note(constants, name, numberOf(tensor));
  for (const { operator, outputs, integers, tensors } of nodes) {
    if (operator !== 'Constant') continue;
    note(constants, outputs[0], integers.get('value_int')?.[0] ?? numberOf(tensors.get('value')));
  }
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  /** Behind a cast, but not behind many: a file could put them in a circle. */
  const producerOf = (name: string | undefined): OnnxNode | undefined => {
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

function note(constants: Map<string, number>, name: string | undefined, value: number | undefined): void {
  if (name !== undefined && value !== undefined) constants.set(name, value);
}

/** The value of an integer tensor of one element. */
function numberOf(tensor: OnnxTensor | undefined): number | undefined {
  const isInteger = tensor?.elementType === INT64 || tensor?.elementType === INT32;
  return isInteger && tensor.values?.length === 1 ? tensor.values[0] : undefined;
}

function unknownSwitch(file: string): UnsupportedError {
  return new UnsupportedError(
    'MODEL_FEATURE_UNSUPPORTED',
    `${file} chooses between parts of its graph in a way that aipc does not know. It knows two rotary tables and one ` +
      'length at which they change (longrope), as `aipc export onnx` and the model builder of onnxruntime-genai write them.',
    { details: { file } },
  );
}
