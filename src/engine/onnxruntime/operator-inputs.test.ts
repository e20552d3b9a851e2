import { describe, expect, it } from 'vitest';
import { extentOf, type Extent } from '../graph-size/extent.js';
import type { GraphNode } from '../graph-size/graph.js';
import { add, BATCH, number, PAST, TOKENS, variable, type Amount } from '../graph-size/symbolic-size.js';
import { checkOperatorInputs } from './operator-inputs.js';

function node(operator: string, integers: Readonly<Record<string, number>> = {}, domain = ''): GraphNode {
  return {
    ...{ operator, domain, inputs: [], outputs: ['made'], floats: new Map(), tensors: new Map(), graphs: [] },
    integers: new Map(Object.entries(integers).map(([name, value]) => [name, [value]])),
  };
}

const tensor = (...dims: (number | Amount)[]): Extent =>
  extentOf(dims.map((size) => (typeof size === 'number' ? number(size) : size)));

const [batch, tokens] = [variable(BATCH), variable(TOKENS)];
const all = add(variable(PAST), tokens);
const attention = node('GroupQueryAttention', { num_heads: 4, kv_num_heads: 2, do_rotary: 1 }, 'com.microsoft');
const query = tensor(batch, tokens, 128);
const cache = tensor(batch, 2, all, 16);
const table = tensor(512, 8);

const check = (of: GraphNode, inputs: readonly (Extent | undefined)[]): void =>
  checkOperatorInputs('model.onnx', of, inputs);

describe('the inputs of a node', () => {
  it('are allowed where they have the shapes that the operator asks for', () => {
    const lengths = tensor(batch);
    check(attention, [query, undefined, undefined, cache, cache, lengths, tensor(), table, table]);
    check(attention, [query, undefined, undefined, cache, cache, tensor(batch, 1), tensor(1), table, table, undefined]);
    check(node('Add'), [query, tensor(3)]);
  });

  it('say which input it is, what it has and what is asked for', () => {
    const inputs = [query, undefined, undefined, cache, cache, tensor(batch), tensor(), tensor(512), table];
    expect(() => check(attention, inputs)).toThrow(
      expect.objectContaining({
        code: 'TENSOR_SHAPE_MISMATCH',
        message: expect.stringMatching(
          /GroupQueryAttention \('made'\) has \[512\] for its cos_cache; asked for/,
        ) as string,
      }),
    );
  });

  it.each<[string, number, Extent | undefined]>([
    ['a query of another width', 0, tensor(batch, tokens, 64)],
    ['keys beside a query that has them', 1, tensor(batch, tokens, 32)],
    ['a past that is a constant', 3, tensor(1, 2, 16, 16)],
    ['lengths of another batch', 5, tensor(3)],
    ['a total length of no number', 6, tensor(0)],
    ['no rotary table', 7, undefined],
    ['a rotary table that is wider than half a head', 7, tensor(512, 16)],
    ['an unknown shape', 8, extentOf(undefined)],
    ['a sink for each of other heads', 11, tensor(2)],
    ['scales of keys that are not quantised', 12, tensor(1)],
  ])('are refused with %s', (_, index, other) => {
    const sound = [query, undefined, undefined, cache, cache, tensor(batch), tensor(), table, table];
    const inputs = Array.from({ length: Math.max(sound.length, index + 1) }, (__, i) =>
      i === index ? other : sound[i],
    );
    expect(() => check(attention, inputs)).toThrow(expect.objectContaining({ code: 'TENSOR_SHAPE_MISMATCH' }));
  });

  it('may be left out only where the operator can do without', () => {
    expect(() => check(node('Max'), [tensor(3), undefined])).toThrow(/Max .*has nothing for its input 1/);
    expect(() => check(node('Clip'), [tensor(3), undefined, tensor()])).not.toThrow();
  });
});
