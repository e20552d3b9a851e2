import { describe, expect, it } from 'vitest';
import { checkGraph, MAX_GRAPH_DEPTH } from './ir-graph.js';
import type { IrXml } from './ir-xml.js';

/** Layers 0 to `count` - 1 and edges of the form [from, to]. */
function graphOf(count: number, edges: readonly (readonly [number, number])[]): IrXml {
  const ids = Array.from({ length: count }, (_, id) => String(id));
  return {
    file: 'model.xml',
    xmlBytes: 0,
    version: 11,
    layers: new Map(ids.map((id) => [id, { id, name: id, type: 'Relu', data: {}, outputs: [] }])),
    sources: new Map(edges.map(([from, to], port) => [`${to}:${port}`, String(from)])),
    sourcePorts: new Map(),
    constants: [],
    rtInfo: new Map(),
  };
}
const chain = (count: number): IrXml => {
  return graphOf(
    count,
    Array.from({ length: count - 1 }, (_, i) => [i, i + 1] as const),
  );
};

describe('checkGraph', () => {
  it.each([
    ['nothing', graphOf(0, [])],
    ['layers apart', graphOf(3, [])],
    [
      'a diamond',
      graphOf(4, [
        [0, 1],
        [0, 2],
        [1, 3],
        [2, 3],
      ]),
    ],
    [
      'an input that feeds a layer twice',
      graphOf(2, [
        [0, 1],
        [0, 1],
      ]),
    ],
    ['the deepest chain', chain(MAX_GRAPH_DEPTH)],
  ])('takes %s', (_, graph) => {
    expect(() => checkGraph(graph)).not.toThrow();
  });

  it.each([
    ['a layer that feeds itself', graphOf(1, [[0, 0]]), 'FILE_MALFORMED'],
    [
      'a cycle behind an input',
      graphOf(3, [
        [0, 1],
        [1, 2],
        [2, 1],
      ]),
      'FILE_MALFORMED',
    ],
    ['an edge from a layer that is not there', graphOf(2, [[7, 1]]), 'FILE_MALFORMED'],
    ['an edge to one', graphOf(2, [[0, 7]]), 'FILE_MALFORMED'],
    ['a chain that is too deep', chain(MAX_GRAPH_DEPTH + 1), 'FILE_LIMIT_EXCEEDED'],
  ])('refuses %s', (_, graph, code) => {
    expect(() => checkGraph(graph)).toThrow(expect.objectContaining({ code }));
  });
});
