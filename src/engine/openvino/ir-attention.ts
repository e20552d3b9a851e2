/**
 * Whether what OpenVINO's CPU plug-in fuses into rotary embedding and attention is what it takes it for. It recognises
 * such layers by their kind and order; with other numbers than it expects (2026.4: halves that are none, heads that are
 * not those of the KV cache) it reads and writes beyond its memory. ir-shapes.ts sees this where a file states shapes;
 * aipc's own graphs state none, so here it is worked out from the constants.
 */
import { ModelFormatError } from '../../errors.js';
import type { ConstantNumbers } from './ir-constants.js';
import type { IrLayer, IrXml } from './ir-xml.js';

/** Of the KV cache: [batch, kvHeads, tokens, headSize]. */
export interface CacheShape {
  readonly kvHeads: number;
  readonly headSize: number;
}

/** Beyond every dimension: where a slice ends that goes to the end. */
const OPEN_END = 2n ** 31n;

/** Throws FILE_MALFORMED. */
export async function checkAttention(xml: IrXml, numbers: ConstantNumbers, cache: CacheShape): Promise<void> {
  const graph = new Graph(xml);
  for (const layer of xml.layers.values()) {
    let problem: string | undefined;
    if (layer.type === 'Concat') problem = await findWrongHalves(graph, layer, numbers, cache);
    else if (layer.type === 'Reshape') problem = await findWrongHeads(graph, layer, numbers, cache);
    if (problem === undefined) continue;
    throw new ModelFormatError(
      'FILE_MALFORMED',
      `${xml.file}: the layer ${layer.name} (${layer.type}) ${problem}. This is not a sound OpenVINO IR: download or ` +
        'export it anew.',
      { details: { file: xml.file, layer: layer.name, type: layer.type, ...cache } },
    );
  }
}

class Graph {
  readonly #xml: IrXml;
  readonly #targets = new Map<string, string[]>();

  constructor(xml: IrXml) {
    this.#xml = xml;
    for (const [input, from] of xml.sources) {
      const targets = this.#targets.get(from);
      const to = input.slice(0, input.indexOf(':'));
      if (targets === undefined) this.#targets.set(from, [to]);
      else targets.push(to);
    }
  }

  input(layer: IrLayer | undefined, port: number): IrLayer | undefined {
    return layer && this.#xml.layers.get(this.#xml.sources.get(`${layer.id}:${port}`) ?? '');
  }

  feeds({ id }: IrLayer, type: string): boolean {
    return (this.#targets.get(id) ?? []).some((to) => this.#xml.layers.get(to)?.type === type);
  }
}

interface Bounds {
  readonly start: bigint;
  readonly stop: bigint;
  readonly step: bigint;
}

/** Of a slice of one dimension. */
async function readBounds(graph: Graph, slice: IrLayer, numbers: ConstantNumbers): Promise<Bounds | undefined> {
  const read: bigint[] = [];
  for (const port of [1, 2, 3]) {
    const [number, more] = (await numbers.read(graph.input(slice, port))) ?? [];
    if (number === undefined || more !== undefined) return undefined;
    read.push(number);
  }
  const [start = 0n, stop = 0n, step = 0n] = read;
  return { start, stop, step };
}

/** Concat(-1 x[half..], x[..half]) is half of a rotary embedding. */
async function findWrongHalves(
  graph: Graph,
  concat: IrLayer,
  numbers: ConstantNumbers,
  { headSize }: CacheShape,
): Promise<string | undefined> {
  const negated = graph.input(concat, 0);
  if (negated?.type !== 'Multiply') return undefined;
  const [upper, lower] = [graph.input(negated, 0), graph.input(concat, 1)];
  if (upper?.type !== 'Slice' || lower?.type !== 'Slice') return undefined;
  if (graph.input(upper, 0) !== graph.input(lower, 0)) return undefined;
  const [from, to] = [await readBounds(graph, upper, numbers), await readBounds(graph, lower, numbers)];
  if (from === undefined || to === undefined) return undefined;
  const half = to.stop;
  const areHalves =
    to.start === 0n &&
    half > 0n &&
    2n * half <= BigInt(headSize) &&
    from.start === half &&
    (from.stop === 2n * half || from.stop >= OPEN_END) &&
    from.step === 1n &&
    to.step === 1n;
  if (areHalves) return undefined;
  return (
    `rotates parts of heads of ${headSize}, from ${from.start} to ${from.stop} by ${from.step} and from ${to.start} to ` +
    `${to.stop} by ${to.step}, which are not the two halves of one`
  );
}

/** [0, 0, heads, headSize] before heads are turned forward, [0, heads, -1, headSize] after they were repeated. */
async function findWrongHeads(
  graph: Graph,
  reshape: IrLayer,
  numbers: ConstantNumbers,
  { kvHeads, headSize }: CacheShape,
): Promise<string | undefined> {
  if (reshape.outputs[0]?.dims.length !== 0) return undefined; // ir-shapes.ts compares with what the file says
  const shape = await numbers.read(graph.input(reshape, 1));
  const isSplit = shape?.length === 4 && graph.feeds(reshape, 'Transpose');
  const isRepeated = shape?.length === 4 && graph.input(reshape, 0)?.type === 'Broadcast';
  const isJoined = shape?.length === 3 && graph.input(graph.input(reshape, 0), 0)?.type === 'ScaledDotProductAttention';
  if (shape === undefined || !(isSplit || isRepeated || isJoined)) return undefined;
  const [batch, second = 0n, third = 0n, last] = shape;
  const areHeads = (count: bigint): boolean => count > 0n && count % BigInt(kvHeads) === 0n;
  const isSound =
    batch === 0n &&
    (isJoined
      ? second === 0n && third > 0n && third % BigInt(headSize) === 0n
      : last === BigInt(headSize) &&
        (isSplit ? second === 0n && areHeads(third) : areHeads(second) && (third === -1n || third === 0n)));
  if (isSound) return undefined;
  return `makes the shape [${shape.join(', ')}] of heads; the KV cache has ${kvHeads} heads of ${headSize}`;
}
