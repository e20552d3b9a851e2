import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EngineError, OptionError } from '../errors.js';
import { createRandomSource } from './random.js';
import { createDistribution, createSampler, resolveSamplingOptions, type SamplingOptions } from './sampling.js';

interface Golden {
  readonly vocabularySize: number;
  readonly cases: readonly {
    readonly options: SamplingOptions;
    readonly logits: readonly number[];
    readonly history: readonly number[];
    readonly probabilities: readonly number[];
  }[];
}
const golden = JSON.parse(
  readFileSync(new URL('../../../test/golden/sampling/probabilities.json', import.meta.url), 'utf8'),
) as Golden;

const normal = (random: () => number) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const randomLogits = (size: number, seed: number, scale = 3) => {
  const random = createRandomSource(seed);
  return Float32Array.from({ length: size }, () => normal(random) * scale);
};

/** The probability of each token of the vocabulary under the whole chain. */
function probabilities(options: SamplingOptions, logits: Float32Array, history: readonly number[] = []): number[] {
  const left = createDistribution(resolveSamplingOptions(options), logits.length)(logits, history);
  const weights = new Array<number>(logits.length).fill(0);
  let total = 0;
  for (let i = 0; i < left.count; i++) {
    weights[left.ids[i] ?? -1] = left.weights[i] ?? 0;
    total += left.weights[i] ?? 0;
  }
  return weights.map((weight) => weight / total);
}

const survivors = (options: SamplingOptions, logits: Float32Array) =>
  probabilities(options, logits).flatMap((probability, id) => (probability > 0 ? [id] : []));

describe('the chain of filters', () => {
  it.each(golden.cases.map((c) => [JSON.stringify(c.options), c] as const))(
    "gives transformers' probabilities for %s",
    (_, c) => {
      const found = probabilities(c.options, Float32Array.from(c.logits), c.history);
      expect(found.map((p) => p > 0)).toEqual(c.probabilities.map((p) => p > 0));
      for (const [id, expected] of c.probabilities.entries()) expect(found[id]).toBeCloseTo(expected, 13);
    },
  );

  it('keeps, for any k, what a full sort keeps', () => {
    for (let seed = 0; seed < 40; seed++) {
      const logits = randomLogits(500, seed).map((logit) => (seed % 2 === 0 ? logit : Math.round(logit)));
      if (seed % 5 === 0) logits.sort();
      if (seed % 7 === 0) logits.sort().reverse();
      for (const topK of [1, 2, 31, 32, 33, 250, 499, 500, 501]) {
        const sorted = logits.toSorted().reverse();
        const kth = sorted[Math.min(topK, 500) - 1] ?? NaN;
        expect(survivors({ topK }, logits)).toEqual([...logits.keys()].filter((id) => (logits[id] ?? NaN) >= kth));
      }
    }
  });

  it('keeps, for any p, the shortest run of a full sort that reaches it', () => {
    for (let seed = 0; seed < 40; seed++) {
      const logits = randomLogits(300, seed).map((logit) => (seed % 2 === 0 ? logit : Math.round(logit)));
      const all = probabilities({ temperature: 1 }, logits);
      const order = [...all.keys()].sort((a, b) => (all[b] ?? 0) - (all[a] ?? 0) || a - b);
      for (const topP of [1e-6, 0.013, 0.31, 0.77, 0.93, 0.9991]) {
        let reached = 0;
        const expected = order.filter((id) => {
          const needed = reached < topP;
          reached += all[id] ?? 0;
          return needed;
        });
        expect(survivors({ topP }, logits)).toEqual(expected.sort((a, b) => a - b));
      }
    }
  });

  it('keeps everything at the neutral values', () => {
    const logits = randomLogits(100, 1);
    expect(survivors({ temperature: 1, topK: 0, topP: 1, minP: 0 }, logits)).toHaveLength(100);
  });

  it('keeps all tokens when all are equally likely and the filters allow it', () => {
    const flat = new Float32Array(64).fill(-2);
    expect(survivors({ topK: 3 }, flat)).toHaveLength(64); // as transformers: ties with the k-th stay
    expect(survivors({ topP: 0.5 }, flat)).toEqual(Array.from({ length: 32 }, (_, id) => id));
    expect(survivors({ minP: 1 }, flat)).toHaveLength(64);
  });

  it('survives extreme temperatures and logits', () => {
    const logits = Float32Array.of(-3e38, 3e38, 1, -Infinity);
    expect(survivors({ temperature: 1e-300 }, logits)).toEqual([1]);
    expect(survivors({ temperature: 100, topK: 3, topP: 0.99 }, logits)).toEqual([1]);
    expect(survivors({ temperature: 100 }, Float32Array.of(0, 1, -Infinity))).toEqual([0, 1]);
  });
});

describe('the greedy sampler', () => {
  it('is the default, and what temperature 0 means whatever else is given', () => {
    const logits = randomLogits(1000, 3);
    const best = logits.indexOf(Math.max(...logits));
    for (const options of [{}, { seed: 4 }, { temperature: 0 }, { temperature: 0, topK: 50, topP: 0.9 }]) {
      const sampler = createSampler(options, 1000);
      expect(sampler.random).toBe(false);
      expect(sampler.sample(logits, [])).toBe(best);
    }
  });

  it('takes the lowest id of equal logits', () => {
    expect(createSampler({}, 4).sample(Float32Array.of(1, 5, 5, 5), [])).toBe(1);
    expect(createSampler({}, 3).sample(Float32Array.of(-Infinity, -3e38, -3e38), [])).toBe(1);
  });

  it('applies the repetition penalty once for each distinct token of the history', () => {
    const sampler = createSampler({ repetitionPenalty: 2 }, 4);
    expect(sampler.sample(Float32Array.of(4, 3, 0, -1), [0, 0, 0])).toBe(1); // 4 / 2 < 3
    expect(sampler.sample(Float32Array.of(4, 1.5, 0, -1), [0, 0, 0])).toBe(0); // 4 / 2 > 1.5: not divided thrice
    expect(sampler.sample(Float32Array.of(-4, -3, -5, -9), [1])).toBe(0); // -3 * 2 < -4
    expect(sampler.sample(Float32Array.of(4, 3, 0, -1), [])).toBe(0); // an earlier history leaves no trace
  });
});

