/**
 * Gives a ready-made decoder graph the input that aipc's own graphs have (LOGITS_FIRST_ROW): ready-made ones compute a
 * row of logits for each token of a prompt, which takes longer than the rest of the prefill. The .bin stays as it is: the
 * constants that the inserted Slice needs are ones that the graph already has. It changes text and runs nothing.
 */
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sax from 'sax';
import { LOGITS_FIRST_ROW } from './input-names.js';
import type { IrInput } from './ir-outline.js';
import { findLmHead } from './ir-weights.js';
import type { IrPort, IrXml } from './ir-xml.js';

/** Longer texts are left as they are: they are held in memory here. Phi-3-mini's has 3 MB. */
export const MAX_REWRITTEN_XML_BYTES = 32 * 2 ** 20;
/** Beyond every context length: where a slice ends that goes to the end. */
const LEAST_STOP = 2n ** 31n;
/** A graph repeats few constants many times; these are found among the first. */
const MAX_CONSTANTS_READ = 10_000;

/** A rewritten XML in a folder of its own; its weights stay in the model's .bin. */
export interface RewrittenXml extends AsyncDisposable {
  readonly file: string;
}

/** The inputs of a rewritten graph. */
export function withLogitsFirstRow(inputs: ReadonlyMap<string, IrInput>): Map<string, IrInput> {
  return new Map([...inputs, [LOGITS_FIRST_ROW, { name: LOGITS_FIRST_ROW, elementType: 'i64' }]]);
}

/** Undefined where the graph has the input, or  is not like those that are known: it then runs as it is. */
export async function rewriteLogitsRows(xml: IrXml, binFile: string): Promise<RewrittenXml | undefined> {
  if ([...xml.layers.values()].some(({ type, name }) => type === 'Parameter' && name === LOGITS_FIRST_ROW))
    return undefined;
  const text = await rewrite(xml, binFile);
  if (text === undefined) return undefined;
  const folder = await mkdtemp(path.join(tmpdir(), 'aipc-ir-'));
  const file = path.join(folder, 'openvino_model.xml');
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true, maxRetries: 5 }); // Windows keeps open files
  try {
    await writeFile(file, text);
  } catch (error) {
    await remove();
    throw error;
  }
  return { file, [Symbol.asyncDispose]: remove };
}

async function rewrite(xml: IrXml, binFile: string): Promise<string | undefined> {
  const head = findLmHead(xml);
  const producer = head === undefined ? undefined : xml.layers.get(xml.sources.get(`${head.id}:0`) ?? '');
  // f32 [batch, tokens, hidden], as far as the file says it.
  const hidden = producer?.outputs.length === 1 ? producer.outputs[0] : undefined;
  if (head === undefined || hidden?.dims.length !== 3 || hidden.dims[1] !== -1) return undefined;
  if (xml.xmlBytes > MAX_REWRITTEN_XML_BYTES) return undefined;
  const constants = await findConstants(xml, binFile);
  if (constants === undefined) return undefined;
  const text = await readFile(xml.file, 'utf8');
  const places = findPlaces(text, head.id);
  if (places === undefined) return undefined;
  const ids = [...xml.layers.keys()].map(Number);
  const firstId = Math.max(...ids) + 1;
  if (!Number.isSafeInteger(firstId)) return undefined;
  const layers = sliceLayers(firstId, hidden, constants);
  const { from, fromPort } = places.edge;
  const edges = sliceEdges(firstId, { from, fromPort, to: head.id });
  return (
    text.slice(0, places.layersEnd) +
    layers +
    text.slice(places.layersEnd, places.edge.start) +
    edges +
    text.slice(places.edge.end)
  );
}

/** Offsets in the .bin of i64 values that the Slice needs. */
interface Constants {
  readonly one: number;
  readonly stop: number;
}

async function findConstants(xml: IrXml, binFile: string): Promise<Constants | undefined> {
  const offsets = new Set(
    xml.constants.filter(({ elementType, size }) => elementType === 'i64' && size === 8).map(({ offset }) => offset),
  );
  let one: number | undefined;
  let stop: number | undefined;
  const bytes = Buffer.alloc(8);
  const handle = await open(binFile);
  try {
    for (const offset of [...offsets].slice(0, MAX_CONSTANTS_READ)) {
      const { bytesRead } = await handle.read(bytes, 0, 8, offset);
      if (bytesRead < 8) continue;
      const value = bytes.readBigInt64LE();
      if (value === 1n) one ??= offset;
      else if (value >= LEAST_STOP) stop ??= offset;
      if (one !== undefined && stop !== undefined) return { one, stop };
    }
  } finally {
    await handle.close();
  }
  return undefined;
}

