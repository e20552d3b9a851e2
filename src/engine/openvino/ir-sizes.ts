/**
 * Follows the sizes of an IR's graph before the runtime sees it (graph-size/follow-sizes.ts): layers in their order become
 * nodes with their attributes and small constants; inputs are as aipc binds them, states as a run leaves them. What the
 * types of layers compute stands in ir-size-rules.ts.
 */
import { ModelFormatError } from '../../errors.js';
import { extentOf, type Extent, type Sizes } from '../graph-size/extent.js';
import { followSizes, type GraphSizes } from '../graph-size/follow-sizes.js';
import { MAX_READ_VALUES, type GraphNode, type GraphTensor } from '../graph-size/graph.js';
import { at, NOTHING, one, type Rule } from '../graph-size/rule.js';
import {
  add,
  BATCH,
  between,
  fitsBits,
  isAtMost,
  isEqual,
  number,
  PAST,
  productOf,
  TOKENS,
  UNKNOWN,
  variable,
  type Amount,
  type Polynomial,
} from '../graph-size/symbolic-size.js';
import { INPUT } from './input-names.js';
import type { ConstantNumbers } from './ir-constants.js';
import { elementTypesOf } from './ir-element-types.js';
import { BIDIRECTIONAL, IN_WHOLE_NUMBERS, IR_SIZE_RULES, OTHER_BROADCAST, TO_TRUTH } from './ir-size-rules.js';
import { DECOMPRESSION } from './ir-weights.js';
import { MAX_LAYERS, type IrLayer, type IrXml } from './ir-xml.js';

const MAX_TOKEN_ID = 2 ** 31;
const I32_BITS = 31;
/** Element types: f16, f32, f64, bf16. */
const FRACTIONS = /^b?f\d+$/;
/** Attributes that the rules read as whole numbers: what the runtime makes of another text is not known here. */
const WHOLE_NUMBERS: readonly string[] = [
  ...['axis', 'batch_dims', 'num_splits', 'begin_mask', 'end_mask', 'new_axis_mask', 'shrink_axis_mask'],
  'ellipsis_mask',
];
/**
 * The runtime keeps stored weights as they are and widens them as it multiplies: the chain that does it counts once, at its
 * first layer. Longer ones it computes.
 */
const MAX_DECOMPRESSION_LAYERS = 6;

const [batch, tokens, past] = [variable(BATCH), variable(TOKENS), variable(PAST)];
const all = add(past, tokens);
const upTo = (most: Polynomial): Amount => between(0, most);

/** As aipc binds them, by name; another input than these is refused once the device is known. */
const INPUTS: Readonly<Record<string, { dims: readonly Amount[]; range: Amount }>> = {
  [INPUT.inputIds]: { dims: [batch, tokens], range: upTo(new Map([[0, MAX_TOKEN_ID]])) },
  [INPUT.attentionMask]: { dims: [batch, all], range: upTo(new Map([[0, 1]])) },
  [INPUT.positionIds]: { dims: [batch, tokens], range: upTo(all.high) },
  [INPUT.beamIdx]: { dims: [batch], range: upTo(batch.high) },
  [INPUT.logitsFirstRow]: { dims: [number(1)], range: upTo(tokens.high) },
};
const OTHER_INPUT = { dims: [batch, tokens], range: UNKNOWN };

/** A layer as a node, and what is known of it besides. */
interface LayerNode {
  readonly layer: IrLayer;
  /** Of its outputs, by the order. */
  readonly elementTypes: readonly string[];
  /** Which input it widens in place. */
  readonly decompresses: number | undefined;
  /** Of a constant: its numbers stand in the file in another constant too. */
  readonly isShared: boolean;
}

/**
 * `order`: the ids of the layers, each after those that feed it; `weightBytes`: of the .bin. Throws what followSizes()
 * does, and FILE_MALFORMED for attributes that are no numbers.
 */
export async function checkIrSizes(
  xml: IrXml,
  order: readonly string[],
  numbers: ConstantNumbers,
  weightBytes: number,
): Promise<GraphSizes> {
  const known = new Map<GraphNode, LayerNode>();
  const nodes = await readNodes(xml, order, numbers, known);
  const states = new Map<string, readonly Amount[]>();
  for (const { type, data } of xml.layers.values()) {
    if (type === 'ReadValue') states.set(data['variable_id'] ?? '', shapeOf(data['variable_shape'], STATE) ?? []);
  }
  const source = {
    file: xml.file,
    kind: 'OpenVINO IR',
    exportCommand: 'aipc export openvino',
    otherExporter: 'optimum-cli',
    weightBytes,
    maxNodes: MAX_LAYERS,
  };
  const graph = { nodes, initialisers: new Map(), inputs: [], outputs: [] };
  return followSizes(source, graph, {
    inputs: new Map(),
    ruleOf: (node) => {
      const found = known.get(node);
      const rule = found && (ruleOfEnd(found.layer, states) ?? IR_SIZE_RULES.get(node.operator));
      return found && rule && withTypes(rule, found);
    },
  });
}

