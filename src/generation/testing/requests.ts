/** What the tests of generation share: a sampler, a decoder, and requests made of them. Not published. */
import type { Engine } from '../../engine/engine.js';
import type { Sampler } from '../../sampling/sampling.js';
import type { FinishPart, GenerationPart, TextDecoder } from '../answer.js';
import { generate, type GenerationRequest } from '../generate.js';
import type { Scheduler } from '../scheduler.js';

/** The likeliest token that is not among the last three: depends on the logits and on the history. */
export const testSampler: Sampler = {
  random: false,
  seed: 0,
  sample(logits, history) {
    let best = -1;
    for (const [token, logit] of logits.entries()) {
      const recent = [1, 2, 3].some((back) => history[history.length - back] === token);
      if (!recent && (best < 0 || logit > (logits[best] ?? 0))) best = token;
    }
    return best;
  },
};

/** Letters from a to d, one to three for a token; every seventh token is half a character, whole with the next. */
export class TestDecoder implements TextDecoder {
  private halves = 0;

  push(id: number): string {
    if (id % 7 === 0) {
      this.halves++;
      return '';
    }
    const text = 'é'.repeat(this.halves) + String.fromCharCode(97 + (id % 4)).repeat(1 + (id % 3));
    this.halves = 0;
    return text;
  }

  flush(): string {
    return '\uFFFD'.repeat(this.halves);
  }
}

export function decodeAll(ids: readonly number[]): string {
  const decoder = new TestDecoder();
  return ids.map((id) => decoder.push(id)).join('') + decoder.flush();
}

export type Wish = Pick<GenerationRequest, 'sequence'> & {
  readonly prompt: readonly number[];
} & Partial<Omit<GenerationRequest, 'promptTokens'>>;

export function ask(scheduler: Scheduler, { prompt, ...rest }: Wish): AsyncGenerator<GenerationPart, void, void> {
  return generate(scheduler, {
    promptTokens: Int32Array.from(prompt),
    sampler: testSampler,
    decoder: new TestDecoder(),
    endTokenIds: new Set(),
    stopStrings: [],
    ...rest,
  });
}

export interface Collected {
  readonly parts: readonly GenerationPart[];
  readonly text: string;
  readonly finish: FinishPart;
}

export async function collect(stream: AsyncIterable<GenerationPart>): Promise<Collected> {
  const parts: GenerationPart[] = [];
  for await (const part of stream) parts.push(part);
  const text = parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('');
  const finish = parts.at(-1);
  if (finish?.type !== 'finish') throw new Error('The stream ended without a finish part.');
  return { parts, text, finish };
}

export function answerOf(scheduler: Scheduler, wish: Wish): Promise<Collected> {
  return collect(ask(scheduler, wish));
}

/** Whatever rng gives in [0, 1): mulberry32, so that a failing test can be repeated. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Expected {
  readonly tokenIds: readonly number[];
  readonly text: string;
  readonly finishReason: 'stop' | 'length';
}

/** The same answer the naive way: all logits from scratch for each token, the whole text searched after each. */
export function naiveAnswer(
  engine: Pick<Engine, 'limits'>,
  logitsAfter: (history: readonly number[]) => Float32Array,
  wish: Omit<Wish, 'sequence'>,
): Expected {
  const room = engine.limits.contextTokens - wish.prompt.length;
  const most = Math.min(room, wish.maxNewTokens ?? room);
  const tokenIds: number[] = [];
  while (tokenIds.length < most) {
    const history = [...wish.prompt, ...tokenIds];
    const token = testSampler.sample(logitsAfter(history), history);
    if (wish.endTokenIds?.has(token) === true) return { tokenIds, text: decodeAll(tokenIds), finishReason: 'stop' };
    tokenIds.push(token);
    const decoder = new TestDecoder();
    const certain = tokenIds.map((id) => decoder.push(id)).join('');
    const cut = cutAtFirstStop(certain, wish.stopStrings ?? []);
    if (cut !== undefined) return { tokenIds, text: cut, finishReason: 'stop' };
  }
  return { tokenIds, text: decodeAll(tokenIds), finishReason: 'length' };
}

/** The text before the stop string that is complete first, the longest of those; undefined where there is none. */
export function cutAtFirstStop(text: string, stopStrings: readonly string[]): string | undefined {
  for (let end = 1; end <= text.length; end++) {
    const found = stopStrings.filter((stop) => text.slice(0, end).endsWith(stop));
    if (found.length > 0) return text.slice(0, end - Math.max(...found.map((stop) => stop.length)));
  }
  return undefined;
}