/** Where to cut the text, as indices of it. */
interface Places {
  /** Of the main graph's </layers>. */
  readonly layersEnd: number;
  /** The edge from the last hidden states to lm_head. */
  readonly edge: { readonly start: number; readonly end: number; readonly from: string; readonly fromPort: string };
}

function findPlaces(text: string, headId: string): Places | undefined {
  const parser = sax.parser(true, { position: true });
  let depth = 0;
  let layersEnd: number | undefined;
  let edge: Places['edge'] | undefined;
  parser.onopentag = ({ name, attributes }) => {
    depth += 1;
    if (depth !== 3 || name !== 'edge' || attributes['to-layer'] !== headId || attributes['to-port'] !== '0') return;
    const { 'from-layer': from = '', 'from-port': fromPort = '' } = attributes as Record<string, string>;
    edge = { start: parser.startTagPosition - 1, end: parser.position, from, fromPort };
  };
  parser.onclosetag = (name) => {
    depth -= 1;
    if (depth === 1 && name === 'layers') layersEnd = parser.startTagPosition - 1;
  };
  parser.write(text).close();
  if (layersEnd === undefined || edge === undefined) return undefined;
  // An edge of this form, after the layers, is what every writer of this format makes.
  const isAsKnown =
    text.startsWith('</layers', layersEnd) &&
    text.startsWith('<edge', edge.start) &&
    text.slice(edge.start, edge.end).endsWith('/>') &&
    /^\d+$/.test(edge.from) &&
    /^\d+$/.test(edge.fromPort) &&
    layersEnd < edge.start;
  return isAsKnown ? { layersEnd, edge } : undefined;
}

function port(id: number, precision: string, dims: readonly number[], names = ''): string {
  return `<port id="${id}" precision="${precision}"${names}>${dims.map((size) => `<dim>${size}</dim>`).join('')}</port>`;
}

/** logits_first_row, the end and 1, Slice(hidden, first row, end, step 1, axis 1): ids from `firstId` on. */
function sliceLayers(firstId: number, hidden: IrPort, { one, stop }: Constants): string {
  const constant = (id: number, name: string, offset: number): string =>
    `<layer id="${id}" name="${LOGITS_FIRST_ROW}/${name}" type="Const" version="opset1">` +
    `<data element_type="i64" shape="1" offset="${offset}" size="8" />` +
    `<output>${port(0, 'I64', [1])}</output></layer>`;
  const inputs = [1, 2, 3, 4].map((id) => port(id, 'I64', [1])).join('');
  return (
    `<layer id="${firstId}" name="${LOGITS_FIRST_ROW}" type="Parameter" version="opset1">` +
    `<data shape="1" element_type="i64" /><output>${port(0, 'I64', [1], ` names="${LOGITS_FIRST_ROW}"`)}</output></layer>` +
    constant(firstId + 1, 'stop', stop) +
    constant(firstId + 2, 'one', one) +
    `<layer id="${firstId + 3}" name="${LOGITS_FIRST_ROW}/Slice" type="Slice" version="opset8">` +
    `<input>${port(0, hidden.precision, hidden.dims)}${inputs}</input>` +
    `<output>${port(5, hidden.precision, hidden.dims)}</output></layer>`
  );
}

function sliceEdges(firstId: number, { from, fromPort, to }: { from: string; fromPort: string; to: string }): string {
  const slice = firstId + 3;
  const edge = (
    fromLayer: string | number,
    outPort: string | number,
    toLayer: string | number,
    inPort: number,
  ): string => `<edge from-layer="${fromLayer}" from-port="${outPort}" to-layer="${toLayer}" to-port="${inPort}" />`;
  return [
    edge(from, fromPort, slice, 0),
    edge(firstId, 0, slice, 1),
    edge(firstId + 1, 0, slice, 2),
    edge(firstId + 2, 0, slice, 3),
    edge(firstId + 2, 0, slice, 4),
    edge(slice, 5, to, 0),
  ].join('');
}
