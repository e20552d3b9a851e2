/**
 * A Decoder and a plan for its matrices become a stateful OpenVINO graph and the tasks that fill its data file. The
 * graph has the shapes that the plug-ins fuse (RMS norm, rotary embedding, attention with KV cache) and that NPUW, the
 * NPU's front end, takes apart. It reads no weights and writes no file.
 */
import { UnsupportedError } from '../../errors.js';
import type { Decoder, RmsNorm } from '../decoder.js';
import type { TensorTask } from '../tensor-task.js';
import {
  attentionMask,
  cached,
  emptyCache,
  gather,
  joinHeads,
  rotate,
  rotation,
  slice,
  splitHeads,
} from './attention-ir.js';
import type { DataLayout } from './data-layout.js';
import { IrGraph, type Value } from './ir-graph.js';
import type { DecoderMatrices, LayerMatrices, WeightMatrix, WeightPlan } from './weight-plan.js';
import { WeightWriter } from './weight-writer.js';

export interface DecoderIr {
  readonly graph: IrGraph;
  /** Fill what the layout has reserved and did not have before. */
  readonly tasks: readonly TensorTask[];
}

export interface DecoderIrOptions {
  /**
   * Adds the input `logits_first_row` (i64 [1]): only rows from it on, of those that input_ids holds, go through the
   * head. 0 gives logits for all, L - 1 for the last of L, L - n for the last n.
   */
  readonly logitsFirstRow: boolean;
}

/** An end beyond any length. */
const INT64_MAX = 2n ** 63n - 1n;
const NUMPY = { auto_broadcast: 'numpy' } as const;

/** Throws MODEL_FEATURE_UNSUPPORTED where OpenVINO's fused operations could not run the shape. */
export function buildDecoderIr(
  decoder: Decoder,
  matrices: DecoderMatrices,
  plan: WeightPlan,
  layout: DataLayout,
  options: DecoderIrOptions,
): DecoderIr {
  checkHeads(decoder);
  const graph = new IrGraph(layout);
  const weights = new WeightWriter(graph, layout, plan);
  const { attention } = decoder;
  const { headCount, kvHeadCount, headSize } = attention;

  const inputIds = graph.parameter('input_ids', 'i64', '?,?');
  const maskInput = graph.parameter('attention_mask', 'i64', '?,?');
  const positionIds = graph.parameter('position_ids', 'i64', '?,?');
  const beamIndex = graph.parameter('beam_idx', 'i32', '?');
  const firstRow = options.logitsFirstRow ? graph.parameter('logits_first_row', 'i64', '1') : null;

  const angles = rotation(graph, positionIds, decoder.rope);
  const mask = attentionMask(graph, inputIds, maskInput, attention.windowTokens);
  const cacheFrom = { empty: emptyCache(graph, inputIds, attention), beamIndex, attention };
  const scale = graph.f32([], [attention.scale]);

  const index = graph.operation('Convert', [inputIds], { destination_type: 'i32' }, { type: 'i32' });
  const table = weights.matrix(matrices.embedding);
  let hidden = gather(graph, table, index, graph.i32(0), '__module.model.embed_tokens/aten::embedding/Gather');
  matrices.layers.forEach((layer, number) => {
    const [inputNorm, postAttentionNorm] = norms(decoder, number);
    const [q, k, v] = qkv(graph, weights, rmsNorm(graph, weights, hidden, inputNorm), layer, decoder);
    const turned = (value: Value, count: number): Value =>
      rotate(graph, splitHeads(graph, value, count, headSize), angles, headSize);
    const keys = cached(graph, `${number}.key`, turned(k, kvHeadCount), cacheFrom);
    const values = cached(graph, `${number}.value`, splitHeads(graph, v, kvHeadCount, headSize), cacheFrom);
    const attended = graph.operation(
      'ScaledDotProductAttention',
      [turned(q, headCount), keys, values, mask, scale],
      { causal: false },
      { version: 'opset13' },
    );
    const joined = joinHeads(graph, attended, headCount * headSize);
    hidden = graph.operation('Add', [hidden, matMul(graph, weights, joined, layer.attentionOutput)], NUMPY);

    const [gate, up] = gateUp(graph, weights, rmsNorm(graph, weights, hidden, postAttentionNorm), layer);
    const activated = graph.operation('Swish', [gate], {}, { version: 'opset4' });
    const product = graph.operation('Multiply', [up, activated], NUMPY);
    hidden = graph.operation('Add', [hidden, matMul(graph, weights, product, layer.down)], NUMPY);
  });

  const normalised = rmsNorm(graph, weights, hidden, decoder.finalNorm);
  const rows = firstRow === null ? normalised : slice(graph, normalised, firstRow, graph.i64([INT64_MAX]), 1);
  const logits = matMul(graph, weights, rows, matrices.head, { name: '__module.lm_head', tensorName: 'logits' });
  graph.operation('Result', [logits], {}, { name: 'logits/sink', outputCount: 0 });
  return { graph, tasks: weights.tasks };
}

