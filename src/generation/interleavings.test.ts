/**
 * Many conversations at once on one engine, at random: prompts that continue, branch or begin anew, aborts, readers
 * that leave, disposals, failing runs. Whatever is answered must equal what the naive way gives for that prompt alone.
 */
import { describe, expect, it } from 'vitest';
import { createFakeEngine, fakeLogits, type FakeEngineOptions } from '../engine/fake/fake-engine.js';
import { ropeRegime, type EngineLimits } from '../engine/engine.js';
import { Scheduler } from './scheduler.js';
import type { Sequence } from './sequence.js';
import { ask, decodeAll, naiveAnswer, seededRandom } from './testing/requests.js';

const CONTEXT_TOKENS = 48;
const VOCABULARY_SIZE = 24;
const FAILURE = new Error('device removed');
const REASON = new Error('enough');

const engines: Record<string, Partial<EngineLimits>> = {
  'a CPU': { maxSlots: 3, maxBatch: 2, prefillChunkTokens: 6 },
  'a CPU with longrope': { maxSlots: 2, maxBatch: 4, prefillChunkTokens: 6, ropeBoundaries: [10, 24] },
  DirectML: { maxSlots: 2, maxBatch: 1, prefillChunkTokens: CONTEXT_TOKENS, maxAppendTokens: 1, abort: 'between-runs' },
  'an NPU': {
    maxSlots: 1,
    maxBatch: 1,
    minFirstTokens: 2,
    maxPromptTokens: 12,
    maxAppendTokens: 1,
    prefillChunkTokens: 4,
    rewind: 'none',
    logits: 'last',
    abort: 'between-runs',
  },
  'OpenVINO on a GPU': { maxSlots: 2, maxBatch: 1, rewind: 'masked', prefillChunkTokens: 8 },
  'OpenVINO with longrope': { maxSlots: 2, maxBatch: 3, rewind: 'masked', prefillChunkTokens: 5, ropeBoundaries: [16] },
};

interface Conversation {
  sequence: Sequence;
  tokens: number[];
}

class Walk {
  readonly random: () => number;
  readonly scheduler: Scheduler;
  readonly tally = { answered: 0, stopped: 0, aborted: 0, left: 0, disposed: 0, failed: 0, cached: 0 };
  readonly limits: EngineLimits;

  constructor(seed: number, options: FakeEngineOptions) {
    this.random = seededRandom(seed);
    const engine = createFakeEngine({ vocabularySize: VOCABULARY_SIZE, ...options });
    this.limits = engine.limits;
    this.scheduler = new Scheduler(engine);
  }

  async run(conversations: number, turns: number): Promise<void> {
    const endless = Array.from({ length: conversations }, async () => {
      const conversation = { sequence: this.scheduler.createSequence(), tokens: this.ids(2 + this.below(10)) };
      for (let turn = 0; turn < turns; turn++) await this.turn(conversation);
      await conversation.sequence.dispose();
    });
    await Promise.all(endless);
  }

  private async turn(conversation: Conversation): Promise<void> {
    conversation.tokens = this.nextPrompt(conversation.tokens);
    const controller = new AbortController();
    const fate = this.pick(['read', 'read', 'read', 'read', 'abort', 'leave', 'dispose'] as const);
    const wish = {
      prompt: conversation.tokens,
      endTokenIds: new Set([this.below(VOCABULARY_SIZE)]),
      stopStrings: this.pick([[], ['aa', 'dd'], ['bcb'], ['ab', 'éa', 'cdc']]),
      ...(this.random() < 0.5 ? { maxNewTokens: 1 + this.below(16) } : {}),
      signal: controller.signal,
    };
    const most = this.below(8);
    let parts = 0;
    let text = '';
    const seen: number[] = [];
    try {
      for await (const part of ask(this.scheduler, { sequence: conversation.sequence, ...wish })) {
        if (part.type === 'start') this.tally.cached += part.cachedInputTokens;
        if (part.type === 'text-delta') {
          text += part.text;
          seen.push(...part.tokenIds);
        }
        if (part.type === 'finish') {
          this.check(wish, part.finishReason, part.tokenIds, text, part.stopString);
          conversation.tokens = [...wish.prompt, ...part.tokenIds];
          this.tally[
            part.finishReason === 'aborted' ? 'aborted' : part.finishReason === 'stop' ? 'stopped' : 'answered'
          ]++;
        }
        if (parts++ !== most) continue;
        if (fate === 'leave') {
          this.tally.left++;
          break;
        }
        if (fate === 'abort') controller.abort(REASON);
        if (fate === 'dispose') await this.replace(conversation);
      }
    } catch (error) {
      if (error === FAILURE) this.tally.failed++;
      else expect(error).toMatchObject({ code: 'DISPOSED' });
    }
    const expected = naiveAnswer({ limits: this.limits }, this.logitsAfter, wish).tokenIds;
    expect(seen).toEqual(expected.slice(0, seen.length));
  }

