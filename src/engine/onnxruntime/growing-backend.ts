/**
 * Native runs of a decoder whose graph joins past and present itself (plain attention, as optimum and transformers.js
 * have it): each run reads the keys and values of the past and writes them anew, longer by its tokens. One sequence at
 * a time, on the CPU. It owns the session and all native memory. Life cycle, checks and chunking are the engine core's.
 */
import { EngineError } from '../../errors.js';
import type { EngineBackend, RunSequence, SlotCache } from '../engine-core.js';
import type { EngineInfo, EngineLimits } from '../engine.js';
import { widenFloat16 } from '../float16.js';
import { requireMemory } from '../memory.js';
import { requireRegimeOfRun } from '../run-plan.js';
import { takePointer, type OrtApi, type Pointer } from './c-api.js';
import type { DecoderIo } from './decoder-io.js';
import { LogitsChoice } from './logits-choice.js';
import { kvBytesPerPosition } from './kv-memory.js';
import { PastPresent } from './past-present.js';
import { RunBinding } from './run-binding.js';

/** The KV cache of one sequence. A run that fails leaves the past as it was. */
class GrowingCache implements SlotCache {
  /** Valid positions; the tensors may hold more until the next run cuts them. */
  occupied = 0;
  readonly capacityTokens: number;
  readonly tensors: PastPresent;
  readonly #forget: (cache: GrowingCache) => void;

  constructor(capacityTokens: number, tensors: PastPresent, forget: (cache: GrowingCache) => void) {
    this.capacityTokens = capacityTokens;
    this.tensors = tensors;
    this.#forget = forget;
  }

  truncate(length: number): boolean {
    this.occupied = Math.min(this.occupied, length);
    return true;
  }

  clear(): Promise<void> {
    this.occupied = 0;
    this.tensors.release();
    return Promise.resolve();
  }

  dispose(): Promise<void> {
    this.#forget(this);
    return this.clear();
  }
}

type Sequence = RunSequence<GrowingCache>;

/** An array whose memory never moves: V8 keeps short arrays without an ArrayBuffer of their own on its heap. */
function integers(count: number): BigInt64Array<ArrayBuffer> {
  return new BigInt64Array(new ArrayBuffer(count * BigInt64Array.BYTES_PER_ELEMENT));
}

export interface GrowingBackendParts {
  readonly api: OrtApi;
  /** The backend releases it. */
  readonly session: Pointer;
  readonly io: DecoderIo;
  readonly info: EngineInfo;
  /** maxBatch is 1. */
  readonly limits: EngineLimits;
}

export class GrowingBackend implements EngineBackend<GrowingCache> {
  readonly info: EngineInfo;
  readonly limits: EngineLimits;
  readonly #api: OrtApi;
  readonly #session: Pointer;
  readonly #io: DecoderIo;
  readonly #runOptions: Pointer;
  readonly #caches = new Set<GrowingCache>();
  readonly #logitsChoice: LogitsChoice;
  #isRunning = false;
  #isInterrupted = false;

  readonly #tokens: BigInt64Array;
  readonly #positions: BigInt64Array;
  #ones = integers(0);
  #logits: Float32Array | Uint16Array;

  constructor({ api, session, io, info, limits }: GrowingBackendParts) {
    this.#api = api;
    this.#session = session;
    this.#io = io;
    this.info = info;
    this.limits = limits;
    this.#runOptions = takePointer((out) => api.CreateRunOptions(out));
    this.#logitsChoice = new LogitsChoice(io);
    this.#tokens = integers(limits.prefillChunkTokens);
    this.#positions = integers(limits.prefillChunkTokens);
    this.#logits = this.#logitsArray(1);
  }