describe('the random sampler', () => {
  it('draws each token as often as its probability says', () => {
    const logits = randomLogits(30, 5, 1.5);
    const options = { temperature: 0.8, topK: 12, seed: 99 };
    const expected = probabilities(options, logits);
    const sampler = createSampler(options, 30);
    const draws = 20_000;
    const counts = new Array<number>(30).fill(0);
    for (let i = 0; i < draws; i++) {
      const id = sampler.sample(logits, []);
      counts[id] = (counts[id] ?? 0) + 1;
    }
    let chiSquare = 0;
    for (const [id, probability] of expected.entries()) {
      const count = counts[id] ?? 0;
      if (probability === 0) expect(count).toBe(0);
      else chiSquare += (count - draws * probability) ** 2 / (draws * probability);
    }
    expect(chiSquare).toBeLessThan(31.3); // 11 degrees of freedom, p = 0.001
  });

  it('gives the same tokens for the same seed and options, and others for another seed', () => {
    const rows = Array.from({ length: 64 }, (_, i) => randomLogits(200, i));
    const run = (seed: number) => {
      const sampler = createSampler({ temperature: 1, topP: 0.95, seed }, 200);
      return rows.map((row) => sampler.sample(row, []));
    };
    expect(run(12)).toEqual(run(12));
    expect(run(12)).not.toEqual(run(13));
  });

  it('gives these tokens for seed 2024 on every platform', () => {
    const logits = Float32Array.from({ length: 1000 }, (_, i) => ((i * 7919) % 1000) / 128);
    const sampler = createSampler({ temperature: 0.9, topP: 0.9, minP: 0.01, seed: 2024 }, 1000);
    expect(Array.from({ length: 8 }, () => sampler.sample(logits, []))).toEqual([
      136, 791, 741, 840, 878, 852, 778, 865,
    ]);
  });

  it('reports a random seed when none is given, which repeats the run', () => {
    const rows = Array.from({ length: 16 }, (_, i) => randomLogits(200, i));
    const first = createSampler({ temperature: 1 }, 200);
    expect(first.random).toBe(true);
    const tokens = rows.map((row) => first.sample(row, []));
    const again = createSampler({ temperature: 1, seed: first.seed }, 200);
    expect(rows.map((row) => again.sample(row, []))).toEqual(tokens);
    expect(createSampler({ temperature: 1 }, 200).seed).not.toBe(first.seed);
  });

  it('leaves the logits unchanged', () => {
    const logits = randomLogits(100, 6);
    const before = logits.slice();
    createSampler({ temperature: 0.5, topK: 5, repetitionPenalty: 1.5 }, 100).sample(logits, [1, 2, 3]);
    createSampler({ repetitionPenalty: 1.5 }, 100).sample(logits, [1, 2, 3]);
    expect(logits).toEqual(before);
  });
});

describe('bad input', () => {
  it.each([
    ['temperature', -0.1],
    ['temperature', 100.5],
    ['temperature', NaN],
    ['topK', -1],
    ['topK', 1.5],
    ['topP', 0],
    ['topP', 1.01],
    ['minP', -0.01],
    ['minP', 1.01],
    ['repetitionPenalty', 0],
    ['repetitionPenalty', 101],
    ['seed', -1],
    ['seed', 2 ** 32],
    ['seed', '7'],
  ])('refuses %s %s and names the range', (option, value) => {
    expect(() => createSampler({ [option]: value }, 10)).toThrow(OptionError);
    expect(() => createSampler({ [option]: value }, 10)).toThrow(new RegExp(`${option} must be .* from .* to `));
  });

  it('refuses an unknown option and lists the known ones', () => {
    expect(() => createSampler({ top_k: 4 } as SamplingOptions, 10)).toThrow(/unknown option 'top_k'.*topK/);
  });

  it.each([
    [{}, [1, NaN, 2]],
    [{}, [-Infinity, -Infinity, -Infinity]],
    [{}, [0, Infinity, 0]],
    [{ temperature: 1 }, [1, 2, NaN]],
    [{ temperature: 1 }, [-Infinity, -Infinity, -Infinity]],
    [{ repetitionPenalty: 2 }, [NaN, 1, 2]],
  ] as [SamplingOptions, number[]][])('with %j refuses the logits %j of a broken model', (options, logits) => {
    expect(() => createSampler(options, 3).sample(Float32Array.from(logits), [0])).toThrow(EngineError);
  });

  it('refuses a row of another size and a history outside the vocabulary', () => {
    expect(() => createSampler({}, 4).sample(new Float32Array(3), [])).toThrow(OptionError);
    for (const id of [-1, 4, 0.5]) {
      expect(() => createSampler({ repetitionPenalty: 2 }, 4).sample(new Float32Array(4), [id])).toThrow(OptionError);
    }
  });
});
