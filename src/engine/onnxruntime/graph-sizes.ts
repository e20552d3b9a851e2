/**
 * Whether what a graph computes stays in proportion to its weights and to the text that it is given. A graph is a program
 * from a stranger: a few hundred bytes can ask for a tensor of terabytes, when it is loaded (constants are folded) or when
 * it runs. The sizes of all its tensors are followed as polynomials of a run's sequences, tokens and past; a graph whose
 * sizes cannot be told, or grow beyond the limits below, is refused before the runtime sees it.
 */
import { ModelFormatError, UnsupportedError } from '../../errors.js';
import { LOGITS_COUNT, LOGITS_FIRST_ROW, tensorMissing } from './decoder-io.js';
import { eitherExtent, extentOf, type Extent } from './extent.js';
import type { GenaiConfig } from './genai-config.js';
import { readGraph, type Graph, type GraphNode } from './graph-nodes.js';
import { ofTensor, SIZE_RULES } from './operator-sizes.js';
import {
  add,
  addPolynomials,
  BATCH,
  between,
  degreeOf,
  number,
  PAST,
  TOKENS,
  variable,
  type Polynomial,
} from './symbolic-size.js';

/**
 * Most elements that all tensors of one run have together, by what they grow with: nothing (constants that are folded,
 * weights that are widened), a token or a position, two of them (scores of attention). For each, what any graph may have,
 * and how much more for each byte of its weights. Phi-3-mini's graph in int4, with 2.7e9 bytes of weights, has 4, 2.5e6 and
 * 3e3; one in f16 of 1.9e7 bytes, whose weights are widened, 7.9e6, 6e4 and 96.
 */
export const ELEMENT_LIMITS = [
  { what: 'without any text', base: 2 ** 21, perWeightByte: 8 },
  { what: 'for each token', base: 2 ** 20, perWeightByte: 1 },
  { what: 'for each pair of tokens', base: 2 ** 11, perWeightByte: 2 ** -10 },
] as const;

/** The same for the multiplications of its matrices; for each token those of Phi-3-mini are 3.7e9, one a weight. */
export const PRODUCT_LIMITS = [
  { what: 'without any text', base: 2 ** 26, perWeightByte: 4 },
  { what: 'for each token', base: 2 ** 24, perWeightByte: 8 },
  { what: 'for each pair of tokens', base: 2 ** 17, perWeightByte: 2 ** -6 },
] as const;

/** Decoder layers of plain attention have about 150 nodes each; the deepest models have 80 layers. */
export const MAX_NODES = 2 ** 14;
const MAX_TOKEN_ID = 2 ** 31;
/**
 * Attributes that kernels take as numbers of 32 bits and divide by without looking (ONNX Runtime 1.30: 2^53 becomes 0). 0
 * is allowed where it is the default, that of RotaryEmbedding.
 */
const DIVISORS: readonly string[] = [
  'num_heads',
  'kv_num_heads',
  'q_num_heads',
  'rotary_embedding_dim',
  'K',
  'N',
  'bits',
  'block_size',
];
const MAX_DIVISOR = 2 ** 24;

/** Which input of GroupQueryAttention has the positions (docs/ContribOperators.md). */
const POSITIONS_OF_ATTENTION = 9;

/** Operators' domains: ONNX's own by its two names, and ONNX Runtime's. */
const DOMAINS: readonly string[] = ['', 'ai.onnx', 'com.microsoft'];

/**
 * Throws MODEL_FEATURE_UNSUPPORTED for a graph whose tensors have no bound that can be told, FILE_LIMIT_EXCEEDED for one
 * whose tensors are too large, FILE_MALFORMED for one whose nodes do not follow one another, TENSOR_MISSING for an output.
 */
export async function checkGraphSizes(config: GenaiConfig, weightBytes: number): Promise<void> {
  const graph = await readGraph(config.modelFile);
  new SizeCheck(config, weightBytes).run(graph);
}

/** Names in a graph, and those around it. */
interface Scope {
  readonly names: Map<string, Extent>;
  readonly around?: Scope;
}

class SizeCheck {
  readonly #config: GenaiConfig;
  readonly #weightBytes: number;
  readonly #bound: ReadonlySet<string>;
  #elements: Polynomial = new Map();
  #products: Polynomial = new Map();
  #nodes = 0;

