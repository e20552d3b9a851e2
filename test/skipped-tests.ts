/** A vitest reporter that names each skipped test: its name says why it is skipped. The default one only counts them. */
import type { Reporter } from 'vitest/node';

export const skippedTests: Reporter = {
  onTestRunEnd(modules) {
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) console.log(`SKIPPED ${test.fullName}`);
    }
  },
};
