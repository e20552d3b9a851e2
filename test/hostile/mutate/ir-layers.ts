/**
 * The directed sweep over an OpenVINO IR: what goes into every port of every kind of layer replaced by every other kind of
 * earlier output, left out, and exchanged with its neighbour; every attribute by extremes. Nothing is random: a number
 * names the change.
 */
import { DirectedSweep } from './directed-sweep.js';

interface Layer {
  readonly id: number;
  readonly type: string;
  /** Where its text begins and ends. */
  readonly start: number;
  readonly end: number;
  /** Of each output port: its id, and its type and sizes as written. */
  readonly outputs: readonly { readonly port: string; readonly kind: string }[];
}

interface Edge {
  readonly text: string;
  readonly index: number;
  readonly from: number;
  readonly fromPort: string;
  readonly to: number;
  readonly toPort: string;
}

interface Change {
  readonly what: string;
  readonly apply: (xml: string) => string;
}

const EXTREMES: readonly string[] = [
  ...['0', '1', '-1', '2', '-2', '3', '7', '64', '2147483647', '-2147483648', '4294967296', '9223372036854775807'],
  ...['-9223372036854775808', '', 'true', 'false', '1e38', 'nan', '0,0', '-1,-1,-1', 'f32', 'i64', 'boolean'],
];
/** Attributes whose values are names; those of constants are swept with the weights. */
const NAMES: readonly string[] = ['variable_id', 'offset', 'size'];

export function sweepLayers(xml: string): DirectedSweep {
  return new DirectedSweep(() =>
    [...changesOf(xml)].map(({ what, apply }) => ({ what, make: () => Buffer.from(apply(xml)) })),
  );
}

const cut = (xml: string, start: number, end: number, by: string): string => xml.slice(0, start) + by + xml.slice(end);

function layersOf(xml: string): Layer[] {
  return [...xml.matchAll(/<layer id="(\d+)"[^>]*? type="(\w+)".*?<\/layer>/gs)].map((found) => {
    const [text, id, type = ''] = found;
    const output = /<output>(.*?)<\/output>/s.exec(text)?.[1] ?? '';
    const outputs = [...output.matchAll(/<port id="(\d+)" precision="(\w+)"[^>]*>(.*?)<\/port>/gs)].map(
      ([, port = '', precision = '', inside = '']) => ({
        port,
        kind: `${type} ${precision} [${[...inside.matchAll(/<dim>(.*?)<\/dim>/g)].map(([, size]) => size).join(', ')}]`,
      }),
    );
    return { id: Number(id), type, start: found.index, end: found.index + text.length, outputs };
  });
}

function edgesOf(xml: string): Edge[] {
  const pattern = /<edge from-layer="(\d+)" from-port="(\d+)" to-layer="(\d+)" to-port="(\d+)"[^>]*>/g;
  return [...xml.matchAll(pattern)].map((found) => {
    const [text, from, fromPort = '', to, toPort = ''] = found;
    return { text, index: found.index, from: Number(from), fromPort, to: Number(to), toPort };
  });
}

function* changesOf(xml: string): Generator<Change> {
  const [layers, edges] = [layersOf(xml), edgesOf(xml)];
  const byId = new Map(layers.map((layer) => [layer.id, layer]));
  const kindOf = ({ from, fromPort }: Edge): string =>
    byId.get(from)?.outputs.find(({ port }) => port === fromPort)?.kind ?? '';
  const order = new Map(layers.map(({ id }, at) => [id, at]));
  const seen = new Set<string>();
  for (const [at, layer] of layers.entries()) {
    const inputs = edges.filter(({ to }) => to === layer.id);
    const signature = `${layer.type}(${inputs.map(kindOf).join('; ')})`;
    if (layer.type === 'Const' || seen.has(signature)) continue;
    seen.add(signature);
    const label = `layer ${layer.id} ${layer.type}`;
    // Earlier ones alone: others would make a cycle.
    const others = new Map(
      layers
        .filter(({ id }) => (order.get(id) ?? 0) < at)
        .flatMap(({ id, outputs }) => outputs.map(({ port, kind }) => [kind, { id, port }] as const)),
    );
    for (const edge of inputs) yield* edgeChanges(label, edge, inputs, kindOf(edge), others);
    yield* attributeChanges(label, xml.slice(layer.start, layer.end), layer.start);
  }
}

function* edgeChanges(
  label: string,
  edge: Edge,
  inputs: readonly Edge[],
  own: string,
  others: ReadonlyMap<string, { readonly id: number; readonly port: string }>,
): Generator<Change> {
  const { text, index, to, toPort } = edge;
  const place = `${label}, port ${toPort}`;
  const from = (id: number, port: string) => (xml: string) =>
    cut(
      xml,
      index,
      index + text.length,
      `<edge from-layer="${id}" from-port="${port}" to-layer="${to}" to-port="${toPort}"/>`,
    );
  yield { what: `${place}: left out`, apply: (xml) => cut(xml, index, index + text.length, '') };
  for (const other of inputs) {
    if (other !== edge) yield { what: `${place}: as port ${other.toPort}`, apply: from(other.from, other.fromPort) };
  }
  for (const [kind, { id, port }] of others) {
    if (kind !== own) yield { what: `${place}: ${kind}`, apply: from(id, port) };
  }
}

function* attributeChanges(label: string, text: string, start: number): Generator<Change> {
  const data = /<data ([^>]*?)\/?>/.exec(text);
  if (data === null) return;
  const [, list = ''] = data;
  const first = start + data.index + data[0].indexOf(list);
  for (const found of list.matchAll(/([\w-]+)="([^"]*)"/g)) {
    const [whole, name = '', own] = found;
    if (NAMES.includes(name)) continue;
    const at = first + found.index;
    for (const value of EXTREMES) {
      if (value === own) continue;
      yield {
        what: `${label}, ${name}: '${value}'`,
        apply: (xml) => cut(xml, at, at + whole.length, `${name}="${value}"`),
      };
    }
    yield { what: `${label}, ${name}: left out`, apply: (xml) => cut(xml, at, at + whole.length, '') };
  }
}
