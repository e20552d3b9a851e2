/**
 * The tables of cos and sin that attention rotates with, and which rows of them. A longrope model has two pairs, and the
 * graph chooses as onnxruntime-genai's model builder has it (builders/base.py, make_rotary_embedding_multi_cache, and
 * phi.py): for CPU, CUDA and WebGPU by the width of attention_mask; for DirectML, which runs no If, by the highest of
 * position_ids, which it shifts into one joined table. Whoever runs the graph gives a mask (or a whole prompt) as long as
 * the regime asks, and computes the KV cache anew where the regime changes.
 */
import type { Decoder, Rope } from '../decoder.js';
import type { OnnxTarget } from '../recipe.js';
import { DATA_TYPE, type OnnxNode, type OnnxSubgraph, type OnnxValue } from './onnx-model.js';
import { int, type GraphWriter } from './graph-writer.js';

/** The input that DirectML's form has beside the others. */
export const POSITION_IDS: OnnxValue = {
  name: 'position_ids',
  dataType: 'int64',
  shape: ['batch_size', 'sequence_length'],
};

/** Names of values of the graph. */
export interface RotaryTables {
  /** [at least as many rows as the mask is wide, rotarySize / 2] */
  readonly cos: string;
  readonly sin: string;
  /** int64 [batch, tokens]: the row of each token, for RotaryEmbedding; GroupQueryAttention counts them itself. */
  readonly rows: string;
}

const FUNCTIONS = ['cos', 'sin'] as const;
const TABLES: RotaryTables = { cos: 'cos_cache', sin: 'sin_cache', rows: POSITION_IDS.name };

/** `maskWidth` names an int64 scalar. */
export function rotaryTables(
  graph: GraphWriter,
  { rope, contextTokens }: Decoder,
  target: OnnxTarget,
  maskWidth: string,
): RotaryTables {
  const { beyond } = rope;
  if (beyond === null) {
    for (const fn of FUNCTIONS)
      table(graph, TABLES[fn], fn, rope, [{ factors: rope.factors, rowCount: contextTokens }]);
    return TABLES;
  }
  const short = { factors: rope.factors, rowCount: beyond.boundaryTokens };
  const long = { factors: beyond.factors, rowCount: contextTokens };
  graph.constant('rope_boundary', [], [BigInt(beyond.boundaryTokens)]);
  if (target === 'dml') {
    for (const fn of FUNCTIONS) table(graph, TABLES[fn], fn, rope, [short, long]);
    return { ...TABLES, rows: shiftedPositions(graph) };
  }
  for (const fn of FUNCTIONS) {
    table(graph, `${fn}_cache_large`, fn, rope, [long]);
    table(graph, `${fn}_cache_small`, fn, rope, [short]);
  }
  const at = '/model/rope_caches_subgraph';
  graph.constant('zero', [1], [0n]);
  const isBeyond = graph.node('Greater', `${at}/Greater`, [maskWidth, 'rope_boundary']);
  const rowCount = graph.node('Unsqueeze', `${at}/Unsqueeze`, [maskWidth, 'zero']);
  const branch = (size: 'large' | 'small') => ({ graph: firstRows(graph, size, rowCount, rope.rotarySize / 2) });
  graph.node(
    'If',
    `${at}/If`,
    [isBeyond],
    { then_branch: branch('large'), else_branch: branch('small') },
    { outputs: [TABLES.cos, TABLES.sin] },
  );
  return TABLES;
}

/** Parts one below the other, each from position 0 on. */
function table(
  graph: GraphWriter,
  name: string,
  fn: 'cos' | 'sin',
  { theta, rotarySize, magnitude }: Rope,
  parts: readonly { readonly factors: Rope['factors']; readonly rowCount: number }[],
): void {
  const columnCount = rotarySize / 2;
  const totalRows = parts.reduce((sum, { rowCount }) => sum + rowCount, 0);
  const dtype = graph.floatDtype;
  let offsetBytes = graph.external(name, graph.floatType, [totalRows, columnCount]);
  for (const part of parts) {
    graph.tasks.push({ kind: 'rope', dtype, function: fn, theta, magnitude, columnCount, offsetBytes, ...part });
    offsetBytes += part.rowCount * columnCount * (dtype === 'fp16' ? 2 : 4);
  }
}

/** position_ids, and beyond the boundary as much more as there are rows of short factors. */
function shiftedPositions(graph: GraphWriter): string {
  const at = '/model/pos_ids_reformat';
  const highest = graph.node('ReduceMax', `${at}/ReduceMax`, [POSITION_IDS.name], { keepdims: int(0) });
  const isBeyond = graph.node('GreaterOrEqual', `${at}/GreaterOrEqual`, [highest, 'rope_boundary']);
  const zeroOrOne = graph.node('Cast', `${at}/Cast`, [isBeyond], { to: int(DATA_TYPE.int64) });
  const shift = graph.node('Mul', `${at}/Mul`, [zeroOrOne, 'rope_boundary']);
  return graph.node('Add', `${at}/Add_1`, [shift, POSITION_IDS.name]);
}

/**
 * The rows of one pair of tables that the run can need. Where a branch gives whole tables, as the builder's do, every
 * run copies them: 50 MB for each token of a context of 131,072.
 */
function firstRows(graph: GraphWriter, size: 'large' | 'small', rowCount: string, columnCount: number): OnnxSubgraph {
  const outputs = FUNCTIONS.map((fn): OnnxValue => ({
    name: `${fn}_cache_${size}_rows`,
    dataType: graph.floatType,
    shape: ['max_sequence_length', columnCount],
  }));
  const nodes = FUNCTIONS.map((fn): OnnxNode => ({
    opType: 'Slice',
    domain: '',
    name: `/${size}/${fn}_cache/Slice`,
    inputs: [`${fn}_cache_${size}`, 'zero', rowCount, 'zero'],
    outputs: [`${fn}_cache_${size}_rows`],
    attributes: {},
  }));
  return { name: `${size}_rope_caches_graph`, nodes, outputs };
}
