import sax from 'sax';
import { describe, expect, it } from 'vitest';
import { DataLayout } from './data-layout.js';
import { IrGraph } from './ir-graph.js';
import { escapeXml, irXml } from './ir-xml.js';

/** Attributes of all elements of a name, in order; throws where the XML is not well-formed. */
function elements(xml: string, name: string): Record<string, string>[] {
  const found: Record<string, string>[] = [];
  const parser = sax.parser(true);
  parser.onopentag = (tag) => {
    if (tag.name === name) found.push(tag.attributes as Record<string, string>);
  };
  parser.onerror = (error) => {
    throw error;
  };
  parser.write(xml).close();
  return found;
}

const HOSTILE = `<a href="x" & 'y'>\n\t\r]]>`;

describe('irXml', () => {
  it('numbers layers and ports, inputs before outputs, and draws an edge for each input', () => {
    const graph = new IrGraph(new DataLayout());
    const a = graph.parameter('a', 'i64', '?,3');
    const parts = graph.operation('VariadicSplit', [a, graph.i64(1), graph.i64([1, 2])], {}, { outputCount: 2 });
    graph.operation('Result', [graph.output(parts, 1)], {}, { outputCount: 0 });
    const xml = irXml(graph, {});
    expect(elements(xml, 'layer').map(({ id, type }) => `${id} ${type}`)).toEqual([
      '0 Parameter',
      '1 Const',
      '2 Const',
      '3 VariadicSplit',
      '4 Result',
    ]);
    expect(elements(xml, 'edge').map((edge) => Object.values(edge).join(' '))).toEqual([
      '0 0 3 0',
      '1 0 3 1',
      '2 0 3 2',
      '3 4 4 0',
    ]);
    expect(elements(xml, 'port').map(({ id, precision }) => `${id} ${precision ?? ''}`.trim())).toEqual([
      '0 I64',
      '0 I64',
      '0 I64',
      '0',
      '1',
      '2',
      '3 I64',
      '4 I64',
      '0',
    ]);
  });

  it('keeps names and values with markup and line breaks as they are', () => {
    const graph = new IrGraph(new DataLayout());
    graph.operation('Parameter', [], { shape: HOSTILE }, { name: HOSTILE, tensorName: HOSTILE });
    const xml = irXml(graph, { outer: { inner: HOSTILE } });
    expect(elements(xml, 'layer')[0]?.['name']).toBe(HOSTILE);
    expect(elements(xml, 'data')[0]?.['shape']).toBe(HOSTILE);
    expect(elements(xml, 'port')[0]?.['names']).toBe(HOSTILE);
    expect(elements(xml, 'inner')[0]?.['value']).toBe(HOSTILE);
  });

  it('replaces what XML cannot hold', () => {
    expect(escapeXml('a\u0000b\u001bc\ud800d\u{1f600}')).toBe('a\ufffdb\ufffdc\ufffdd\u{1f600}');
  });
});

describe('DataLayout', () => {
  it('shares equal constants and named room, aligned to 64 bytes', () => {
    const layout = new DataLayout();
    const graph = new IrGraph(layout);
    graph.i64([1, 2]);
    graph.i64([1, 2]);
    expect(layout.smallConstants).toHaveLength(1);
    expect(layout.totalBytes).toBe(16);
    expect(layout.reserve('w', 100)).toEqual({ offsetBytes: 64, isNew: true });
    expect(layout.reserve('w', 100)).toEqual({ offsetBytes: 64, isNew: false });
    graph.i32(7);
    expect(layout.smallConstants.at(-1)?.offsetBytes).toBe(192);
    expect(layout.totalBytes).toBe(196);
  });
});
