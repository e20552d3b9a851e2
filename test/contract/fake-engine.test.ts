/** The contract suite on the fake engine, under the limits of every kind of device that aipc knows. */
import { createFakeEngine, type FakeEngineOptions } from '../../src/engine/fake/fake-engine.js';
import { describeEngineContract } from './engine-contract.js';
import { describeRopeContract } from './rope-contract.js';

const kinds: Readonly<Record<string, FakeEngineOptions>> = {
  'a fake that can do everything': {},
  'a fake with long chunks and slow runs': { runDelayMs: 3, limits: { prefillChunkTokens: 64 } },
  'a fake that runs one token and one sequence at a time': { limits: { prefillChunkTokens: 1, maxBatch: 1 } },
  'a fake with masked rewind': { limits: { rewind: 'masked', contextTokens: 400 } },
  'a fake without rewind': { limits: { rewind: 'none' } },
  'a fake with one slot, one row of logits and two first tokens': {
    limits: { maxSlots: 1, maxBatch: 1, logits: 'last', minFirstTokens: 2, rewind: 'none', abort: 'between-runs' },
  },
  'a fake that appends one token at a time': {
    limits: { maxAppendTokens: 1, maxPromptTokens: 128, prefillChunkTokens: 128 },
    runDelayMs: 1,
  },
};

for (const [name, options] of Object.entries(kinds)) {
  describeEngineContract(name, () => Promise.resolve(createFakeEngine(options)));
}

for (const rewind of ['exact', 'masked', 'none'] as const) {
  const limits = { ropeBoundaries: [64], maxSlots: 5, rewind };
  describeRopeContract(`a fake with ${rewind} rewind`, () => Promise.resolve(createFakeEngine({ limits })));
}
