/**
 * Whether what a graph computes stays in proportion to its weights and to the text that it is given. A graph is a program
 * from a stranger: a few hundred bytes can ask for a tensor of terabytes, when it is loaded (constants are folded) or when
 * it runs. The sizes of all its tensors are followed as polynomials of a run's sequences, tokens and past; a graph whose
 * sizes cannot be told, or grow beyond the limits below, is refused. It knows no format of files.
 */
import { ModelFormatError, UnsupportedError } from '../../errors.js';
import { eitherExtent, extentOf, type Extent } from './extent.js';
import type { Graph, GraphNode } from './graph.js';
import { ofTensor, type Rule } from './rule.js';
import { addPolynomials, degreeOf, type Polynomial } from './symbolic-size.js';

/**
 * Most elements that all tensors of one run have together, by what they grow with: nothing (constants that are folded,
 * weights that are widened), a token or a position, two of them (scores of attention). For each, what any graph may have,
 * and how much more for each byte of its weights. Phi-3-mini's ONNX graph in int4, with 2.7e9 bytes of weights, has 4, 2.5e6
 * and 3e3; one in f16 of 1.9e7 bytes, whose weights are widened, 7.9e6, 6e4 and 96. Its OpenVINO graph in int4, of 2.1e9
 * bytes, has 3.8e9, 6.3e6 and 2.1e3; of tiny ones of 1e5 bytes by optimum-cli, the most is 1.9 elements a byte, 1.2e4 and 40.
 */
export const ELEMENT_LIMITS = [
  { what: 'without any text', base: 2 ** 21, perWeightByte: 8 },
  { what: 'for each token', base: 2 ** 20, perWeightByte: 1 },
  { what: 'for each pair of tokens', base: 2 ** 11, perWeightByte: 2 ** -10 },
] as const;

/** The same for the multiplications of its matrices; for each token those of Phi-3-mini are 3.7e9, one a weight (two a byte). */
export const PRODUCT_LIMITS = [
  { what: 'without any text', base: 2 ** 26, perWeightByte: 4 },
  { what: 'for each token', base: 2 ** 24, perWeightByte: 8 },
  { what: 'for each pair of tokens', base: 2 ** 17, perWeightByte: 2 ** -6 },
] as const;

/** The file that a graph comes from: its name, what kind of file it is, and how to make one that is allowed. */
export interface GraphSource {
  readonly file: string;
  /** `ONNX file` */
  readonly kind: string;
  /** A command: `aipc export onnx`. */
  readonly exportCommand: string;
  /** Others that write such files: `onnxruntime-genai's model builder for CPU`. */
  readonly otherExporter: string;
  readonly weightBytes: number;
  /** Decoder layers of plain attention have about 150 nodes each in ONNX; the deepest models have 80 layers. */
  readonly maxNodes: number;
}

export interface FollowOptions {
  /** As the caller binds them, whatever the file says of their shapes. */
  readonly inputs: ReadonlyMap<string, Extent>;
  /** Undefined for an operator that no decoder needs. */
  readonly ruleOf: (node: GraphNode) => Rule | undefined;
  /** Whether a tensor is an output that the caller has made room for. */
  readonly isBound?: (name: string) => boolean;
  /** What else is asked of a node of this format; an input that is left out is undefined. */
  readonly checkNode?: (node: GraphNode, inputs: readonly (Extent | undefined)[]) => void;
}

/** What a graph computes in one run. */
export interface GraphSizes {
  readonly elements: Polynomial;
  readonly products: Polynomial;
}

/**
 * Throws MODEL_FEATURE_UNSUPPORTED for a graph whose tensors have no bound that can be told, FILE_LIMIT_EXCEEDED for one
 * whose tensors are too large, FILE_MALFORMED for one whose nodes do not follow one another.
 */
export function followSizes(source: GraphSource, graph: Graph, options: FollowOptions): GraphSizes {
  const follower = new Follower(source, options);
  follower.run(graph);
  return { elements: follower.elements, products: follower.products };
}

/** Names in a graph, and those around it. */
interface Scope {
  readonly names: Map<string, Extent>;
  readonly around?: Scope;
}

class Follower {
  readonly #source: GraphSource;
  readonly #options: FollowOptions;
  elements: Polynomial = new Map();
  products: Polynomial = new Map();
  #nodes = 0;

  constructor(source: GraphSource, options: FollowOptions) {
    this.#source = source;
    this.#options = options;
  }

