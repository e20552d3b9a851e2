/**
 * What a rule is, which tells how large a node's outputs are, and how rules read what a node is given. It knows no operators.
 */
import { extentOf, type Extent, type Sizes } from './extent.js';
import { type GraphNode } from './graph.js';
import { constantOf, number, type Amount } from './symbolic-size.js';

/** `isBound`: whether a tensor is an output that the caller has made room for; another size than that room's is refused. */
export type Rule = (
  node: GraphNode,
  inputs: readonly (Extent | undefined)[],
  isBound: (name: string) => boolean,
) => Sizes;

export const NOTHING: Extent = extentOf(undefined);

export const one = (output: Extent): Sizes => ({ outputs: [output] });

export const at = (inputs: readonly (Extent | undefined)[], index: number): Extent => inputs[index] ?? NOTHING;

export const attribute = ({ integers }: GraphNode, name: string): number | undefined => integers.get(name)?.[0];

/** Axes from -rank to rank - 1, counted from 0. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** Numbers that an attribute gives or, in later versions of the operator, an input. Undefined where they are not known. */
export function numbers(node: GraphNode, name: string, input: Extent | undefined): readonly number[] | undefined {
  return node.integers.get(name) ?? constants(input);
}

/** Numbers of an input. Undefined where they are not known. */
export function constants(input: Extent | undefined): readonly number[] | undefined {
  const values = input?.values?.map(constantOf);
  return values?.every((value) => value !== undefined) === true ? values : undefined;
}

export function keep({ values }: Extent): { values?: readonly Amount[] } {
  return values === undefined ? {} : { values };
}

/** Of an initialiser. */
export function ofTensor({
  dims,
  integers,
}: {
  dims: readonly number[];
  integers: readonly number[] | undefined;
}): Extent {
  const values = integers?.map(number);
  return extentOf(dims.map(number), values === undefined ? {} : { values });
}
