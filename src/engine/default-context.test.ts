import { expect, it } from 'vitest';
import { defaultContextTokens } from './default-context.js';

it.each([
  [4096, 4096],
  [8192, 8192],
  [131_072, 8192],
])('a model made for %i tokens gets %i where nobody asks', (modelContextTokens, expected) => {
  expect(defaultContextTokens(modelContextTokens)).toBe(expected);
});