  constructor(config: GenaiConfig, weightBytes: number) {
    this.#config = config;
    this.#weightBytes = weightBytes;
    const layers = Array.from({ length: config.layers }, (_, layer) => String(layer));
    this.#bound = new Set(
      layers.flatMap((layer) => [config.presentKey.replace('%d', layer), config.presentValue.replace('%d', layer)]),
    );
  }

  run(graph: Graph): void {
    for (const name of this.#bound) {
      if (!graph.outputs.includes(name)) throw tensorMissing(this.#config, 'output', name, graph.outputs);
    }
    const names = new Map<string, Extent>();
    for (const [name, tensor] of graph.initialisers) names.set(name, ofTensor(tensor));
    for (const [name, extent] of this.#inputs(graph)) names.set(name, extent);
    this.#follow(graph, { names });
  }

  /** As aipc binds them, whatever the file says of their shapes. */
  #inputs(graph: Graph): Map<string, Extent> {
    const { inputIds, attentionMask, positionIds, pastKey, pastValue, kvHeads, headSize } = this.#config;
    const [batch, tokens, past] = [variable(BATCH), variable(TOKENS), variable(PAST)];
    const all = add(past, tokens);
    const upTo = (most: Polynomial) => between(0, most);
    const sharesKv = graph.nodes.some(({ operator }) => operator === 'GroupQueryAttention');
    const kv = extentOf([batch, number(kvHeads), sharesKv ? all : past, number(headSize)]);
    const isPast = [pastKey, pastValue].map((template) => template.split('%d'));
    const extents = new Map<string, Extent>();
    for (const name of graph.inputs) {
      // Another one than these is refused once the session tells its inputs.
      let extent = extentOf([batch, tokens], { range: upTo(new Map([[0, MAX_TOKEN_ID]])) });
      if (isPast.some(([start = '', end = '']) => name.startsWith(start) && name.endsWith(end))) extent = kv;
      else if (name === attentionMask) extent = extentOf([batch, all], { range: upTo(new Map([[0, 1]])) });
      else if (name === positionIds) extent = extentOf([batch, tokens], { range: upTo(all.high) });
      else if (name === LOGITS_COUNT || name === LOGITS_FIRST_ROW) {
        extent = extentOf([number(1)], { range: upTo(tokens.high) });
      } else if (name !== inputIds && graph.initialisers.has(name)) continue; // its default: aipc gives no other
      extents.set(name, extent);
    }
    return extents;
  }

  #follow(graph: Graph, known: Scope): void {
    for (const node of graph.nodes) {
      this.#nodes += 1;
      if (this.#nodes > MAX_NODES) throw this.#tooManyNodes();
      const outputs = node.operator === 'If' ? this.#branches(node, known) : this.#node(node, known);
      for (const [index, name] of node.outputs.entries()) {
        if (name !== '') known.names.set(name, outputs[index] ?? extentOf(undefined));
      }
    }
  }

  #node(node: GraphNode, known: Scope): readonly Extent[] {
    const rule = SIZE_RULES.get(node.operator);
    const name = node.outputs[0] ?? '';
    if (rule === undefined || !DOMAINS.includes(node.domain)) {
      throw this.#unsupported(
        node,
        `an operator ${node.operator} of '${node.domain.slice(0, 80)}', which no decoder needs`,
      );
    }
    this.#checkDivisors(node);
    this.#checkPositions(node);
    const inputs = node.inputs.map((input) => (input === '' ? undefined : this.#find(known, input, node)));
    const { outputs, products, scratch } = rule(node, inputs, (output) => this.#bound.has(output));
    let elements = scratch ?? new Map<number, number>();
    for (const [index, output] of node.outputs.entries()) {
      if (output !== '') elements = addPolynomials(elements, outputs[index]?.size ?? new Map([[0, Infinity]]));
    }
    this.#elements = addPolynomials(this.#elements, elements);
    this.#products = addPolynomials(this.#products, products ?? new Map());
    this.#check(node, name, this.#elements, ELEMENT_LIMITS, 'elements in its tensors');
    this.#check(node, name, this.#products, PRODUCT_LIMITS, 'multiplications');
    return outputs;
  }

  #checkDivisors({ operator, integers }: GraphNode): void {
    for (const name of DIVISORS) {
      const value = integers.get(name)?.[0];
      const least = operator === 'RotaryEmbedding' || name === 'rotary_embedding_dim' ? 0 : 1;
      if (value === undefined || (value >= least && value <= MAX_DIVISOR)) continue;
      const { modelFile } = this.#config;
      throw new ModelFormatError(
        'FILE_MALFORMED',
        `${modelFile}: a node ${operator} has a ${name} of ${value}; ${least} to ${MAX_DIVISOR} are possible. This is not a ` +
          'sound ONNX file: download or export it anew.',
        { details: { file: modelFile, operator, name, found: value, least, most: MAX_DIVISOR } },
      );
    }
  }

  /**
   * The kernel looks positions up without comparing how many there are, in threads of which an error ends the process
   * (ONNX Runtime 1.30): they may be those that aipc gives alone.
   */
  #checkPositions({ operator, inputs }: GraphNode): void {
    const found = operator === 'GroupQueryAttention' ? inputs[POSITIONS_OF_ATTENTION] : undefined;
    const { modelFile, positionIds } = this.#config;
    if (found === undefined || found === '' || found === positionIds) return;
    throw new ModelFormatError(
      'FILE_MALFORMED',
      `${modelFile}: a node ${operator} takes its positions from '${found.slice(0, 80)}'; they can be ` +
        `'${positionIds}' or be left out. This is not a sound ONNX file: download or export it anew.`,
      { details: { file: modelFile, operator, found: found.slice(0, 200), allowed: positionIds } },
    );
  }

  /** One of the branches runs; both are counted. */
  #branches(node: GraphNode, known: Scope): readonly Extent[] {
    const results = node.graphs.map((graph) => {
      const inside: Scope = { names: new Map(), around: known };
      for (const [name, tensor] of graph.initialisers) inside.names.set(name, ofTensor(tensor));
      this.#follow(graph, inside);
      return graph.outputs.map((name) => this.#find(inside, name, node));
    });
    const [first = [], ...others] = results;
    return others.reduce(
      (a, b) => a.map((extent, index) => eitherExtent(extent, b[index] ?? extentOf(undefined))),
      first,
    );
  }

  #find(known: Scope, name: string, node: GraphNode): Extent {
    const found = known.names.get(name) ?? known.around?.names.get(name) ?? known.around?.around?.names.get(name);
    if (found !== undefined) return found;
    const { modelFile } = this.#config;
    throw new ModelFormatError(
      'FILE_MALFORMED',
      `${modelFile}: a node ${node.operator} takes '${name.slice(0, 80)}', which nothing before it gives. This is not a ` +
        'sound ONNX file: download or export it anew.',
      { details: { file: modelFile, operator: node.operator, name } },
    );
  }

  #check(
    node: GraphNode,
    name: string,
    found: Polynomial,
    limits: typeof ELEMENT_LIMITS | typeof PRODUCT_LIMITS,
    what: string,
  ): void {
    const sums = [0, 0, 0, 0];
    for (const [monomial, coefficient] of found) {
      const degree = Math.min(3, degreeOf(monomial));
      sums[degree] = (sums[degree] ?? 0) + coefficient;
    }
    if (!sums.every(Number.isFinite)) {
      throw this.#unsupported(
        node,
        `a node ${node.operator} ('${name.slice(0, 80)}') whose size depends on what it computes`,
      );
    }
    if (sums[3] !== 0) {
      throw this.#unsupported(
        node,
        `a node ${node.operator} ('${name.slice(0, 80)}') that grows with the cube of the text`,
      );
    }
    for (const [degree, { what: when, base, perWeightByte }] of limits.entries()) {
      const allowed = base + perWeightByte * this.#weightBytes;
      const sum = sums[degree] ?? 0;
      if (sum <= allowed) continue;
      const { modelFile } = this.#config;
      throw new ModelFormatError(
        'FILE_LIMIT_EXCEEDED',
        `${modelFile}: up to its node ${node.operator} ('${name.slice(0, 80)}') the graph has ${sum} ${what} ${when}. ` +
          `With ${this.#weightBytes} bytes of weights ${Math.floor(allowed)} are allowed. No decoder needs that many: it is ` +
          'damaged or hostile. Download it anew from a publisher whom you trust, or export the model with `aipc export onnx`.',
        { details: { file: modelFile, operator: node.operator, found: sum, limit: Math.floor(allowed) } },
      );
    }
  }

  #tooManyNodes(): ModelFormatError {
    const { modelFile } = this.#config;
    return new ModelFormatError(
      'FILE_LIMIT_EXCEEDED',
      `${modelFile} has more than ${MAX_NODES} nodes. No decoder needs that many: it is damaged or hostile.`,
      { details: { file: modelFile, limit: MAX_NODES } },
    );
  }

  #unsupported(node: GraphNode, what: string): UnsupportedError {
    const { modelFile } = this.#config;
    return new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${modelFile} has ${what}: aipc cannot tell before a run how much memory it takes, and runs graphs alone whose ` +
        "tensors it can bound. Export the model with `aipc export onnx` or onnxruntime-genai's model builder for CPU.",
      { details: { file: modelFile, operator: node.operator } },
    );
  }
}
