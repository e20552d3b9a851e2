/**
 * An engine without a model, for tests: its logits are a documented function of the whole token history, so that a
 * mistake in handling the KV cache changes them. Limits, delays and failures are options. It computes no language.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkNumber, refuseUnknownKeys } from '../../options.js';
import { createEngine, type EngineBackend, type RunSequence, type SlotCache } from '../engine-core.js';
import { ropeRegime, type Engine, type EngineInfo, type EngineLimits } from '../engine.js';

/** A native run as the fake engine saw it. */
export interface FakeRun {
  /** Counts the engine's runs from 0. */
  readonly index: number;
  readonly sequences: readonly {
    readonly pastTokens: number;
    readonly tokens: readonly number[];
    readonly logitsRows: number;
  }[];
}

export interface FakeEngineOptions {
  /** Default 64. */
  readonly vocabularySize?: number;
  /**
   * Overrides single limits. Defaults: a context of 256 tokens (prompts and appended steps may fill it), 4 slots,
   * batches of 4, prefill chunks of 16 (the first one too), exact rewind, any logits, no rope boundary, aborts inside a run.
   */
  readonly limits?: Partial<EngineLimits>;
  /** The token that shall have the highest logit after `history` (by FAVOURITE_LOGIT), e.g. a scripted answer. */
  readonly favourite?: (history: readonly number[]) => number | undefined;
  /** How long a native run takes, in milliseconds. Default 0: the event loop turns once. */
  readonly runDelayMs?: number | ((run: FakeRun) => number);
  /** Returns the error with which this run fails, after it wrote rubbish into the caches; undefined: it succeeds. */
  readonly failRun?: (run: FakeRun) => Error | undefined;
  /** True: a failed run leaves its slots 'lost' although the engine can rewind. Default false. */
  readonly failuresLoseSlots?: boolean;
}

/** An Engine that tells which native runs it did. */
export interface FakeEngine extends Engine {
  readonly runs: readonly FakeRun[];
}

export const FAVOURITE_LOGIT = 8;

const DEFAULT_LIMITS: EngineLimits = {
  contextTokens: 256,
  maxSlots: 4,
  maxBatch: 4,
  minFirstTokens: 1,
  maxPromptTokens: 256,
  maxAppendTokens: 256,
  prefillChunkTokens: 16,
  firstChunkTokens: 16,
  rewind: 'exact',
  logits: 'any',
  ropeBoundaries: [],
  abort: 'inside-run',
};

/** FNV-1a over the tokens, one 32-bit word each; the start value depends on the rope regime. */
function hashNext(hash: number, token: number): number {
  return Math.imul(hash ^ token, 0x01000193) >>> 0;
}

function hashStart(regime: number): number {
  return (0x811c9dc5 + regime) >>> 0;
}