  private async replace(conversation: Conversation): Promise<void> {
    await conversation.sequence.dispose();
    conversation.sequence = this.scheduler.createSequence();
    this.tally.disposed++;
  }

  private check(
    wish: Parameters<typeof naiveAnswer>[2],
    finishReason: string,
    tokenIds: readonly number[],
    text: string,
    stopString: string | null,
  ): void {
    const expected = naiveAnswer({ limits: this.limits }, this.logitsAfter, wish);
    if (finishReason === 'aborted') {
      expect(tokenIds).toEqual(expected.tokenIds.slice(0, tokenIds.length));
    } else {
      expect({ finishReason, tokenIds, text }).toEqual(expected);
    }
    if (stopString === null) expect(text).toBe(decodeAll(tokenIds));
    else expect(decodeAll(tokenIds).startsWith(text + stopString)).toBe(true);
  }

  private readonly logitsAfter = (history: readonly number[]) =>
    fakeLogits(history, VOCABULARY_SIZE, ropeRegime(this.limits, history.length));

  /** The next turn of the conversation, an earlier point of it taken up again, the same again, or a new one. */
  private nextPrompt(tokens: readonly number[]): number[] {
    const kept = this.pick([tokens.length, tokens.length, this.below(tokens.length + 1), 0]);
    const prompt = [...tokens.slice(0, kept), ...this.ids(this.below(8))];
    const fitting = prompt.length < CONTEXT_TOKENS ? prompt : prompt.slice(0, CONTEXT_TOKENS / 2);
    return fitting.length < 2 ? this.ids(2 + this.below(20)) : fitting;
  }

  private ids(count: number): number[] {
    return Array.from({ length: count }, () => this.below(VOCABULARY_SIZE));
  }

  private below(bound: number): number {
    return Math.floor(this.random() * bound);
  }

  private pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0];
  }
}

describe('random interleavings', () => {
  it.each(Object.entries(engines))('give the naive answers on an engine like %s', async (_, limits) => {
    const walk = new Walk(2024, { limits: { contextTokens: CONTEXT_TOKENS, ...limits } });
    await walk.run(4, 10); // more than there are slots
    await walk.run(walk.limits.maxSlots, 20); // so that prefixes stay cached
    await walk.scheduler.dispose();
    const { failed, ...happened } = walk.tally;
    expect(failed).toBe(0);
    for (const [what, count] of Object.entries(happened)) expect(count, what).toBeGreaterThan(0);
  });

  it.each([true, false])('give the naive answers while runs fail (slots lost: %s)', async (failuresLoseSlots) => {
    const limits = { contextTokens: CONTEXT_TOKENS, ...engines['a CPU with longrope'] };
    const failRun = ({ index }: { readonly index: number }) => (index % 23 === 22 ? FAILURE : undefined);
    const walk = new Walk(7, { limits, failRun, failuresLoseSlots });
    await walk.run(4, 12);
    await walk.scheduler.dispose();
    expect(walk.tally.failed).toBeGreaterThan(0);
    expect(walk.tally.answered).toBeGreaterThan(0);
  });
});