  run(graph: Graph): void {
    const names = new Map<string, Extent>();
    for (const [name, tensor] of graph.initialisers) names.set(name, ofTensor(tensor));
    for (const [name, extent] of this.#options.inputs) names.set(name, extent);
    this.#follow(graph, { names });
  }

  #follow(graph: Graph, known: Scope): void {
    for (const node of graph.nodes) {
      this.#nodes += 1;
      if (this.#nodes > this.#source.maxNodes) throw this.#tooManyNodes();
      const outputs = node.operator === 'If' ? this.#branches(node, known) : this.#node(node, known);
      for (const [index, name] of node.outputs.entries()) {
        if (name !== '') known.names.set(name, outputs[index] ?? extentOf(undefined));
      }
    }
  }

  #node(node: GraphNode, known: Scope): readonly Extent[] {
    const rule = this.#options.ruleOf(node);
    const name = node.name ?? node.outputs[0] ?? '';
    if (rule === undefined) {
      throw this.#unsupported(
        node,
        `an operator ${node.operator.slice(0, 80)} of '${node.domain.slice(0, 80)}', which no decoder needs`,
      );
    }
    const inputs = node.inputs.map((input) => (input === '' ? undefined : this.#find(known, input, node)));
    this.#options.checkNode?.(node, inputs);
    const isBound = this.#options.isBound ?? (() => false);
    const { outputs, taken, products, scratch, problem } = rule(node, inputs, isBound);
    if (problem !== undefined) throw this.#malformed(node, name, problem);
    let elements = addPolynomials(scratch ?? new Map(), taken ?? new Map());
    for (const [index, output] of node.outputs.entries()) {
      if (output !== '' && taken === undefined)
        elements = addPolynomials(elements, outputs[index]?.size ?? new Map([[0, Infinity]]));
    }
    this.elements = addPolynomials(this.elements, elements);
    this.products = addPolynomials(this.products, products ?? new Map());
    this.#check(node, name, this.elements, ELEMENT_LIMITS, 'elements in its tensors');
    this.#check(node, name, this.products, PRODUCT_LIMITS, 'multiplications');
    return outputs;
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
    const { file, kind } = this.#source;
    throw new ModelFormatError(
      'FILE_MALFORMED',
      `${file}: a node ${node.operator} takes '${name.slice(0, 80)}', which nothing before it gives. This is not a ` +
        `sound ${kind}: download or export it anew.`,
      { details: { file, operator: node.operator, name } },
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
    const { file, weightBytes, exportCommand } = this.#source;
    for (const [degree, { what: when, base, perWeightByte }] of limits.entries()) {
      const allowed = base + perWeightByte * weightBytes;
      const sum = sums[degree] ?? 0;
      if (sum <= allowed) continue;
      throw new ModelFormatError(
        'FILE_LIMIT_EXCEEDED',
        `${file}: up to its node ${node.operator} ('${name.slice(0, 80)}') the graph has ${sum} ${what} ${when}. ` +
          `With ${weightBytes} bytes of weights ${Math.floor(allowed)} are allowed. No decoder needs that many: it is ` +
          `damaged or hostile. Download it anew from a publisher whom you trust, or export the model with \`${exportCommand}\`.`,
        { details: { file, operator: node.operator, found: sum, limit: Math.floor(allowed) } },
      );
    }
  }

  #malformed(node: GraphNode, name: string, problem: string): ModelFormatError {
    const { file, kind } = this.#source;
    return new ModelFormatError(
      'FILE_MALFORMED',
      `${file}: a node ${node.operator} ('${name.slice(0, 80)}') ${problem}. This is not a sound ${kind}: download or export ` +
        'it anew.',
      { details: { file, operator: node.operator, name: name.slice(0, 200) } },
    );
  }

  #tooManyNodes(): ModelFormatError {
    const { file, maxNodes } = this.#source;
    return new ModelFormatError(
      'FILE_LIMIT_EXCEEDED',
      `${file} has more than ${maxNodes} nodes. No decoder needs that many: it is damaged or hostile.`,
      { details: { file, limit: maxNodes } },
    );
  }

  #unsupported(node: GraphNode, what: string): UnsupportedError {
    const { file, exportCommand, otherExporter } = this.#source;
    return new UnsupportedError(
      'MODEL_FEATURE_UNSUPPORTED',
      `${file} has ${what}: aipc cannot tell before a run how much memory it takes, and runs graphs alone whose ` +
        `tensors it can bound. Export the model with \`${exportCommand}\` or ${otherExporter}.`,
      { details: { file, operator: node.operator } },
    );
  }
}
