/**
 * The directed sweep over nodes of ONNX graphs: that what it begins with is sound, and what it found on the way. The whole
 * of it is `npm run test:hostile -- --target nodes`.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChange } from './node-sweep.js';
import { OPERATOR_SAMPLES } from './operator-samples.js';
import { HostileRunner, validCase } from './pool.js';
import { loadSeeds, type Seeds } from './seeds.js';

let seeds: Seeds;
let runner: HostileRunner;
beforeAll(async () => {
  seeds = await loadSeeds();
  runner = await HostileRunner.create();
});
afterAll(() => runner[Symbol.asyncDispose]());

/** Each ended the process, in its kernel or while the model was loaded (ONNX Runtime 1.30). */
const FAILED_ONCE: readonly (readonly [model: string, change: string])[] = [
  // A list without a number is asked for its first.
  ['aipc onnx int4', 'GroupQueryAttention, input 6: a constant of type 6 [0]'],
  // A dimension is asked for that a tensor has not.
  ...['[]', '[3]', '[64]', '[4096]', '[8]', '[512]'].map(
    (shape) => ['aipc onnx int4', `GroupQueryAttention, input 7: a constant of type 1 ${shape}`] as const,
  ),
  ...['[]', '[3]', '[64]'].map(
    (shape) => ['aipc onnx int4', `GroupQueryAttention, input 8: a constant of type 1 ${shape}`] as const,
  ),
  // The rest of a division by no rows.
  ['SkipLayerNormalization sample 1', 'input 1: a constant of type 1 [0, 3, 8]'],
  // One of many inputs that is not there.
  ['Max sample 1', 'input 1: left out'],
  // Axes counted backwards beyond the first.
  ['GatherND sample 1', 'batch_dims added: -9223372036854775808'],
];

describe('the sweep over nodes', () => {
  it('begins with sound graphs', async () => {
    const samples = seeds.swept.slice(-OPERATOR_SAMPLES.length);
    for (const { name, files } of samples) {
      const { failure, outcomes } = await runner.run(validCase(name, ['onnx'], files), 1);
      expect([name, failure, ...outcomes]).toEqual([name, undefined, 'ok']);
    }
  });

  it('changes every input of attention, those that are left out too', () => {
    const [aipc] = seeds.swept;
    const all = Array.from({ length: aipc?.sweep.length ?? 0 }, (_, number) => aipc?.sweep.describe(number) ?? '');
    for (let input = 0; input < 14; input += 1) {
      expect(all.filter((what) => what.includes(`GroupQueryAttention, input ${input}:`)).length).toBeGreaterThan(50);
    }
  });

  it.each(FAILED_ONCE)('of %s, %s, is refused before the runtime sees it', async (model, change) => {
    const what = new RegExp(`${change.replaceAll(/[[\]]/g, '\\$&')}$`);
    const files = findChange(seeds.swept, model, what);
    const { failure, outcomes } = await runner.run(validCase(model, ['onnx'], files), 1);
    expect(failure).toBeUndefined();
    expect(outcomes[0]).toMatch(/^(TENSOR_SHAPE_MISMATCH|FILE_MALFORMED)$/);
  });
});
