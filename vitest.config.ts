import { defineConfig } from 'vitest/config';
import { skippedTests } from './test/skipped-tests.js';

// Tests run on the compiled package in dist/: worker threads and child processes are then the real ones.
export default defineConfig({
  test: {
    include: ['dist/src/**/*.test.js', 'dist/test/**/*.test.js'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', skippedTests],
  },
});
