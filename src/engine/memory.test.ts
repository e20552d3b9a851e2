import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { availableMemoryBytes, fitsMemory, formatBytes, requireMemory } from './memory.js';

describe('memory', () => {
  it('can give some, and no more than the machine has', () => {
    expect(availableMemoryBytes()).toBeGreaterThan(0);
    expect(availableMemoryBytes()).toBeLessThanOrEqual(totalmem());
  });

  it('lets pass what fits', () => {
    expect(fitsMemory(1)).toBe(true);
    expect(() => requireMemory('A byte', 1, 'Do nothing.')).not.toThrow();
  });

  it('refuses what does not, with needed, available and what to do', () => {
    expect(() => requireMemory('A petabyte', 2 ** 50, 'Give less.')).toThrow(
      expect.objectContaining({
        code: 'MEMORY_INSUFFICIENT',
        message: expect.stringMatching(
          /^A petabyte needs 1\.0 PiB .*this machine can give .*iB\. Give less\.$/,
        ) as string,
        details: expect.objectContaining({ neededBytes: 2 ** 50 }) as object,
      }),
    );
  });

  it('writes sizes with units', () => {
    expect([1, 1536, 3.2 * 2 ** 30].map(formatBytes)).toEqual(['1 bytes', '1.5 KiB', '3.2 GiB']);
  });
});
