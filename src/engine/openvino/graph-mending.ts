/**
 * What the CPU plug-in's graph needs after a run of it was cancelled. It runs nothing.
 *
 * All requests of a compiled model share one graph (of each stream). A run first gives each operation its new shapes, and
 * when the operation has run, the plug-in notes them. A cancelled run leaves operations with its own shapes and the notes
 * of the run before: a later run of those noted shapes then takes them for unchanged, computes with the cancelled run's, and
 * writes beyond its buffers (seen in 2026.4.1 within tens of cancelled prompts). A complete run whose shapes differ from
 * those noted gives every operation new shapes, and all is as before. Source: OpenVINO, src/plugins/intel_cpu/src/node.cpp
 * (updateShapes, inputShapesModified, updateLastInputDims) and graph.cpp (InferDynamic).
 */

/** What decides the shapes in a run; of the positions in the cache before it, which do too, see mendingRun(). */
export interface RunShape {
  readonly tokens: number;
  /** Positions in the cache after it. */
  readonly width: number;
  /** Of logits. */
  readonly rows: number;
}

/**
 * The run on an empty cache that mends the graph, where `noted` was the last complete run and the cancelled one was on an
 * empty cache too: an operation whose shape depends on nothing else but the past then has the right one either way.
 */
export function mendingRun(noted: RunShape, hasLogitsFirstRow: boolean): RunShape {
  const tokens = [2, 3, 4].find((count) => count !== noted.tokens && count !== noted.width) ?? 0; // two cannot rule out three
  return { tokens, width: tokens, rows: !hasLogitsFirstRow ? tokens : noted.rows === 1 ? 2 : 1 };
}

/** How far logits of the same run may lie apart, as a share of the largest. */
const TOLERANCE = 1e-3;

/** Whether a run gave what it gave on the graph as it was loaded. */
export function isSameRow(row: Float32Array, expected: Float32Array): boolean {
  const largest = expected.reduce((most, value) => (Number.isNaN(value) ? most : Math.max(most, Math.abs(value))), 0);
  return row.every((value, at) => {
    const wanted = expected[at] ?? NaN;
    return Object.is(value, wanted) || Math.abs(value - wanted) <= TOLERANCE * largest;
  });
}
