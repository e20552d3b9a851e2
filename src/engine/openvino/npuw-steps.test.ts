import { describe, expect, it } from 'vitest';
import type { NpuwPlan } from './npuw-config.js';
import {
  afterNpuwStep,
  EMPTY_STATE,
  planNpuwSteps,
  PRIME_TOKENS,
  type NpuwGrowth,
  type NpuwState,
  type NpuwStep,
} from './npuw-steps.js';

const PLAN: NpuwPlan = {
  properties: {},
  maxPromptTokens: 64,
  minResponseTokens: 32,
  contextTokens: 95,
  chunkTokens: 16,
  cachesPrefixes: true,
  hasGenerateVariants: false,
  devices: ['npu'],
  isEmulated: false,
};

function steps(state: Partial<NpuwState>, growth: Partial<NpuwGrowth>, plan: Partial<NpuwPlan> = {}): string[] {
  const planned = planNpuwSteps(
    { ...PLAN, ...plan },
    { ...EMPTY_STATE, ...state },
    { past: 0, total: 0, wantsLogits: true, ...growth },
  );
  return planned.map((step) => {
    if (step.kind === 'prefill') return `prefill ${step.tokens}`;
    return step.kind === 'prime' ? 'prime' : `decode ${step.position}/${step.maskTokens}`;
  });
}

/** Decoding goes on: the cache holds this many tokens, all of the sequence. */
const live = (tokens: number, prefillTokens = tokens - 1): Partial<NpuwState> => ({
  validTokens: tokens,
  storedTokens: tokens,
  prefillTokens,
  isDecoding: true,
});

describe('planNpuwSteps', () => {
  it('prefills a prompt by chunks, one native run each', () => {
    expect(steps({}, { total: 40 })).toEqual(['prefill 16', 'prefill 32', 'prefill 40']);
    expect(steps({ cachedTokens: 40 }, { total: 40 })).toEqual(['prefill 40']);
    expect(steps({ cachedTokens: 20 }, { total: 40 })).toEqual(['prefill 32', 'prefill 40']);
  });

  it('prefills in one run where prefixes are not cached', () => {
    expect(steps({}, { total: 40 }, { cachesPrefixes: false, chunkTokens: 64 })).toEqual(['prefill 40']);
    expect(steps({}, { total: 48 }, { cachesPrefixes: false, chunkTokens: 64 })).toEqual(['prefill 48']);
  });

  it('takes no logits from a prefill of whole chunks', () => {
    expect(steps({}, { total: 32 })).toEqual(['prefill 16', 'prefill 31', 'decode 31/31']);
    expect(steps({}, { total: 32, wantsLogits: false })).toEqual(['prefill 16', 'prefill 32']);
    expect(steps({}, { total: 66, wantsLogits: false }).slice(-4)).toEqual([
      ...['prefill 63', 'decode 63/63', 'decode 64/64', 'decode 65/65'],
    ]);
  });

  it('decodes one token after another, and a few at once, where the cache can be continued', () => {
    expect(steps(live(20), { past: 20, total: 21 })).toEqual(['decode 20/20']);
    expect(steps(live(20), { past: 20, total: 23 })).toEqual(['decode 20/20', 'decode 21/21', 'decode 22/22']);
    expect(steps(live(20), { past: 20, total: 40 })).toEqual(['prefill 16', 'prefill 32', 'prefill 40']);
  });

  it('hides dropped positions, once a decode came after the prefill', () => {
    const rewound = { ...live(30), validTokens: 20 };
    expect(steps(rewound, { past: 20, total: 21 })).toEqual(['decode 20/30']);
    expect(steps({ ...rewound, isDecoding: false, cachedTokens: 16 }, { past: 20, total: 21 })).toEqual(['prefill 21']);
  });

  it('feeds what goes beyond the longest prompt token by token', () => {
    expect(steps(live(62), { past: 62, total: 66 })).toEqual([62, 63, 64, 65].map((at) => `decode ${at}/${at}`));
    expect(steps({ cachedTokens: 62 }, { past: 62, total: 66 })).toEqual([
      ...['prefill 63', 'decode 63/63', 'decode 64/64', 'decode 65/65'],
    ]);
  });

  it('gives a single first token a prefill to come after', () => {
    expect(steps({}, { total: 1 })).toEqual(['prime', `decode 0/${PRIME_TOKENS}`]);
    expect(steps({ ...live(30), validTokens: 0 }, { total: 1 })).toEqual(['decode 0/30']);
  });

  it('prefills again before the generate model for a short prompt is full, and at the longest prompt', () => {
    const variants = { hasGenerateVariants: true };
    expect(steps(live(40, 10), { past: 40, total: 41 }, variants)).toEqual(['decode 40/40']);
    expect(steps({ ...live(41, 10), cachedTokens: 10 }, { past: 41, total: 42 }, variants)).toEqual([
      ...['prefill 16', 'prefill 32', 'prefill 42'],
    ]);
    expect(steps({ ...live(63, 40), cachedTokens: 32 }, { past: 63, total: 64 }, variants)).toEqual([
      ...['prefill 48', 'prefill 63', 'decode 63/63'],
    ]);
    expect(steps(live(70, 64), { past: 70, total: 71 }, variants)).toEqual(['decode 70/70']);
  });
});