  openCache(capacityTokens: number): Promise<GrowingCache> {
    const { layers, kvHeads, headSize, kvType } = this.#io;
    const shape = { layers: layers.length, kvHeads, headSize, type: kvType };
    // A run holds the past and the present, and those of other slots stay.
    requireMemory(
      `A KV cache of ${capacityTokens} tokens, twice: this model's graph copies it at every run,`,
      2 * capacityTokens * kvBytesPerPosition(shape),
      'Open the slot with a smaller capacityTokens, or dispose other slots.',
    );
    const cache = new GrowingCache(capacityTokens, new PastPresent(this.#api, shape, capacityTokens), (gone) =>
      this.#caches.delete(gone),
    );
    this.#caches.add(cache);
    return Promise.resolve(cache);
  }

  async run(sequences: readonly Sequence[]): Promise<void> {
    this.#isInterrupted = false;
    this.#api.RunOptionsUnsetTerminate(this.#runOptions);
    this.#isRunning = true;
    try {
      for (const sequence of sequences) await this.#runOne(sequence);
    } finally {
      this.#isRunning = false;
    }
  }

  interrupt(): void {
    this.#isInterrupted = true;
    if (this.#isRunning) this.#api.RunOptionsSetTerminate(this.#runOptions);
  }

  async dispose(): Promise<void> {
    for (const cache of this.#caches) cache.tensors.release();
    this.#caches.clear();
    this.#api.ReleaseRunOptions(this.#runOptions);
    await this.#api.async.releaseSession(this.#session);
  }

  async #runOne(sequence: Sequence): Promise<void> {
    requireRegimeOfRun(this.limits, sequence);
    const { cache, pastTokens, tokens } = sequence;
    const total = pastTokens + tokens.length;
    await cache.tensors.cut(pastTokens);
    cache.tensors.reserve(total, Math.min(sequence.finalLength, cache.capacityTokens));
    // The binding keeps references to its tensors alone: it is made for one run, a fraction of the run's own time.
    const binding = new RunBinding(
      this.#api,
      this.#session,
      { ...this.#io, layers: [] },
      NO_SHARED_KV,
      0,
      1,
      undefined,
    );
    try {
      cache.tensors.bind(binding.pointer, this.#io.layers, total);
      const logitsRows = this.#bindTensors(binding, sequence, total);
      if (this.#isInterrupted) throw new EngineError('RUNTIME_FAILED', 'The run was interrupted.');
      await this.#api.async.runWithBinding(this.#session, this.#runOptions, binding.pointer);
      cache.tensors.advance(total);
      cache.occupied = total;
      this.#takeLogits(sequence, logitsRows - sequence.logitsRows);
    } finally {
      binding.release();
      cache.tensors.unbind();
    }
  }

  /** Binds tokens, mask, positions and logits; returns how many rows of logits the graph computes. */
  #bindTensors(binding: RunBinding, { tokens, pastTokens, logitsRows: wantedRows }: Sequence, total: number): number {
    const io = this.#io;
    const count = tokens.length;
    for (const [at, token] of tokens.entries()) {
      this.#tokens[at] = BigInt(token);
      this.#positions[at] = BigInt(pastTokens + at);
    }
    binding.bindInput(io.inputIds, this.#tokens, [1, count]);
    if (io.positionIds !== undefined) binding.bindInput(io.positionIds, this.#positions, [1, count]);
    binding.bindInput(io.attentionMask, this.#onesFor(total), [1, total]);
    const rows = this.#logitsChoice.bind(binding, count, wantedRows);
    if (this.#logits.length < rows * io.vocabularySize) this.#logits = this.#logitsArray(rows);
    binding.bindOutput(io.logits, this.#logits, [1, rows, io.vocabularySize]);
    return rows;
  }

  /** At least `width` ones. They grow with the sequences: a file may claim a context that no memory holds. */
  #onesFor(width: number): BigInt64Array {
    if (this.#ones.length < width) {
      this.#ones = integers(Math.max(width, Math.min(2 * this.#ones.length, this.limits.contextTokens))).fill(1n);
    }
    return this.#ones;
  }

  #takeLogits({ logits, logitsRows }: Sequence, firstRow: number): void {
    const { vocabularySize } = this.#io;
    const rows = this.#logits.subarray(firstRow * vocabularySize, (firstRow + logitsRows) * vocabularySize);
    if (rows instanceof Float32Array) logits.set(rows);
    else widenFloat16(rows, logits);
  }

  #logitsArray(rows: number): Float32Array | Uint16Array {
    const count = rows * this.#io.vocabularySize;
    return this.#io.logitsType === 'f16' ? new Uint16Array(count) : new Float32Array(count);
  }
}

const NO_SHARED_KV = { generation: 0, view: () => ({ tensors: [], release: () => undefined }) };
