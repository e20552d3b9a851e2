/**
 * Cases of the mutator that once failed, by name, and that the mutator keeps its word: a case's name decides its files.
 * The tests beside the code that was wrong say what each was about.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { caseNames, makeCase, parseCaseName, TARGETS } from './cases.js';
import { HostileRunner } from './pool.js';
import { loadSeeds, type Seeds } from './seeds.js';

const FAILED_ONCE = JSON.parse(
  readFileSync(path.join('test', 'hostile', 'regressions.json'), 'utf8'),
) as readonly string[];

let seeds: Seeds;
let runner: HostileRunner;
beforeAll(async () => {
  seeds = await loadSeeds();
  runner = await HostileRunner.create();
});
afterAll(() => runner[Symbol.asyncDispose]());

/** Of all files of a case. */
function checksumOf(id: string): string {
  const hash = createHash('sha256');
  for (const [name, file] of makeCase(seeds, id).files) {
    hash.update(name).update(Buffer.isBuffer(file) ? file : JSON.stringify(file));
  }
  return hash.digest('hex');
}

describe('the mutator', () => {
  it('makes the same case of the same name, and others of others', () => {
    for (const target of Object.keys(TARGETS)) {
      expect(checksumOf(`${target}:3:5`)).toBe(checksumOf(`${target}:3:5`));
      expect(checksumOf(`${target}:3:5`)).not.toBe(checksumOf(`${target}:4:5`));
    }
  });

  it('deals out targets in their proportions', () => {
    const counts: Record<string, number> = Object.fromEntries(Object.keys(TARGETS).map((target) => [target, 0]));
    for (const name of caseNames(1, 1000)) {
      const target = parseCaseName(name);
      counts[target] = (counts[target] ?? 0) + 1;
    }
    expect(counts).toEqual(Object.fromEntries(Object.entries(TARGETS).map(([target, share]) => [target, share * 10])));
  });
});

// Some of them are named pipes and devices, which Windows does not have.
describe.skipIf(process.platform === 'win32')(
  'a case that failed once (not on Windows, which has no pipes in folders)',
  () => {
    it.each(FAILED_ONCE)('%s ends as it should', async (id) => {
      const { failure } = await runner.run(makeCase(seeds, id), Number(id.split(':')[2]));
      expect(failure).toBeUndefined();
    });
  },
);
