/**
 * How large the outputs and the scores of attention are. Positions attended to are those of the past and of the run.
 * Sources: Attention in onnx/docs/Operators.md; GroupQueryAttention and MultiHeadAttention in
 * onnxruntime/docs/ContribOperators.md; ScaledDotProductAttention in OpenVINO's operation specifications.
 */
import { broadcast, extentOf, type Extent, type Sizes } from './extent.js';
import type { GraphNode } from './graph.js';
import {
  add,
  divide,
  multiply,
  multiplyPolynomials,
  number,
  productOf,
  UNKNOWN,
  type Amount,
} from './symbolic-size.js';

type Inputs = readonly (Extent | undefined)[];

function count(node: GraphNode, ...names: readonly string[]): Amount {
  for (const name of names) {
    const found = node.integers.get(name)?.[0];
    if (found !== undefined) return number(found);
  }
  return UNKNOWN;
}

const dim = (extent: Extent | undefined, axis: number): Amount => extent?.dims?.at(axis) ?? UNKNOWN;

function sizes(
  batch: Amount,
  heads: Amount,
  tokens: Amount,
  positions: Amount,
  width: Amount,
  outputs: readonly Extent[],
): Sizes {
  const scores = productOf([batch, heads, tokens, positions]).high;
  return { outputs, scratch: scores, products: multiplyPolynomials(scores, multiply(width, number(2)).high) };
}

/** query [batch, tokens, heads * head size], with keys and values in it where they are no inputs of their own. */
export function groupQueryAttention(node: GraphNode, inputs: Inputs, isBound: (name: string) => boolean): Sizes {
  const [query, key, , pastKey] = inputs;
  const [batch, tokens] = [dim(query, 0), dim(query, 1)];
  const heads = count(node, 'num_heads');
  const kvHeads = count(node, 'kv_num_heads');
  const allHeads = key === undefined ? add(heads, multiply(number(2), kvHeads)) : heads;
  const headSize = divide(dim(query, -1), allHeads);
  const past = dim(pastKey, 2);
  const output = extentOf([batch, tokens, multiply(heads, headSize)]);
  // The caller has made room for those that it binds; another would be as long as an input of the node says.
  const present = node.outputs
    .slice(1, 3)
    .map((name) => (isBound(name) ? extentOf(pastKey?.dims, { size: new Map() }) : extentOf(undefined)));
  return sizes(batch, heads, tokens, add(past, tokens), headSize, [output, ...present]);
}

/** Of three dimensions, [batch, tokens, heads * head size], or of four, [batch, heads, tokens, head size]. */
export function attention(node: GraphNode, inputs: Inputs): Sizes {
  // ONNX Runtime has an older one of the same name, with other inputs.
  if (node.operator === 'Attention' && node.domain === 'com.microsoft') return { outputs: [] };
  const [query, key, value] = inputs;
  const isFlat = query?.dims?.length === 3;
  const heads = isFlat ? count(node, 'num_heads', 'q_num_heads') : dim(query, 1);
  const kvHeads = key?.dims?.length === 4 ? dim(key, 1) : count(node, 'kv_num_heads', 'num_heads', 'q_num_heads');
  const [batch, tokens] = [dim(query, 0), dim(query, -2)];
  const pastKey = inputs[node.operator === 'Attention' ? 4 : 6];
  const keys = dim(key, -2);
  const positions = pastKey === undefined ? keys : add(dim(pastKey, 2), keys);
  const size = (extent: Extent | undefined): Amount =>
    extent?.dims?.length === 4 ? dim(extent, 3) : divide(dim(extent, -1), kvHeads);
  const [keySize, valueSize] = [size(key), size(value)];
  const output = isFlat ? [batch, tokens, multiply(heads, valueSize)] : [batch, heads, tokens, valueSize];
  const outputs = [
    output,
    [batch, kvHeads, positions, keySize],
    [batch, kvHeads, positions, valueSize],
    [batch, heads, tokens, positions],
  ];
  return sizes(
    batch,
    heads,
    tokens,
    positions,
    keySize,
    outputs.map((dims) => extentOf(dims)),
  );
}

/** [..., heads, tokens, head size] by [..., heads, positions, head size]: nothing is in the node but its inputs. */
export function scaledDotProductAttention(_: GraphNode, inputs: Inputs): Sizes {
  const [query, key, value] = inputs;
  const leading = [query, key, value].map((extent) => extentOf(extent?.dims?.slice(0, -2)));
  const { dims: batches } = broadcast(leading);
  if (batches === undefined) return { outputs: [extentOf(undefined)] };
  const scores = productOf([...batches, dim(query, -2), dim(key, -2)]).high;
  const [keySize, valueSize] = [dim(query, -1), dim(value, -1)];
  const output = extentOf([...batches, dim(query, -2), valueSize]);
  return { outputs: [output], scratch: scores, products: multiplyPolynomials(scores, add(keySize, valueSize).high) };
}