/** [batch, heads, positions, head size]; the file says the numbers of the second and the last. */
const STATE: readonly Amount[] = [batch, UNKNOWN, past, UNKNOWN];

/** Dimensions as the file says them, and where it leaves them open those of `open`. */
function shapeOf(text: string | undefined, open: readonly Amount[]): readonly Amount[] | undefined {
  if (text === undefined) return undefined;
  const parts = text.trim() === '' ? [] : text.split(',').map((part) => part.trim());
  return parts.map((part, axis) => {
    if (/^\d{1,15}$/.test(part)) return number(Number(part));
    return parts.length === open.length ? (open[axis] ?? UNKNOWN) : UNKNOWN;
  });
}

/** Where data comes into a run and goes on to the next. */
function ruleOfEnd(
  { type, name, data, outputs }: IrLayer,
  states: ReadonlyMap<string, readonly Amount[]>,
): Rule | undefined {
  if (type === 'Parameter') {
    const names = outputs[0]?.names ?? [];
    const { dims, range } = [...names, name].map((found) => INPUTS[found]).find((found) => found) ?? OTHER_INPUT;
    return () => one(extentOf(shapeOf(data['shape'], dims), { range }));
  }
  const state = states.get(data['variable_id'] ?? '');
  // It begins as what is given, if anything is: no longer than an empty cache, or the past would not be its length.
  if (type === 'ReadValue') {
    return (_, inputs) => one(inputs.length === 0 || isState(at(inputs, 0), state) ? extentOf(state) : NOTHING);
  }
  // What is not within the past of the next run would grow from run to run.
  if (type === 'Assign') {
    const next = state?.map((size, axis) => (axis === 2 && STATE[2] === size ? all : size));
    return (_, inputs) => one(isState(at(inputs, 0), next) ? at(inputs, 0) : NOTHING);
  }
  return undefined;
}

/**
 * Of at most so many positions, and otherwise of the very shape: the plug-in takes rows of a state by beam_idx, and from
 * one with fewer rows than the run has sequences it reads beyond its memory.
 */
function isState({ dims }: Extent, allowed: readonly Amount[] | undefined): boolean {
  if (dims === undefined || dims.length !== allowed?.length) return false;
  return dims.every((size, axis) => {
    const most = allowed[axis] ?? UNKNOWN;
    return axis === 2 ? isAtMost(size, most) === true : isEqual(size, most) === true;
  });
}

/** Values that are no whole numbers, or may not be what they seem in 32 bits, are not followed. */
function withTypes(rule: Rule, { layer, elementTypes, decompresses, isShared }: LayerNode): Rule {
  return (node, inputs, isBound) => {
    const sizes = rule(node, inputs, isBound);
    const outputs = sizes.outputs.map((output, i) => ofType(output, elementTypes[i] ?? ''));
    const isStored =
      layer.type === 'Const'
        ? !isShared
        : decompresses !== undefined && isAtMost(count(outputs[0]), count(inputs[decompresses])) === true;
    return { ...sizes, outputs, ...(isStored ? { taken: new Map() } : {}) } satisfies Sizes;
  };
}

function count(extent: Extent | undefined): Amount {
  return extent?.dims === undefined ? UNKNOWN : productOf(extent.dims);
}

function ofType(extent: Extent, elementType: string): Extent {
  if (elementType === 'i64' || elementType === 'boolean') return extent;
  const { dims, size, values, range } = extent;
  if (elementType !== 'i32') return extentOf(dims, { size });
  const narrow = (value: Amount): Amount =>
    fitsBits(value.exact ?? value.high, I32_BITS) && value.low >= -(2 ** I32_BITS) ? value : UNKNOWN;
  return extentOf(dims, {
    size,
    range: narrow(range),
    ...(values === undefined ? {} : { values: values.map(narrow) }),
  });
}

