import { defineConfig } from 'vitest/config';

// The suites that need the Python peers; run.mjs prepares them. `npm test` does not see these files.
export default defineConfig({
  test: {
    include: ['dist/test/parity/**/*.parity.js'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    pool: 'forks',
    // One model at a time: each takes the cores and, in fp32, a gigabyte of memory.
    maxWorkers: 1,
    reporters: ['verbose'],
  },
});
