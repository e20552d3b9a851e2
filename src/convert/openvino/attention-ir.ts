/** What surrounds attention in an IR graph: rotary embedding, the mask, the KV cache. It holds no weights. */
import type { Attention, Rope } from '../decoder.js';
import { inverseFrequencies, wavelengths } from '../rope.js';
import type { IrGraph, Value } from './ir-graph.js';

/** Added to the scores of positions that are not attended to: the least finite f16, as optimum-intel has it. */
const MASKED_SCORE = -65504;
const NUMPY = { auto_broadcast: 'numpy' } as const;

/** Rows [start, stop) along an axis. */
export function slice(graph: IrGraph, value: Value, start: Value, stop: Value, axis: number): Value {
  return graph.operation('Slice', [value, start, stop, graph.i64([1]), graph.i64([axis])], {}, { version: 'opset8' });
}

export function gather(graph: IrGraph, value: Value, index: Value, axis: Value, name?: string): Value {
  return graph.operation(
    'Gather',
    [value, index, axis],
    { batch_dims: 0 },
    { version: 'opset8', ...(name === undefined ? {} : { name }) },
  );
}

function shapeOf(graph: IrGraph, value: Value): Value {
  return graph.operation('ShapeOf', [value], { output_type: 'i64' }, { type: 'i64', version: 'opset3' });
}

/** cos and sin, f32 [batch, 1, length, rotarySize]. */
export interface Rotation {
  readonly cos: Value;
  readonly sin: Value;
  readonly rotarySize: number;
}

/** Angles position * frequency, once for all layers, and magnitude times their cos and sin. */
export function rotation(graph: IrGraph, positionIds: Value, rope: Rope): Rotation {
  const row = graph.operation('Unsqueeze', [positionIds, graph.i64(1)]);
  const positions = graph.operation('Convert', [row], { destination_type: 'f32' }, { type: 'f32' });
  const frequencies = ropeFrequencies(graph, positionIds, rope);
  const product = graph.operation('MatMul', [frequencies, positions], { transpose_a: false, transpose_b: false });
  const angles = graph.operation('Transpose', [product, graph.i32([0, 2, 1])]);
  const both = graph.operation('Concat', [angles, angles], { axis: -1 });
  const of = (type: 'Cos' | 'Sin'): Value => {
    const value = graph.operation(type, [both]);
    const scaled =
      rope.magnitude === 1
        ? value
        : graph.operation('Multiply', [value, graph.f32([1, 1, 1], [rope.magnitude])], NUMPY);
    return graph.operation('Unsqueeze', [scaled, graph.i64(1)]);
  };
  return { cos: of('Cos'), sin: of('Sin'), rotarySize: rope.rotarySize };
}

/**
 * f32 [1 or batch, rotarySize / 2, 1]. Longrope's are chosen by the highest position of the run, in the very operations
 * of optimum-intel's export of transformers 5: NPUW finds them by their pattern (LongRopePatternPhi_v5) and the two
 * tables that it computes in their place are right beyond the boundary too.
 */
function ropeFrequencies(graph: IrGraph, positionIds: Value, { theta, rotarySize, factors, beyond }: Rope): Value {
  const half = rotarySize / 2;
  if (beyond === null) return graph.f32([1, half, 1], inverseFrequencies(theta, rotarySize, factors));
  const highest = graph.operation('ReduceMax', [positionIds, graph.i64([0, 1])], { keep_dims: false });
  const length = graph.operation('Add', [highest, graph.i64(1)], NUMPY);
  const isBeyond = graph.operation('Greater', [length, graph.i64(beyond.boundaryTokens)], NUMPY, { type: 'boolean' });
  const long = graph.f32([half], beyond.factors);
  const short = graph.f32([half], factors ?? Array<number>(half).fill(1));
  const chosen = graph.operation('Select', [isBeyond, long, short], NUMPY, { type: 'f32' });
  const scaled = graph.operation('Multiply', [chosen, graph.f32([half], wavelengths(theta, rotarySize))], NUMPY);
  const frequencies = graph.operation('Power', [scaled, graph.f32([], [-1])], NUMPY);
  const column = [0, 2].reduce((value, axis) => graph.operation('Unsqueeze', [value, graph.i64(axis)]), frequencies);
  const batch = gather(graph, shapeOf(graph, positionIds), graph.i64([0]), graph.i64(0));
  const shape = graph.operation('Concat', [batch, graph.i64([half]), graph.i64([1])], { axis: 0 });
  return graph.operation('Broadcast', [column, shape], { mode: 'bidirectional' }, { version: 'opset3' });
}

/** x cos + rotateHalf(x) sin on the first rotarySize elements of each head; x is f32 [batch, heads, length, headSize]. */
export function rotate(graph: IrGraph, x: Value, { cos, sin, rotarySize }: Rotation, headSize: number): Value {
  const elements = (value: Value, start: number, end: number): Value =>
    slice(graph, value, graph.i64([start]), graph.i64([end]), 3);
  const whole = rotarySize === headSize;
  const turned = whole ? x : elements(x, 0, rotarySize);
  const lower = elements(turned, 0, rotarySize / 2);
  const upper = elements(turned, rotarySize / 2, rotarySize);
  const negated = graph.operation('Multiply', [upper, graph.f32([1, 1, 1, 1], [-1])], NUMPY);
  const halves = graph.operation('Concat', [negated, lower], { axis: -1 });
  const result = graph.operation(
    'Add',
    [graph.operation('Multiply', [turned, cos], NUMPY), graph.operation('Multiply', [halves, sin], NUMPY)],
    NUMPY,
  );
  return whole ? result : graph.operation('Concat', [result, elements(x, rotarySize, headSize)], { axis: -1 });
}

