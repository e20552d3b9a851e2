import { defineConfig } from 'vitest/config';
import { skippedTests } from '../skipped-tests.js';

const everything = process.env['AIPC_WINDOWS_TESTS'] === 'all';

// Under Wine every process and connection takes a second: of the package's own tests only those run here that the
// system, the runtimes or the emulated CPU could make a difference to. AIPC_WINDOWS_TESTS=all runs all of them.
export default defineConfig({
  test: {
    include: everything
      ? ['dist/src/**/*.test.js', 'dist/test/**/*.test.js']
      : [
          'dist/test/windows/*.test.js',
          'dist/src/*.test.js',
          ...['weights', 'convert', 'chat', 'sampling', 'generation', 'engine', 'tokenizer'].map(
            (folder) => `dist/src/${folder}/**/*.test.js`,
          ),
          ...['cli/cli', 'cli/parse', 'cli/prompt', 'download/file-lock', 'hub/names', 'hub/settings'].map(
            (file) => `dist/src/${file}.test.js`,
          ),
          'dist/src/model/*.test.js',
        ],
    exclude: everything
      ? []
      : [
          // They compare times of milliseconds with each other, which an emulation does not keep in proportion.
          'dist/src/tokenizer/long-text.test.js',
        ],
    testTimeout: 60_000,
    // Once in a while a process under Wine starts or ends never.
    retry: process.env['WINEPREFIX'] === undefined ? 0 : 1,
    hookTimeout: 180_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', skippedTests],
  },
});
