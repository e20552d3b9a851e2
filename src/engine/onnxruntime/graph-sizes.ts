/**
 * Follows the sizes of an ONNX graph before the runtime sees it, with its inputs as aipc binds them, and asks of its nodes
 * what the runtime's kernels take for granted. How sizes are followed it does not know.
 */
import { ModelFormatError } from '../../errors.js';
import { extentOf, type Extent } from '../graph-size/extent.js';
import { followSizes } from '../graph-size/follow-sizes.js';
import type { Graph, GraphNode } from '../graph-size/graph.js';
import { add, BATCH, between, number, PAST, TOKENS, variable, type Polynomial } from '../graph-size/symbolic-size.js';
import { inputsUnknown, LOGITS_COUNT, LOGITS_FIRST_ROW, tensorMissing } from './decoder-io.js';
import type { GenaiConfig } from './genai-config.js';
import { MAX_NODES, type OnnxGraph } from './onnx-graph.js';
import { checkOperatorInputs } from './operator-inputs.js';
import { SIZE_RULES } from './operator-sizes.js';

const MAX_TOKEN_ID = 2 ** 31;
/**
 * Attributes that kernels take as numbers of 32 bits and divide by without looking (ONNX Runtime 1.30: 2^53 becomes 0). 0
 * is allowed where it is the default, that of RotaryEmbedding.
 */
const DIVISORS: readonly string[] = [
  'num_heads',
  'kv_num_heads',
  'q_num_heads',
  'rotary_embedding_dim',
  'K',
  'N',
  'bits',
  'block_size',
];
/** Of which a kernel counts backwards without looking where it is negative (ONNX Runtime 1.30). */
const NATURALS: readonly string[] = ['batch_dims'];
const MAX_DIVISOR = 2 ** 24;

/** Which input of GroupQueryAttention has the positions (docs/ContribOperators.md). */
const POSITIONS_OF_ATTENTION = 9;

/** Operators' domains: ONNX's own by its two names, and ONNX Runtime's. */
const DOMAINS: readonly string[] = ['', 'ai.onnx', 'com.microsoft'];

/** Throws what followSizes() does, FILE_MALFORMED for a node's attributes or positions, TENSOR_MISSING for an output. */
export function checkGraphSizes(
  config: GenaiConfig,
  graph: OnnxGraph,
  weightBytes = [...graph.weightBytes.values()].reduce((sum, bytes) => sum + bytes, 0),
): void {
  const layers = Array.from({ length: config.layers }, (_, layer) => String(layer));
  const bound = new Set(
    layers.flatMap((layer) => [config.presentKey.replace('%d', layer), config.presentValue.replace('%d', layer)]),
  );
  for (const name of bound) {
    if (!graph.outputs.includes(name)) throw tensorMissing(config, 'output', name, graph.outputs);
  }
  const source = {
    file: config.modelFile,
    kind: 'ONNX file',
    exportCommand: 'aipc export onnx',
    otherExporter: "onnxruntime-genai's model builder for CPU",
    weightBytes,
    maxNodes: MAX_NODES,
  };
  followSizes(source, graph, {
    inputs: boundInputs(config, graph),
    ruleOf: ({ operator, domain }) => (DOMAINS.includes(domain) ? SIZE_RULES.get(operator) : undefined),
    isBound: (name) => bound.has(name),
    checkNode: (node, inputs) => {
      checkDivisors(config, node);
      checkPositions(config, node);
      checkOperatorInputs(config.modelFile, node, inputs);
    },
  });
}

/** As aipc binds them, whatever the file says of their shapes. */
function boundInputs(config: GenaiConfig, graph: Graph): Map<string, Extent> {
  const { inputIds, attentionMask, positionIds, pastKey, pastValue, kvHeads, headSize } = config;
  const [batch, tokens, past] = [variable(BATCH), variable(TOKENS), variable(PAST)];
  const all = add(past, tokens);
  const upTo = (most: Polynomial) => between(0, most);
  const sharesKv = graph.nodes.some(({ operator }) => operator === 'GroupQueryAttention');
  const kv = extentOf([batch, number(kvHeads), sharesKv ? all : past, number(headSize)]);
  const isPast = [pastKey, pastValue].map((template) => template.split('%d'));
  const extents = new Map<string, Extent>();
  for (const name of graph.inputs) {
    let extent = extentOf([batch, tokens], { range: upTo(new Map([[0, MAX_TOKEN_ID]])) });
    if (isPast.some(([start = '', end = '']) => name.startsWith(start) && name.endsWith(end))) extent = kv;
    else if (name === attentionMask) extent = extentOf([batch, all], { range: upTo(new Map([[0, 1]])) });
    else if (name === positionIds) extent = extentOf([batch, tokens], { range: upTo(all.high) });
    else if (name === LOGITS_COUNT || name === LOGITS_FIRST_ROW) {
      extent = extentOf([number(1)], { range: upTo(tokens.high) });
    } else if (name !== inputIds) {
      if (!graph.initialisers.has(name)) throw inputsUnknown(config, [name.slice(0, 80)]);
      continue; // its default: aipc gives no other
    }
    extents.set(name, extent);
  }
  return extents;
}

function checkDivisors({ modelFile }: GenaiConfig, { operator, integers }: GraphNode): void {
  for (const name of [...DIVISORS, ...NATURALS]) {
    const value = integers.get(name)?.[0];
    const canBeZero = operator === 'RotaryEmbedding' || name === 'rotary_embedding_dim' || NATURALS.includes(name);
    const least = canBeZero ? 0 : 1;
    if (value === undefined || (value >= least && value <= MAX_DIVISOR)) continue;
    throw new ModelFormatError(
      'FILE_MALFORMED',
      `${modelFile}: a node ${operator} has a ${name} of ${value}; ${least} to ${MAX_DIVISOR} are possible. This is not a ` +
        'sound ONNX file: download or export it anew.',
      { details: { file: modelFile, operator, name, found: value, least, most: MAX_DIVISOR } },
    );
  }
}

/**
 * The kernel looks positions up without comparing how many there are, in threads of which an error ends the process
 * (ONNX Runtime 1.30): they may be those that aipc gives alone.
 */
function checkPositions({ modelFile, positionIds }: GenaiConfig, { operator, inputs }: GraphNode): void {
  const found = operator === 'GroupQueryAttention' ? inputs[POSITIONS_OF_ATTENTION] : undefined;
  if (found === undefined || found === '' || found === positionIds) return;
  throw new ModelFormatError(
    'FILE_MALFORMED',
    `${modelFile}: a node ${operator} takes its positions from '${found.slice(0, 80)}'; they can be ` +
      `'${positionIds}' or be left out. This is not a sound ONNX file: download or export it anew.`,
    { details: { file: modelFile, operator, found: found.slice(0, 200), allowed: positionIds } },
  );
}