function norms(decoder: Decoder, number: number): [RmsNorm, RmsNorm] {
  const layer = decoder.layers[number];
  if (layer === undefined) throw new RangeError(`The decoder has no layer ${number}.`);
  return [layer.inputNorm, layer.postAttentionNorm];
}

/** x / sqrt(mean(x^2) + epsilon) * weight, in the steps that the plug-ins fuse to one. */
function rmsNorm(graph: IrGraph, weights: WeightWriter, x: Value, { tensor, size, epsilon }: RmsNorm): Value {
  const number = (value: number): Value => graph.f32([1, 1, 1], [value]);
  const square = graph.operation('Power', [x, number(2)], NUMPY);
  const mean = graph.operation('ReduceMean', [square, graph.i64([-1])], { keep_dims: true });
  const root = graph.operation('Sqrt', [graph.operation('Add', [mean, number(epsilon)], NUMPY)]);
  const reciprocal = graph.operation('Divide', [number(1), root], { ...NUMPY, m_pythondiv: true });
  return graph.operation(
    'Multiply',
    [weights.vector(tensor, size), graph.operation('Multiply', [x, reciprocal], NUMPY)],
    NUMPY,
  );
}

/** x [.., inputSize] -> f32 [.., outputSize] */
function matMul(
  graph: IrGraph,
  weights: WeightWriter,
  x: Value,
  matrix: WeightMatrix,
  { name, tensorName }: { readonly name: string; readonly tensorName?: string } = { name: moduleName(matrix) },
): Value {
  return graph.operation(
    'MatMul',
    [x, weights.matrix(matrix)],
    { transpose_a: false, transpose_b: true },
    { name: `${name}/aten::linear/MatMul`, ...(tensorName === undefined ? {} : { tensorName }) },
  );
}

/** As optimum-intel's exports name it: of the module in PyTorch. */
function moduleName(matrix: WeightMatrix): string {
  return `__module.${matrix.name.replace(/\.weight$/, '')}`;
}

/** By one matrix, then split, or by three. */
function qkv(
  graph: IrGraph,
  weights: WeightWriter,
  x: Value,
  layer: LayerMatrices,
  { attention: { headCount, kvHeadCount, headSize } }: Decoder,
): [Value, Value, Value] {
  const [first, second, third] = layer.qkv;
  if (first === undefined) throw new RangeError('A layer without q, k and v.');
  const q = matMul(graph, weights, x, first);
  if (second !== undefined && third !== undefined) {
    return [q, matMul(graph, weights, x, second), matMul(graph, weights, x, third)];
  }
  const sizes = [headCount, kvHeadCount, kvHeadCount].map((count) => count * headSize);
  const parts = graph.operation('VariadicSplit', [q, graph.i64(2), graph.i64(sizes)], {}, { outputCount: 3 });
  return [graph.output(parts, 0), graph.output(parts, 1), graph.output(parts, 2)];
}

/** By one matrix, then split in halves, or by two. */
function gateUp(graph: IrGraph, weights: WeightWriter, x: Value, layer: LayerMatrices): [Value, Value] {
  const [first, second] = layer.gateUp;
  if (first === undefined) throw new RangeError('A layer without gate and up.');
  const gate = matMul(graph, weights, x, first);
  if (second !== undefined) return [gate, matMul(graph, weights, x, second)];
  const size = first.linear.outputSize / 2;
  const halves = graph.operation(
    'VariadicSplit',
    [gate, graph.i64(-1), graph.i32([size, size])],
    {},
    { outputCount: 2 },
  );
  return [graph.output(halves, 0), graph.output(halves, 1)];
}

function checkHeads({ attention: { headCount, kvHeadCount }, rope: { rotarySize } }: Decoder): void {
  const problems = [
    rotarySize % 2 === 0 && rotarySize > 0 ? '' : `a rotary size of ${rotarySize} (an even number is needed)`,
    headCount % kvHeadCount === 0 ? '' : `${headCount} heads that share ${kvHeadCount} KV heads unevenly`,
  ].filter((problem) => problem !== '');
  if (problems.length === 0) return;
  throw new UnsupportedError('MODEL_FEATURE_UNSUPPORTED', `This model cannot be exported: ${problems.join('; ')}.`, {
    details: { headCount, kvHeadCount, rotarySize },
  });
}