async function readNodes(
  xml: IrXml,
  order: readonly string[],
  numbers: ConstantNumbers,
  known: Map<GraphNode, LayerNode>,
): Promise<readonly GraphNode[]> {
  const inputCounts = new Map<string, number>();
  const uses = new Map<string, number>();
  for (const [input, from] of xml.sources) {
    const end = input.indexOf(':');
    const id = input.slice(0, end);
    inputCounts.set(id, Math.max(inputCounts.get(id) ?? 0, Number(input.slice(end + 1)) + 1));
    const output = `${from}:${xml.sourcePorts.get(input) ?? ''}`;
    uses.set(output, (uses.get(output) ?? 0) + 1);
  }
  const shared = findShared(xml);
  const elementTypes = new Map<string, string>();
  /** Outputs that are computed of constants alone, with the layers that there are between. */
  const constant = new Map<string, number>();
  const nodes: GraphNode[] = [];
  for (const id of order) {
    const layer = xml.layers.get(id);
    if (layer === undefined) continue;
    const inputs = Array.from({ length: Math.min(inputCounts.get(id) ?? 0, MAX_LAYERS) }, (_, port) => {
      const from = xml.sources.get(`${id}:${port}`);
      return from === undefined ? '' : `${from}:${xml.sourcePorts.get(`${id}:${port}`) ?? ''}`;
    });
    const outputs = layer.outputs.map((port) => `${id}:${port.id}`);
    const types = elementTypesOf(
      layer,
      inputs.map((name) => elementTypes.get(name) ?? ''),
    );
    for (const [i, name] of outputs.entries()) elementTypes.set(name, types[i] ?? '');
    const node: GraphNode = {
      name: layer.name,
      operator: layer.type,
      domain: '',
      inputs,
      outputs,
      integers: attributesOf(xml.file, layer, types[0]),
      floats: new Map(),
      tensors: layer.type === 'Const' ? new Map([['value', await readTensor(layer, numbers)]]) : new Map(),
      graphs: [],
    };
    const decompresses = decompressedInput(node, constant, uses);
    if (layer.type === 'Const') for (const name of outputs) constant.set(name, 0);
    if (DECOMPRESSION.has(layer.type) && inputs.every((name) => constant.has(name))) {
      const depth = 1 + Math.max(...inputs.map((name) => constant.get(name) ?? 0));
      for (const name of outputs) constant.set(name, depth);
    }
    known.set(node, { layer, elementTypes: types, decompresses, isShared: shared.has(layer) });
    nodes.push(node);
  }
  return nodes;
}

/** The input that a layer of a chain of decompression takes from the one before, which nothing else takes. */
function decompressedInput(
  { operator, inputs }: GraphNode,
  constant: ReadonlyMap<string, number>,
  uses: ReadonlyMap<string, number>,
): number | undefined {
  if (!DECOMPRESSION.has(operator) || !inputs.every((name) => constant.has(name))) return undefined;
  const found = inputs.findIndex((name) => {
    const depth = constant.get(name) ?? 0;
    return depth > 0 && depth < MAX_DECOMPRESSION_LAYERS && uses.get(name) === 1;
  });
  return found < 0 ? undefined : found;
}

/** Constants that overlap others in the .bin: their bytes are there once, and the runtime may make each its own copy. */
function findShared({ layers }: IrXml): ReadonlySet<IrLayer> {
  const placed = [...layers.values()].filter(({ type }) => type === 'Const');
  const place = ({ data }: IrLayer, name: string): number => Number(data[name] ?? 0);
  placed.sort((a, b) => place(a, 'offset') - place(b, 'offset') || place(b, 'size') - place(a, 'size'));
  const shared = new Set<IrLayer>();
  let end = 0;
  for (const layer of placed) {
    if (place(layer, 'offset') < end) shared.add(layer);
    end = Math.max(end, place(layer, 'offset') + place(layer, 'size'));
  }
  return shared;
}

async function readTensor(layer: IrLayer, numbers: ConstantNumbers): Promise<GraphTensor> {
  const { shape = '' } = layer.data;
  const dims = shape.trim() === '' ? [] : shape.split(',').map(Number);
  const integers = await numbers.read(layer);
  return { dims, integers: integers?.map(Number) };
}

/** Yes and no as 1 and 0. */
function attributesOf(
  file: string,
  { name, type, data }: IrLayer,
  elementType: string | undefined,
): Map<string, number[]> {
  const integers = new Map<string, number[]>();
  for (const [key, text] of Object.entries(data)) {
    if (/^(true|false)$/i.test(text)) integers.set(key, [text.toLowerCase() === 'true' ? 1 : 0]);
    else if (/^-?\d{1,18}(, ?-?\d{1,18})*$/.test(text)) integers.set(key, text.split(',', MAX_READ_VALUES).map(Number));
    else if (WHOLE_NUMBERS.includes(key) && text !== '') {
      throw new ModelFormatError(
        'FILE_MALFORMED',
        `${file}: the layer ${name} (${type}) has ${key}="${text.slice(0, 80)}", which is no whole number. ` +
          'This is not a sound OpenVINO IR: download or export it anew.',
        { details: { file, layer: name, type, attribute: key, found: text.slice(0, 80) } },
      );
    }
  }
  const { auto_broadcast: auto = 'numpy', mode = 'numpy' } = data;
  if (auto !== 'numpy' && auto !== 'none') integers.set(OTHER_BROADCAST, [1]);
  if (mode === 'bidirectional') integers.set(BIDIRECTIONAL, [1]);
  if (elementType === 'boolean') integers.set(TO_TRUTH, [1]);
  if (elementType !== undefined && !FRACTIONS.test(elementType)) integers.set(IN_WHOLE_NUMBERS, [1]);
  return integers;
}
