/**
 * A graph as its sizes are followed: nodes in their order, with names, attributes and small constants, whatever file they
 * come from. Weights are not in it.
 */

/** Constants of at most so many whole numbers are read: a shape, bounds, axes. */
export const MAX_READ_VALUES = 64;

export interface GraphTensor {
  readonly dims: readonly number[];
  /** Its numbers, where they are whole and few. */
  readonly integers: readonly number[] | undefined;
}

export interface GraphNode {
  /** For messages; where there is none, that of the first output serves. */
  readonly name?: string;
  readonly operator: string;
  readonly domain: string;
  /** '' for an optional one that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Attributes that are a whole number or several. */
  readonly integers: ReadonlyMap<string, readonly number[]>;
  /** Names of the attributes that are numbers with a fraction, and of lists of them how many there are. */
  readonly floats: ReadonlyMap<string, number>;
  readonly tensors: ReadonlyMap<string, GraphTensor>;
  /** One of them runs. */
  readonly graphs: readonly Graph[];
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly initialisers: ReadonlyMap<string, GraphTensor>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}
