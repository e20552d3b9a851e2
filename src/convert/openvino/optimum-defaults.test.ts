import { describe, expect, it } from 'vitest';
import { optimumInt4Defaults } from './optimum-defaults.js';

const PHI3 = { options: { symmetric: false, groupSize: 64, ratio: 1 }, omitted: ['scale estimation on wikitext2'] };

describe('optimumInt4Defaults', () => {
  it('knows a model by any of its ids, or by the name of its folder', () => {
    expect(optimumInt4Defaults(['microsoft/Phi-3-mini-4k-instruct'], '')).toEqual(PHI3);
    expect(optimumInt4Defaults(['/models/x', 'microsoft/Phi-3-mini-4k-instruct'], 'x')).toEqual(PHI3);
    expect(optimumInt4Defaults(['/models/Phi-3-mini-4k-instruct'], 'Phi-3-mini-4k-instruct')).toEqual(PHI3);
  });

  it.each([['demo'], ['mini-4k-instruct'], ['constructor'], ['']])('knows nothing of %j', (name) => {
    expect(optimumInt4Defaults([name], name)).toBeNull();
  });
});