/** NPUW's behaviour on one sequence of numbers, its traps included; logits are the sequence that made them. */
class FakeNpuw {
  /** Undefined: wrong contents. */
  kv: number[] | undefined = [];
  logits = '';
  private mask = 0;
  private isDecoding = false;
  private variantEnd = 0;
  private readonly cached = new Set<string>();

  constructor(
    private readonly plan: NpuwPlan,
    private readonly emptyPrefillAt: number,
  ) {}

  run(step: NpuwStep, sequence: readonly number[]): void {
    if (step.kind === 'prefill') this.prefill(sequence.slice(0, step.tokens));
    else if (step.kind === 'decode') this.decode(sequence[step.position] ?? -1, step.position, step.maskTokens);
    else {
      this.prefill([0, 0]);
      this.decode(0, 2, 2);
    }
  }

  private prefill(tokens: readonly number[]): void {
    const { chunkTokens, maxPromptTokens, minResponseTokens, hasGenerateVariants, cachesPrefixes } = this.plan;
    if (tokens.length < 2 || tokens.length > maxPromptTokens) throw new Error('not a prefill');
    const keys: string[] = [];
    for (let end = chunkTokens; end <= tokens.length && cachesPrefixes; end += chunkTokens) {
      keys.push(tokens.slice(0, end).join());
    }
    const computesNothing =
      cachesPrefixes && tokens.length === this.emptyPrefillAt && keys.every((key) => this.cached.has(key));
    for (const key of keys) this.cached.add(key);
    this.kv = computesNothing ? undefined : [...tokens];
    if (!computesNothing) this.logits = tokens.join();
    this.isDecoding = false;
    // The first variant is one chunk long.
    const needed = tokens.length + minResponseTokens;
    const short = chunkTokens + minResponseTokens;
    this.variantEnd = hasGenerateVariants && needed <= short ? short : maxPromptTokens + minResponseTokens;
  }

  private decode(token: number, position: number, maskTokens: number): void {
    if (position + 1 >= this.variantEnd) throw new Error('beyond the generate model');
    const stored = this.kv?.length ?? 0;
    if (this.kv !== undefined && (position > stored || (position < stored && !this.isDecoding))) this.kv = undefined;
    if (!this.isDecoding) this.mask = stored;
    this.mask = maskTokens >= this.mask ? position : this.mask; // zeros up to there; ones beyond stay
    if (this.mask > position) this.kv = undefined;
    this.kv = this.kv === undefined ? undefined : [...this.kv.slice(0, position), token];
    this.logits = this.kv?.join() ?? 'wrong';
    this.isDecoding = true;
    this.mask = Math.max(this.mask, position + 1);
  }
}

const clamp = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max);

describe('planNpuwSteps on a model of NPUW', () => {
  const plans: Readonly<Record<string, Partial<NpuwPlan>>> = {
    'as by default': {},
    'without prefix caching': { cachesPrefixes: false, chunkTokens: 64 },
    'with generate models of several lengths': { hasGenerateVariants: true },
  };

  it.each(Object.entries(plans))('computes the right sequence whatever came before, %s', (_, change) => {
    const plan = { ...PLAN, ...change };
    let seed = 1;
    const random = (end: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * end);
    };
    // The trap is where NPUW's own rounding puts it, which is not relied on.
    for (const emptyPrefillAt of [16, 32, 48, 64]) {
      const npuw = new FakeNpuw(plan, emptyPrefillAt);
      let state = EMPTY_STATE;
      let prefilled: readonly number[] = [];
      let sequence: number[] = [];
      let singles = 0; // a run of one-token growths, as an answer is
      // Few sequences, so that what is cached comes again.
      const texts = Array.from({ length: 4 }, () => Array.from({ length: plan.contextTokens }, () => random(2)));
      for (let round = 0; round < 3000; round += 1) {
        if (singles > 0) singles -= 1;
        else if (random(4) === 0) singles = random(60);
        if ((singles === 0 && random(8) === 0) || sequence.length === plan.contextTokens) {
          sequence = sequence.slice(0, random(sequence.length)); // a rewind, to nothing at times
        }
        const isOther = singles === 0 && random(10) === 0;
        if (isOther) sequence = [];
        const most = (sequence.length === 0 ? plan.maxPromptTokens : plan.contextTokens) - sequence.length;
        const wholeChunks = plan.chunkTokens * (1 + random(4)) - sequence.length;
        const wanted = singles > 0 ? 1 : random(2) === 0 ? wholeChunks : 1 + random(most);
        const text = texts[random(texts.length)] ?? [];
        const grown = [...sequence, ...text.slice(sequence.length, sequence.length + clamp(wanted, 1, most))];
        const growth = { past: sequence.length, total: grown.length, wantsLogits: random(4) !== 0 };
        const differs = grown.findIndex((token, i) => token !== prefilled[i]);
        state = {
          ...state,
          validTokens: isOther ? 0 : Math.min(state.validTokens, sequence.length),
          cachedTokens: differs === -1 ? grown.length : differs,
        };
        let isAborted = false;
        for (const step of planNpuwSteps(plan, state, growth)) {
          isAborted = random(100) === 0;
          if (isAborted) break;
          npuw.run(step, grown);
          if (step.kind === 'prefill') prefilled = grown.slice(0, step.tokens);
          state = afterNpuwStep(plan, state, step);
        }
        if (isAborted) continue;
        if (growth.wantsLogits) expect(npuw.logits).toBe(grown.join());
        sequence = grown;
      }
    }
  });
});