/** Murmur3's finaliser: spreads neighbouring inputs over all 32 bits. */
function scramble(word: number): number {
  let x = word;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

function writeLogits(hash: number, favourite: number | undefined, row: Float32Array): void {
  for (let token = 0; token < row.length; token += 1) {
    row[token] = (scramble(hash ^ Math.imul(token + 1, 0x9e3779b9)) / 2 ** 32) * 8 - 4;
  }
  if (favourite !== undefined) row[favourite] = FAVOURITE_LOGIT;
}

/**
 * The logits after `history` that a right engine gives: for each token v, scramble(hash ^ (v + 1) * 0x9e3779b9)
 * mapped to [-4, 4), where hash is FNV-1a over the whole history.
 */
export function fakeLogits(history: readonly number[], vocabularySize: number, regime = 0): Float32Array {
  const row = new Float32Array(vocabularySize);
  writeLogits(history.reduce(hashNext, hashStart(regime)), undefined, row);
  return row;
}

class FakeCache implements SlotCache {
  /** The tokens written, and after each of them the hash of the history up to it. */
  readonly tokens: number[] = [];
  readonly hashes: number[] = [];
  dropped = 0;
  broken = false;
  readonly #rewind: EngineLimits['rewind'];

  constructor(rewind: EngineLimits['rewind']) {
    this.#rewind = rewind;
  }

  get occupied(): number {
    return this.tokens.length + this.dropped;
  }

  truncate(length: number): boolean {
    if (this.broken) return false;
    const surplus = this.tokens.length - length;
    if (surplus === 0) return true;
    if (this.#rewind === 'none') return false;
    if (this.#rewind === 'masked') this.dropped += surplus;
    this.tokens.length = length;
    this.hashes.length = length;
    return true;
  }

  clear(): Promise<void> {
    this.tokens.length = 0;
    this.hashes.length = 0;
    this.dropped = 0;
    this.broken = false;
    return Promise.resolve();
  }

  dispose(): Promise<void> {
    return this.clear();
  }
}

class FakeBackend implements EngineBackend<FakeCache> {
  readonly info: EngineInfo;
  readonly limits: EngineLimits;
  readonly runs: FakeRun[] = [];
  readonly #options: FakeEngineOptions;
  #interrupted = new AbortController();

  constructor(options: FakeEngineOptions) {
    this.#options = options;
    const { contextTokens, prefillChunkTokens } = { ...DEFAULT_LIMITS, ...options.limits };
    const whole = { maxPromptTokens: contextTokens, maxAppendTokens: contextTokens };
    this.limits = { ...DEFAULT_LIMITS, ...whole, firstChunkTokens: prefillChunkTokens, ...options.limits };
    this.info = {
      provider: 'fake',
      runtimeVersion: '1',
      requestedDevice: 'cpu',
      device: 'cpu',
      deviceName: 'no model, for tests',
      emulated: true,
      vocabularySize: options.vocabularySize ?? 64,
      activationDtype: 'f32',
      kvDtype: 'f32',
    };
  }

  openCache(): Promise<FakeCache> {
    return Promise.resolve(new FakeCache(this.limits.rewind));
  }

  async run(sequences: readonly RunSequence<FakeCache>[]): Promise<void> {
    this.#interrupted = new AbortController();
    const run: FakeRun = {
      index: this.runs.length,
      sequences: sequences.map(({ pastTokens, tokens, logitsRows }) => ({
        pastTokens,
        tokens: [...tokens],
        logitsRows,
      })),
    };
    this.runs.push(run);
    const failure = this.#options.failRun?.(run);
    for (const sequence of sequences) {
      // Whatever an interrupted or failed run has written must not be seen later.
      if (failure === undefined) this.#append(sequence);
      else sequence.cache.tokens.push(-1);
      if (failure !== undefined && this.#options.failuresLoseSlots === true) sequence.cache.broken = true;
    }
    const delay = this.#options.runDelayMs ?? 0;
    await this.#wait(typeof delay === 'function' ? delay(run) : delay);
    if (failure !== undefined) throw failure;
  }

  interrupt(): void {
    if (this.limits.abort === 'inside-run') this.#interrupted.abort();
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }

  async #wait(delayMs: number): Promise<void> {
    await sleep(delayMs, undefined, { signal: this.#interrupted.signal });
  }

  #append({ cache, tokens, logits, logitsRows, finalLength, pastTokens }: RunSequence<FakeCache>): void {
    const { vocabularySize } = this.info;
    cache.tokens.length = pastTokens; // as a real cache does: what lies beyond is overwritten
    cache.hashes.length = pastTokens;
    let hash = cache.hashes.at(-1) ?? hashStart(ropeRegime(this.limits, finalLength));
    for (const [index, token] of tokens.entries()) {
      hash = hashNext(hash, token);
      cache.tokens.push(token);
      cache.hashes.push(hash);
      const row = index - (tokens.length - logitsRows);
      if (row >= 0) {
        const target = logits.subarray(row * vocabularySize, (row + 1) * vocabularySize);
        writeLogits(hash, this.#options.favourite?.(cache.tokens), target);
      }
    }
  }
}

/** Opens a fake engine. Throws OPTION_UNKNOWN or OPTION_INVALID. */
export function createFakeEngine(options: FakeEngineOptions = {}): FakeEngine {
  refuseUnknownKeys('createFakeEngine', options, [
    'vocabularySize',
    'limits',
    'favourite',
    'runDelayMs',
    'failRun',
    'failuresLoseSlots',
  ]);
  refuseUnknownKeys('createFakeEngine limits', options.limits ?? {}, Object.keys(DEFAULT_LIMITS));
  const maxVocabularySize = 2 ** 24; // a row of logits stays at 64 MiB
  checkNumber('createFakeEngine', 'vocabularySize', options.vocabularySize ?? 64, {
    min: 2,
    max: maxVocabularySize,
    integer: true,
  });
  const backend = new FakeBackend(options);
  return Object.assign(createEngine(backend), { runs: backend.runs });
}