/**
 * f32 [batch, 1, length, past + length]: 0 where a token attends, MASKED_SCORE elsewhere. Made of Select, because a
 * boolean mask gives wrong tokens under NPUW (OpenVINO 2026.4). Positions are counted along the cache, not read from
 * position_ids, which are not those of the cache where tokens were dropped or NPUW pads.
 *
 * With a window, operations and operands stand exactly as NPUW's Phi3SlidingMaskMatcher looks for them: it rewrites the
 * mask for a cache of fixed length, in which a token's place says nothing about its position.
 */
export function attentionMask(
  graph: IrGraph,
  inputIds: Value,
  attentionMaskInput: Value,
  windowTokens: number | null,
): Value {
  const zero = graph.i64(0);
  const one = graph.i64(1);
  const lengthOf = (value: Value): Value => gather(graph, shapeOf(graph, value), graph.i64([1]), zero);
  const total = lengthOf(attentionMaskInput);
  const length = lengthOf(inputIds);
  const past = gather(graph, graph.operation('Subtract', [total, length], NUMPY), zero, zero);
  const added = gather(graph, length, zero, zero);
  const range = (from: Value, to: Value): Value =>
    graph.operation('Range', [from, to, one], { output_type: 'i64' }, { version: 'opset4' });
  const unsqueezed = (value: Value, ...axes: number[]): Value =>
    axes.reduce((inner, axis) => graph.operation('Unsqueeze', [inner, graph.i64(axis)]), value);
  const compare = (type: 'LessEqual' | 'Greater', a: Value, b: Value): Value =>
    graph.operation(type, [a, b], NUMPY, { type: 'boolean' });
  const and = (a: Value, b: Value): Value => graph.operation('BitwiseAnd', [a, b], NUMPY, { version: 'opset13' });

  const end = graph.operation('Add', [past, added], NUMPY);
  const query = unsqueezed(range(past, end), 0, 1, 3);
  const key = unsqueezed(range(zero, end), 0, 1, 2);
  const present = graph.operation(
    'Convert',
    [attentionMaskInput],
    { destination_type: 'boolean' },
    { type: 'boolean' },
  );
  const isToken = unsqueezed(present, 1, 2);
  const causal = compare('LessEqual', key, query);
  let attends = causal;
  if (windowTokens !== null) {
    const firstSeen = graph.operation('Add', [query, graph.i64(-windowTokens)], NUMPY);
    attends = and(and(graph.boolean(true), compare('Greater', key, firstSeen)), causal);
  }
  attends = and(attends, isToken);
  return graph.operation('Select', [attends, graph.f32([], [0]), graph.f32([], [MASKED_SCORE])], NUMPY, {
    type: 'f32',
  });
}

/** f32 [batch, kvHeads, 0, headSize]: what a cache holds before the first token. */
export function emptyCache(graph: IrGraph, inputIds: Value, { kvHeadCount, headSize }: Attention): Value {
  const batch = gather(graph, shapeOf(graph, inputIds), graph.i64([0]), graph.i64(0));
  const shape = graph.operation('Concat', [batch, graph.i64([kvHeadCount]), graph.i64([0]), graph.i64([headSize])], {
    axis: 0,
  });
  return graph.operation(
    'Broadcast',
    [graph.f32([], [0]), shape],
    { mode: 'numpy' },
    { version: 'opset3', type: 'f32' },
  );
}

/**
 * Appends `current` [batch, kvHeads, length, headSize] to a variable and returns all of it, each head repeated for the
 * query heads that share it: f32 [batch, heads, past + length, headSize]. `part` is like `0.key`; names are those of
 * optimum-intel's exports, by which NPUW finds the cache.
 */
export function cached(
  graph: IrGraph,
  part: string,
  current: Value,
  from: { readonly empty: Value; readonly beamIndex: Value; readonly attention: Attention },
): Value {
  const { headCount, kvHeadCount, headSize } = from.attention;
  const past = `past_key_values.${part}`;
  const present = `present.${part}`;
  const variable = { variable_id: `${past}${present}` };
  const held = graph.operation(
    'ReadValue',
    [from.empty],
    { ...variable, variable_type: 'f32', variable_shape: `?,${kvHeadCount},?,${headSize}` },
    { version: 'opset6', tensorName: past },
  );
  const ordered = gather(graph, held, from.beamIndex, graph.i64(0));
  const all = graph.operation('Concat', [ordered, current], { axis: -2 }, { tensorName: present });
  graph.operation('Assign', [all], variable, { version: 'opset6' });
  if (kvHeadCount === headCount) return all;
  const grouped = graph.operation('Unsqueeze', [all, graph.i64(2)]);
  const repeated = graph.operation(
    'Broadcast',
    [grouped, graph.i64([1, 1, headCount / kvHeadCount, 1, 1])],
    { mode: 'bidirectional' },
    { version: 'opset3' },
  );
  return graph.operation('Reshape', [repeated, graph.i64([0, headCount, -1, headSize])], { special_zero: true });
}

/** [batch, length, count * headSize] -> [batch, count, length, headSize] */
export function splitHeads(graph: IrGraph, value: Value, count: number, headSize: number): Value {
  const parts = graph.operation('Reshape', [value, graph.i64([0, 0, count, headSize])], { special_zero: true });
  return graph.operation('Transpose', [parts, graph.i32([0, 2, 1, 3])]);
}

/** [batch, count, length, headSize] -> [batch, length, count * headSize] */
export function joinHeads(graph: IrGraph, value: Value, width: number): Value {
  const turned = graph.operation('Transpose', [value, graph.i32([0, 2, 1, 3])]);
  return graph.operation('Reshape', [turned, graph.i64([0, 0, width])], { special_zero: true });
}
